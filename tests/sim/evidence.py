"""The matrix of sim/EVIDENCE.md: for each feature of the model, what shows that it is right; gaps are empty cells.

    python -m tests.sim.evidence > sim/EVIDENCE.md

The features are those of the random services in which both engines are compared. What is said here by hand is which
truth of queueing theory a feature is part of, and which test knows its times; everything else is found out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.sim.equality.drawings import Drawing
from tests.sim.equality.features import FEATURES, features
from windtunnel.harness import catalogue

ROOT = Path(__file__).parents[2]
PRODUCT_FORM = "product form"
"""200 random networks; no row of the truths, but a test of its own."""


@dataclass(frozen=True)
class Evidence:
    """What is said of one feature."""

    truths: tuple[str, ...] = ()
    """Names of rows in tests/sim/truths/rows.py, or PRODUCT_FORM."""
    by_hand: str = ""
    """A test below tests/: file::function."""


def by_hand(test: str, *truths: str) -> Evidence:
    return Evidence(truths, test)


GROUPS: dict[str, dict[str, Evidence]] = {
    "Flows": {
        "sequence": by_hand("sim/reference/test_engine.py::test_times_add_up", "four hops", PRODUCT_FORM),
        "nested calls": by_hand("sim/reference/test_engine.py::test_times_add_up"),
        "choose": by_hand("sim/reference/test_program.py::test_a_choice_is_drawn_by_its_own_address", PRODUCT_FORM),
        "parallel all": by_hand(
            "sim/reference/test_program.py::test_a_fork_goes_on_when_enough_have_ended_well_or_no_longer_can",
            "fork-join",
        ),
        "parallel first k": by_hand(
            "sim/reference/test_program.py::test_a_fork_goes_on_when_enough_have_ended_well_or_no_longer_can",
            "Erlang A",
        ),
        "repeat times": by_hand("sim/reference/test_program.py::test_how_often_may_be_drawn"),
        "repeat until": by_hand(
            "sim/reference/test_program.py::test_polling_goes_on_until_the_last_call_of_an_iteration_has_ended_as_hoped"
        ),
        "streaming": by_hand(
            "sim/reference/test_engine.py::test_the_first_token_passes_at_once_and_the_answer_ends_with_the_last"
        ),
        "on hit": by_hand("sim/test_branches.py::test_each_outcome_has_its_branch"),
        "on miss": by_hand("sim/test_branches.py::test_each_outcome_has_its_branch"),
        "on timeout": by_hand("sim/test_branches.py::test_each_outcome_has_its_branch"),
        "on error": by_hand("sim/test_branches.py::test_each_outcome_has_its_branch"),
        "on rejected": by_hand("sim/test_branches.py::test_each_outcome_has_its_branch"),
        "on open": by_hand("sim/test_branches.py::test_each_outcome_has_its_branch"),
        "optional": by_hand("sim/reference/test_program.py::test_what_is_optional_may_fail_and_what_is_not_ends_it"),
        "several flows": Evidence(("head of line", "preemptive resume", "M/G/1 processor sharing")),
        "priorities": by_hand(
            "sim/reference/test_line.py::test_the_most_urgent_goes_first_but_nobody_is_interrupted",
            "head of line",
            "preemptive resume",
        ),
    },
    "Stations": {
        "replicas": by_hand("sim/reference/test_engine.py::test_replicas_take_turns"),
        "fixed limit": by_hand("sim/reference/test_line.py::test_gauges_of_places_and_lines", "M/M/8", "M/D/8"),
        "discipline fifo": by_hand("sim/reference/test_line.py::test_first_come_first_served", "M/M/1", "M/M/8"),
        "discipline priority": by_hand(
            "sim/reference/test_line.py::test_the_most_urgent_goes_first_but_nobody_is_interrupted", "head of line"
        ),
        "discipline preemptive": by_hand(
            "sim/reference/test_line.py::test_the_urgent_interrupt_and_the_interrupted_resume_what_was_left",
            "preemptive resume",
        ),
        "processor sharing": by_hand(
            "sim/reference/test_processor.py::test_by_hand", "M/G/1 processor sharing", PRODUCT_FORM
        ),
        "cpu_ms": by_hand(
            "sim/reference/test_station.py::test_processor_time_beyond_the_own_work_is_owed_and_delays_the_next"
        ),
        "shared host": by_hand("sim/reference/test_engine.py::test_a_busy_core_slows_work_down"),
        "bounded queue": by_hand(
            "sim/reference/test_line.py::test_a_line_has_an_end", "M/M/2/5", "M/M/8/16", "Erlang B"
        ),
        "codel": by_hand("sim/reference/test_line.py::test_codel_drops_when_the_wait_stays_above_its_target"),
        "deadline shed": by_hand(
            "sim/reference/test_line.py::test_who_has_waited_too_long_is_refused",
            "M/M/8 with patience, by a limit of the wait",
        ),
        "adaptive limit": by_hand(
            "sim/reference/test_line.py::test_an_adaptive_limit_grows_with_success_and_shrinks_with_failure"
        ),
        "rate limit all": by_hand(
            "sim/reference/test_station.py::test_a_rate_limit_lets_a_reserve_through_and_fills_it_again"
        ),
        "rate limit tenant": by_hand(
            "sim/reference/test_station.py::test_a_rate_limit_per_tenant_is_not_used_up_by_others"
        ),
        "tenants": by_hand("sim/reference/test_station.py::test_a_rate_limit_per_tenant_is_not_used_up_by_others"),
        "crash": by_hand("sim/reference/test_station.py::test_too_many_at_once_crash_a_replica_until_it_is_restarted"),
    },
    "Callers": {
        "on_timeout cancel": by_hand("sim/reference/test_call.py::test_who_stops_waiting_leaves_a_zombie_or_not"),
        "on_timeout abandon": by_hand("sim/reference/test_call.py::test_who_stops_waiting_leaves_a_zombie_or_not"),
        "call deadline": by_hand("sim/reference/test_engine.py::test_the_deadline_shortens_the_last_attempt"),
        "propagated deadline": by_hand(
            "sim/reference/test_call.py::test_a_deadline_is_handed_down_and_shortens_the_calls_below"
        ),
        "retries": by_hand("sim/reference/test_call.py::test_only_what_is_worth_it_is_retried"),
        "jitter none": by_hand("sim/reference/test_call.py::test_pauses_grow_up_to_their_largest_and_are_jittered"),
        "jitter full": by_hand("sim/reference/test_call.py::test_pauses_grow_up_to_their_largest_and_are_jittered"),
        "jitter equal": by_hand("sim/reference/test_call.py::test_pauses_grow_up_to_their_largest_and_are_jittered"),
        "jitter decorrelated": by_hand(
            "sim/reference/test_call.py::test_pauses_grow_up_to_their_largest_and_are_jittered"
        ),
        "budget": by_hand("sim/reference/test_call.py::test_a_budget_stops_a_storm_of_retries"),
        "breaker failures": by_hand("sim/reference/test_breaker.py::test_so_many_failures_in_a_row_open_it"),
        "breaker ratio": by_hand("sim/reference/test_breaker.py::test_such_a_share_of_the_last_ones_opens_it"),
        "hedge": by_hand("sim/reference/test_call.py::test_a_hedge_wins_and_the_first_is_cancelled"),
        "pool": by_hand(
            "sim/reference/test_engine.py::test_a_pool_makes_calls_wait_and_gives_up_in_time",
            "M/M/8 with patience, by a pool's timeout",
        ),
        "pool time-out": by_hand(
            "sim/reference/test_engine.py::test_a_pool_makes_calls_wait_and_gives_up_in_time",
            "M/M/8 with patience, by a pool's timeout",
        ),
        "balance round_robin": by_hand("sim/reference/test_balance.py::test_round_robin_takes_turns"),
        "balance random": by_hand("sim/reference/test_balance.py::test_random_draws_for_every_attempt"),
        "balance least_requests": by_hand(
            "sim/reference/test_balance.py::test_least_requests_asks_whoever_has_fewest_and_takes_turns_among_equals"
        ),
        "balance power_of_two": by_hand(
            "sim/reference/test_balance.py::test_power_of_two_choices_asks_the_less_busy_of_two"
        ),
        "balance hash": by_hand("sim/reference/test_balance.py::test_hashing_keeps_a_question_with_its_replica"),
        "ejection": by_hand("sim/reference/test_balance.py::test_an_outlier_is_ejected_for_a_while"),
        "health checks": by_hand(
            "sim/reference/test_balance.py::test_a_health_check_tells_of_a_crash_and_of_the_return"
        ),
    },
    "Caches": {
        "ttl fetch": by_hand("sim/reference/test_cache.py::test_what_was_stored_is_found_until_its_time_is_up"),
        "ttl hit": by_hand("sim/reference/test_cache.py::test_a_hit_may_put_the_end_off"),
        "lru": by_hand("sim/reference/test_cache.py::test_the_least_recently_used_leaves_when_it_is_full"),
        "hit ratio": by_hand("sim/reference/test_cache.py::test_a_hit_ratio_decides_by_chance"),
        "cold": by_hand("sim/reference/test_engine.py::test_hits_are_those_that_the_schedule_makes"),
        "warm": by_hand("sim/reference/test_cache.py::test_a_warm_cache_begins_with_the_most_popular"),
        "singleflight": by_hand("sim/reference/test_program.py::test_one_fetches_and_all_who_wait_have_it"),
    },
    "Queues and workers": {
        "enqueue": by_hand("sim/reference/test_workers.py::test_a_request_does_not_wait_for_its_message"),
        "workers": by_hand("sim/reference/test_workers.py::test_replicas_take_turns_by_how_long_they_have_been_idle"),
        "redelivery": by_hand(
            "sim/reference/test_workers.py::"
            "test_a_message_that_failed_comes_again_when_its_time_is_up_until_it_is_given_up"
        ),
        "dead letters": by_hand(
            "sim/reference/test_workers.py::"
            "test_a_message_that_failed_comes_again_when_its_time_is_up_until_it_is_given_up"
        ),
    },
    "Language models": {
        "batch slowdown": by_hand(
            "sim/reference/test_llm.py::test_a_batch_slows_its_members_down_from_the_moment_they_share"
        ),
        "prefill": by_hand(
            "sim/reference/test_llm.py::test_prefill_grows_with_what_is_asked_and_a_prefix_saves_its_share"
        ),
        "prefix cache": by_hand(
            "sim/reference/test_llm.py::test_prefill_grows_with_what_is_asked_and_a_prefix_saves_its_share"
        ),
        "requests per minute": by_hand("sim/reference/test_call.py::test_retry_after_is_heeded"),
        "tokens per minute": by_hand(
            "sim/reference/test_llm.py::test_tokens_per_minute_are_charged_for_what_is_asked_and_answered"
        ),
    },
    "Databases": {
        "standbys": by_hand(
            "sim/reference/test_balance.py::test_writes_go_to_the_primary_of_the_time_and_reads_to_the_others"
        ),
        "reads": by_hand(
            "sim/reference/test_balance.py::test_writes_go_to_the_primary_of_the_time_and_reads_to_the_others"
        ),
        "failover": by_hand("sim/parts/test_reigns.py::test_the_lowest_replica_that_is_alive_follows"),
        "lag": by_hand("sim/reference/test_balance.py::test_reads_that_come_before_what_was_written_are_counted"),
    },
    "Autoscaling": {
        "autoscale target": by_hand("sim/reference/test_autoscaler.py::test_a_target_is_aimed_at"),
        "autoscale steps": by_hand("sim/reference/test_autoscaler.py::test_steps_add_and_remove"),
    },
    "Faults": {
        "fault latency": by_hand(
            "sim/faults/test_effects.py::test_latency_is_paid_for_every_round_trip_and_healed_at_once"
        ),
        "fault bandwidth": by_hand("sim/faults/test_effects.py::test_bandwidth_makes_the_answer_take_its_bytes"),
        "fault blackhole": by_hand(
            "sim/faults/test_effects.py::test_a_blackhole_holds_everything_until_the_timeout_and_closes_it_on_heal"
        ),
        "fault reset": by_hand("sim/faults/test_effects.py::test_a_reset_swallows_the_first_data_and_tears_down"),
        "fault outage": by_hand(
            "sim/faults/test_effects.py::test_an_outage_cuts_what_is_under_way_and_refuses_what_is_new"
        ),
        "fault slow_close": by_hand("sim/faults/test_effects.py::test_slow_closing_delays_nobody"),
        "fault fragmentation": by_hand(
            "sim/faults/test_effects.py::test_fragmentation_pays_for_the_pauses_between_slices"
        ),
        "fault truncation": by_hand(
            "sim/faults/test_effects.py::test_truncation_breaks_a_stream_off_where_the_bytes_end"
        ),
        "fault toxic": Evidence(),
        "fault kill": by_hand("sim/reference/test_faults.py::test_only_what_kills_the_callee_ends_its_zombies"),
        "fault brownout": by_hand("sim/reference/test_station.py::test_own_work_is_slower_while_a_brownout_lasts"),
        "fault zone_outage": by_hand("sim/parts/test_outages.py::test_who_is_down_for_the_whole_window"),
        "fault random_outages": by_hand(
            "sim/parts/test_outages.py::test_random_outages_have_the_means_that_were_asked_for"
        ),
    },
    "Arrivals": {
        "arrivals poisson": by_hand(
            "spec/test_load.py::test_poisson_arrivals_have_the_rate_and_the_spread_of_poisson", "M/M/1"
        ),
        "arrivals constant": by_hand("spec/test_load.py::test_constant_arrivals_are_evenly_spaced"),
        "arrivals gamma": by_hand(
            "spec/test_arrivals.py::test_gamma_gaps_have_their_mean_and_their_coefficient_of_variation"
        ),
        "arrivals mmpp": by_hand("spec/test_arrivals.py::test_rates_that_take_turns_last_as_long_as_they_should"),
        "arrivals diurnal": by_hand(
            "spec/test_arrivals.py::test_a_wave_is_high_at_its_peak_and_low_half_a_period_later"
        ),
        "arrivals flash": by_hand("spec/test_arrivals.py::test_a_crowd_comes_stays_and_goes"),
        "arrivals trace": by_hand("spec/test_load.py::test_a_trace_is_replayed_again_and_again_with_its_tokens"),
        "arrivals closed": by_hand(
            "sim/reference/test_clients.py::test_users_think_before_every_question_and_stop_at_the_end",
            "closed network",
            PRODUCT_FORM,
        ),
    },
    "Distributions": {
        "constant": by_hand("sim/reference/test_engine.py::test_times_add_up", "M/D/1", "M/D/2", "M/D/8"),
        "exponential": by_hand("spec/test_distribution.py::test_known_quantiles", "M/M/1"),
        "lognormal": by_hand("spec/test_distribution.py::test_known_quantiles", "M/lognormal/1"),
        "gamma": by_hand("spec/test_distribution.py::test_known_quantiles", "M/Erlang-2/1"),
        "hyperexponential": by_hand(
            "spec/test_distribution.py::test_two_draws_of_a_hyperexponential_have_their_addresses", "M/H2/1"
        ),
        "uniform": Evidence(),
        "empirical": by_hand("spec/test_distribution.py::test_known_quantiles"),
        "weibull": by_hand("spec/test_distribution.py::test_known_quantiles"),
        "pareto": by_hand("spec/test_distribution.py::test_known_quantiles"),
    },
    "Calibration": {
        "measured times": by_hand("sim/reference/test_engine.py::test_times_add_up"),
        "measured cpu": by_hand("sim/reference/test_engine.py::test_a_busy_core_slows_work_down"),
        "warmth": by_hand("sim/reference/test_engine.py::test_a_database_that_has_been_idle_answers_more_slowly"),
        "beside": by_hand("sim/reference/test_station.py::test_processor_time_beside_the_components_takes_its_share"),
    },
    "Order": {
        "ties": by_hand(
            "sim/reference/test_clock.py::test_timers_of_one_instant_go_by_rank_request_attempt_and_setting"
        )
    },
}
"""In the order of the page."""
OTHERS = "Others"
"""Features that nobody has said anything about."""

HEAD = """\
# What shows that the model is right

Written by `python -m tests.sim.evidence`; a test holds this page to it. An empty cell is a gap.

- **Closed form**: rows of the truths of queueing theory (`tests/sim/truths`), whose 99 % intervals cover the theory's
  value and are 1 % of it wide; *product form* is 200 random networks against exact mean value analysis.
- **Known by hand**: a test below `tests/`, of a world so small that its times can be told.
- **Both engines**: the feature is in at least 5 % of the random services in which the readable and the compiled engine
  have to agree on every request, bit by bit (`tests/sim/equality`).
- **Measured**: built-in scenarios with the feature; they are run on real servers, and forecast and measurement are
  compared every time.
"""


def grouped() -> dict[str, dict[str, Evidence]]:
    """Every feature, those too that are new here."""
    said = {feature for group in GROUPS.values() for feature in group}
    others = {feature: Evidence() for feature in sorted(FEATURES - said)}
    return GROUPS | ({OTHERS: others} if others else {})


def measured() -> dict[str, list[str]]:
    """By feature, the built-in scenarios that have it."""
    found: dict[str, list[str]] = {}
    for name in catalogue.built_in(catalogue.SCENARIOS):
        asked = catalogue.question(name)
        brought = catalogue.PARAMETERS / f"{asked.architecture.name}.json"
        known, _ = catalogue.parameters(asked.architecture.name, str(brought))
        for feature in features(Drawing(asked.architecture, asked.deployment, asked.scenario, known)):
            found.setdefault(feature, []).append(name)
    return found


def page() -> str:
    """The whole of sim/EVIDENCE.md."""
    return "\n".join([HEAD, *_lines()]) + "\n"


def _lines() -> Iterator[str]:
    runs = measured()
    cells = [
        (evidence.truths, evidence.by_hand, feature in FEATURES, runs.get(feature))
        for group in grouped().values()
        for feature, evidence in group.items()
    ]
    columns = list(zip(*cells, strict=True))
    counts = ", ".join(
        f"{name} {sum(map(bool, column))}"
        for name, column in zip(("closed form", "known by hand", "both engines", "measured"), columns, strict=True)
    )
    yield f"Of {len(cells)} features: {counts}."
    for title, group in grouped().items():
        yield from ("", f"## {title}", "", "| feature | closed form | known by hand | both engines | measured |")
        yield "|---|---|---|---|---|"
        for feature, evidence in group.items():
            truths = ", ".join(evidence.truths)
            hand = f"`{evidence.by_hand}`" if evidence.by_hand else ""
            equal = "yes" if feature in FEATURES else ""
            yield f"| {feature} | {truths} | {hand} | {equal} | {', '.join(runs.get(feature, ()))} |"


if __name__ == "__main__":
    print(page(), end="")
