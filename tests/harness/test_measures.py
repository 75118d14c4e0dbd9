"""The figures against values worked out by hand."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness import worlds
from windtunnel.harness.measures import figure, hops, is_quantile, quantile_share, quantity, requests, samples_needed
from windtunnel.spec.scenario import Window

WHOLE = Window("during", 0.0, 10.0)


WINDOWS = ("before", "during", "after")


def test_a_request_belongs_to_the_window_of_its_intended_start_however_late_it_ends() -> None:
    run = worlds.run(table=worlds.samples([9.999, 10.0, 19.999, 20.0], latency_ms=60_000))
    assert requests(run, Window("during", 10.0, 20.0)).at_s.tolist() == [10.0, 19.999]


def test_a_request_in_flight_when_a_fault_begins_belongs_to_the_faults_window() -> None:
    scenario = worlds.scenario(faults=[{"outage": "app->db", "at": "during"}])  # 11 s to 21 s
    run = worlds.run(scenario, worlds.samples([9.0, 10.5, 20.5], latency_ms=1000))
    before, during, after = (requests(run, scenario.windows.named(name)).at_s.tolist() for name in WINDOWS)
    assert (before, during, after) == ([9.0], [10.5, 20.5], [])


@pytest.mark.parametrize(
    ("metric", "value", "n", "beyond"),
    [
        ("latency_ms_p50", 50, 100, 50),
        ("latency_ms_p90", 90, 100, 10),
        ("latency_ms_p95", 95, 100, 5),
        ("latency_ms_p99", 99, 100, 1),
        ("latency_ms_mean", 50.5, 100, None),
        ("latency_ms_max", 100, 100, None),
        ("answer_ms_max", 9000, 125, None),
        ("answer_ms_p50", 63, 125, 62),
        ("first_token_ms_p50", 25, 100, 50),
        ("error_ratio", 25 / 125, 125, None),
        ("timeout_ratio", 10 / 125, 125, None),
        ("throughput_per_s", 10.0, 125, None),
    ],
)
def test_every_metric_by_hand(metric: str, value: float, n: int, beyond: int | None) -> None:
    """100 requests succeed after 1, 2, ..., 100 ms (first token at half); 10 time out and 15 fail, after 9 s each."""
    latency_ms = [*np.random.default_rng(3).permutation(np.arange(1, 101)), *[9000] * 25]
    outcome = [*["ok"] * 100, *["timeout"] * 10, *["error"] * 15]
    first_ms = np.where(np.array(outcome) == "ok", np.array(latency_ms) / 2, 1e9)
    run = worlds.run(table=worlds.samples(np.linspace(0, 9, 125), latency_ms, outcome, first_ms))
    found = figure(metric, requests(run, WHOLE))
    assert found.value == pytest.approx(value)
    assert (found.n, found.beyond) == (n, beyond)


def test_nothing_to_compute_from_is_no_value() -> None:
    nobody = requests(worlds.run(table=worlds.samples([])), WHOLE)
    all_failed = requests(worlds.run(table=worlds.samples([1, 2], outcome="error")), WHOLE)
    assert figure("error_ratio", nobody).value is None
    assert figure("latency_ms_p50", all_failed).value is None
    assert figure("error_ratio", all_failed).value == 1.0
    assert figure("first_token_ms_p90", all_failed).value is None


def test_hops_hold_the_client_spans_of_the_windows_requests() -> None:
    run = worlds.run(
        table=worlds.samples([1.0, 2.0, 12.0]),
        calls=[
            worlds.spans([0, 1, 2], "app->db", [10, 20, 30], ["ok", "timeout", "ok"]),
            worlds.spans([0], "app->cache", 1, "miss"),
            worlds.spans([0, 1, 2, 77], "app->db", 5, kind="server"),
            worlds.spans([77], "app->llm", 5),  # of no sample: a priming request
            worlds.spans([0, 1, 2], "client->app", 50),  # the request itself, as a forecast has it
        ],
    )
    found = hops(run, WHOLE)
    assert list(found) == ["app->db", "app->cache"], "as drawn; what is not drawn comes last"
    assert found["app->db"].answer_ms.tolist() == [10, 20]
    assert figure("latency_ms_max", found["app->db"]).value == 10
    assert figure("timeout_ratio", found["app->db"]).value == 0.5
    assert figure("error_ratio", found["app->cache"]).value == 0, "a miss is an answer"


@pytest.mark.parametrize(
    ("metric", "of", "share"),
    [
        ("latency_ms_p50", "latency_ms", Fraction(1, 2)),
        ("answer_ms_p99", "answer_ms", Fraction(99, 100)),
        ("latency_ms_p99_9", "latency_ms", Fraction(999, 1000)),
    ],
)
def test_a_quantiles_name_says_of_what_and_which(metric: str, of: str, share: Fraction) -> None:
    assert (quantity(metric), quantile_share(metric), is_quantile(metric)) == (of, share, True)
    assert not is_quantile("latency_ms_max")
    with pytest.raises(KeyError):
        quantile_share("latency_ms_max")


@pytest.mark.parametrize(
    ("metric", "needed"), [("a_p50", 40), ("a_p90", 200), ("a_p95", 400), ("a_p99", 2000), ("a_p99_9", 20_000)]
)
def test_twenty_samples_beyond_a_quantile(metric: str, needed: int) -> None:
    assert is_quantile(metric)
    assert samples_needed(quantile_share(metric)) == needed
    for n, enough in ((needed, True), (needed - 1, False)):
        run = worlds.run(table=worlds.samples(np.linspace(0, 9, n), np.arange(n)))
        assert figure(metric.replace("a_", "answer_ms_"), requests(run, WHOLE)).enough is enough


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=300), st.sampled_from(["p50", "p90", "p95", "p99"]))
def test_a_quantile_is_the_smallest_seen_value_that_enough_do_not_exceed(values: list[float], which: str) -> None:
    run = worlds.run(table=worlds.samples(np.linspace(0, 9, len(values)), values))
    calls = requests(run, WHOLE)
    found = figure(f"answer_ms_{which}", calls).value
    share = int(which[1:])
    assert found is not None
    assert found in calls.answer_ms
    assert 100 * (calls.answer_ms <= found).sum() >= share * len(values)
    assert 100 * (calls.answer_ms < found).sum() < share * len(values)
