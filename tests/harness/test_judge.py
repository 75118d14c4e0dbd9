"""Happy and sad cases: each row is a world, an objective and what can honestly be said about it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness import worlds
from windtunnel.harness.judge import distrust, judge
from windtunnel.harness.verdict import Judgement, Verdict
from windtunnel.spec.run import Check, Run

PASS, FAIL, INCONCLUSIVE, NOT_OBSERVED = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.NOT_OBSERVED
OUTAGE = [{"outage": "app->db"}]
DURING = np.linspace(11, 20.9, 400)


CLOCK = np.arange(0.5, 31.5, 0.5).tolist()
COUNTED = [worlds.series("app", CLOCK, [1.0] * len(CLOCK), "replicas")]
PRICED = {"name": "laptop", "hosts": {"laptop": {"cores": 2}}, "costs": {"replica_hour": {"app": 3.6}}}
"""10 s of one replica cost 0.01, and answer 400 requests."""


def retried() -> list[Any]:
    """Each of 400 calls is made, every other one a second time."""
    again = worlds.spans(range(0, 400, 2))
    second = pa.array([1] * 200, pa.int16())
    return [worlds.spans(range(400)), again.set_column(6, again.schema.field("attempt"), second)]


RETRIED = retried()


def during(n: int) -> Any:
    return np.linspace(11, 20.9, n)


def one(run: Run) -> Judgement:
    (judgement,) = judge(run).judgements
    return judgement


def asked(metric: str, **bound: float) -> Any:
    return worlds.scenario({"during": {metric: bound}})


@pytest.mark.parametrize(
    ("metric", "bound", "table", "verdict", "reason"),
    [
        ("error_ratio", {"max": 0.0}, worlds.samples(DURING), PASS, "0 of 400 requests failed"),
        ("error_ratio", {"max": 0.5}, worlds.samples(DURING, outcome="error"), FAIL, "400 of 400 requests failed"),
        ("error_ratio", {"max": 0.5}, worlds.samples([1.5, 25.0]), INCONCLUSIVE, "no request was due"),
        ("error_ratio", {"min": 0.9}, worlds.samples(DURING, outcome="timeout"), PASS, "400 of 400"),
        ("timeout_ratio", {"max": 0.1}, worlds.samples(DURING, outcome="error"), PASS, "400 of 400"),
        ("timeout_ratio", {"max": 0.1}, worlds.samples(DURING, outcome="timeout"), FAIL, "400 of 400"),
        ("throughput_per_s", {"min": 39}, worlds.samples(DURING), PASS, "400 samples"),
        ("throughput_per_s", {"min": 41}, worlds.samples(DURING), FAIL, "400 samples"),
        ("latency_ms_p90", {"max": 100}, worlds.samples(DURING, 100), PASS, "400 samples, 40 beyond"),
        ("latency_ms_p90", {"max": 99}, worlds.samples(DURING, 100), FAIL, "400 samples, 40 beyond"),
        ("latency_ms_p90", {"max": 99}, worlds.samples(DURING, outcome="error"), INCONCLUSIVE, "none of 400 requests"),
        ("latency_ms_max", {"max": 99}, worlds.samples(DURING, [50] * 399 + [101]), FAIL, "400 samples"),
        ("answer_ms_max", {"max": 99}, worlds.samples(DURING, 98, "timeout"), PASS, "400 samples"),
        ("latency_ms_mean", {"max": 51}, worlds.samples(DURING, [0] * 200 + [100] * 200), PASS, "400 samples"),
        ("first_token_ms_p50", {"max": 60}, worlds.samples(DURING, 100, "ok", 50), PASS, "400 samples"),
        ("first_token_ms_p50", {"max": 60}, worlds.samples(DURING, 100), NOT_OBSERVED, "does not observe first_token"),
        # too few beyond p90 (150 samples: 15): near the bound nothing can be said ...
        (
            "latency_ms_p90",
            {"max": 130},
            worlds.samples(during(150), np.arange(150)),
            INCONCLUSIVE,
            "15 of 150 samples",
        ),
        ("latency_ms_p90", {"max": 138}, worlds.samples(during(150), np.arange(150)), INCONCLUSIVE, "20 needed"),
        # ... but where none of them is anywhere near it, more samples would say the same
        ("latency_ms_p90", {"max": 150}, worlds.samples(during(150), np.arange(150)), PASS, "could not change"),
        ("latency_ms_p90", {"max": 50}, worlds.samples(during(150), np.arange(150)), FAIL, "could not change"),
        ("latency_ms_p90", {"max": 150}, worlds.samples(during(50), np.arange(50)), INCONCLUSIVE, "5 of 50 samples"),
        ("latency_ms_p50", {"min": 500}, worlds.samples(during(30), 400), FAIL, "could not change"),
        ("latency_ms_p50", {"min": 300}, worlds.samples(during(30), 400), PASS, "could not change"),
        ("latency_ms_p50", {"min": 300, "max": 350}, worlds.samples(during(30), 400), FAIL, "could not change"),
        ("latency_ms_p50", {"min": 300, "max": 500}, worlds.samples(during(9), 400), INCONCLUSIVE, "4 of 9 samples"),
        ("latency_ms_p99", {"max": 150}, worlds.samples(during(1200), 100), PASS, "12 beyond"),
    ],
)
def test_one_objective(metric: str, bound: dict[str, float], table: Any, verdict: Verdict, reason: str) -> None:
    for kind in ("measured", "forecast"):
        judgement = one(worlds.run(asked(metric, **bound), table, kind=kind))
        assert (judgement.verdict, judgement.window, judgement.metric) == (verdict, "during", metric)
        assert reason in judgement.reason


@pytest.mark.parametrize(
    ("found", "allowed", "verdict", "reason"),
    [
        ({5: True, 6: True}, 0, PASS, "2 promised, 0 lost"),
        ({5: True, 6: False}, 0, FAIL, "2 promised, 1 lost (m6)"),
        ({5: True, 6: None}, 0, INCONCLUSIVE, "1 unknown (m6)"),
        ({5: False, 6: None}, 0, FAIL, "1 lost (m5), 1 unknown (m6)"),
        ({5: False, 6: True}, 1, PASS, "1 lost (m5)"),
        ({5: False, 6: None}, 1, INCONCLUSIVE, "1 lost (m5)"),
        ({900: False, 5: True}, 0, PASS, "1 promised, 0 lost"),  # 900 is of another window
        ({900: True}, 0, PASS, "0 promised"),  # nothing was promised here, but the run does promise
        ({}, 0, INCONCLUSIVE, "no write was acknowledged in the whole run"),
        (None, 0, NOT_OBSERVED, "does not observe writes"),
    ],
)
def test_acknowledged_writes(found: dict[int, bool | None] | None, allowed: int, verdict: Verdict, reason: str) -> None:
    table = worlds.samples([*np.linspace(11, 20, 900), 25.0])
    judgement = one(worlds.run(asked("acknowledged_writes_lost", max=allowed), table, found=found))
    assert (judgement.verdict, reason in judgement.reason) == (verdict, True), judgement.reason


@pytest.mark.parametrize(
    ("metric", "bound", "made", "verdict", "reason"),
    [
        ("goodput_per_s", {"min": 39}, {}, PASS, "400 samples"),
        ("retry_amplification", {"max": 1.4}, {"calls": RETRIED}, FAIL, "400 samples"),
        ("retry_amplification", {"max": 1.6}, {"calls": RETRIED}, PASS, "400 samples"),
        ("retry_amplification", {"max": 2}, {}, NOT_OBSERVED, "does not observe spans"),
        ("retry_amplification", {"max": 2}, {"calls": [worlds.spans([900])]}, INCONCLUSIVE, "no call was made"),
        ("cost_per_1000", {"max": 1}, {}, NOT_OBSERVED, "does not observe replicas"),
        ("cost_per_1000", {"max": 1}, {"gauges": COUNTED}, INCONCLUSIVE, "the deployment laptop has no costs"),
        ("cost_per_1000", {"max": 0.02}, {"gauges": COUNTED, "deployment": PRICED}, FAIL, "400 samples"),
        ("cost_per_1000", {"max": 0.03}, {"gauges": COUNTED, "deployment": PRICED}, PASS, "400 samples"),
        ("stale_read_ratio", {"max": 0}, {"calls": RETRIED}, NOT_OBSERVED, "does not observe stale reads"),
        ("latency_ms_p99_9", {"max": 150}, {}, INCONCLUSIVE, "0 of 400 samples beyond the quantile"),
    ],
)
def test_objectives_of_retries_cost_and_the_like(
    metric: str, bound: dict[str, float], made: dict[str, Any], verdict: Verdict, reason: str
) -> None:
    judgement = one(worlds.run(asked(metric, **bound), worlds.samples(DURING, 100), kind="forecast", **made))
    assert (judgement.verdict, reason in judgement.reason) == (verdict, True), judgement


def test_goodput_counts_what_is_quick_enough_for_the_windows_latency() -> None:
    objectives = {"during": {"latency_ms_p50": {"max": 100}, "goodput_per_s": {"min": 30}}}
    table = worlds.samples(DURING, [100] * 200 + [101] * 200)
    by_metric = {each.metric: each for each in judge(worlds.run(worlds.scenario(objectives), table)).judgements}
    assert by_metric["goodput_per_s"].value == 20
    assert by_metric["goodput_per_s"].verdict is FAIL


def test_a_forecast_never_passes_what_only_a_measured_run_can_see() -> None:
    ruling = judge(worlds.run(asked("acknowledged_writes_lost", max=0), kind="forecast"))
    assert ruling.verdict is NOT_OBSERVED
    assert ruling.exit_code == 3


@pytest.mark.parametrize(
    ("failing_s", "last_s", "verdict", "value"),
    [
        ((11.0, 21.0), 31, PASS, 0.0),
        ((11.0, 23.0), 31, PASS, 2.0),
        ((11.0, 28.0), 31, FAIL, 7.0),
        ((11.0, 31.0), 31, FAIL, None),
        ((11.0, 30.8), 31, FAIL, None),  # a few good ones at the very end are no recovery
        ((11.0, 21.0), 21, INCONCLUSIVE, None),  # nobody asked after the heal
        ((11.0, 20.0), 21.1, INCONCLUSIVE, None),  # four that succeed are too few
    ],
)
def test_recovery(failing_s: tuple[float, float], last_s: float, verdict: Verdict, value: float | None) -> None:
    at_s = np.arange(0, last_s, 0.025)
    outcome = np.where((at_s >= failing_s[0]) & (at_s < failing_s[1] - 1e-9), "error", "ok").tolist()
    question = worlds.scenario({"after": {"recovery_s": {"max": 5}}}, OUTAGE)
    for kind, injections in (("measured", [worlds.injection()]), ("forecast", [])):
        run = worlds.run(question, worlds.samples(at_s, outcome=outcome), kind=kind, injections=injections)  # type: ignore[arg-type]
        judgement = one(run)
        assert judgement.verdict is verdict, judgement.reason
        assert judgement.value == (None if value is None else pytest.approx(value, abs=0.03))


def test_recovery_counts_from_the_heal_as_it_was_carried_out() -> None:
    """Healed 2 s late: what fails until then is the fault's doing, and not the service's."""
    at_s = np.arange(0, 31, 0.025)
    outcome = np.where((at_s >= 11) & (at_s < 24), "error", "ok").tolist()
    question = worlds.scenario({"after": {"recovery_s": {"max": 5}}}, OUTAGE)
    late = worlds.injection(at_s=(11, 23))
    assert one(worlds.run(question, worlds.samples(at_s, outcome=outcome), injections=[late])).value == pytest.approx(1)


def test_recovery_counts_from_the_last_heal() -> None:
    at_s = np.arange(0, 31, 0.025)
    outcome = np.where((at_s >= 11) & (at_s < 24), "error", "ok").tolist()
    question = worlds.scenario({"after": {"recovery_s": {"max": 5}}}, [*OUTAGE, {"outage": "app->llm"}])
    both = [worlds.injection(at_s=(11, 22)), worlds.injection("outage app->llm", at_s=(11, 23))]
    assert one(worlds.run(question, worlds.samples(at_s, outcome=outcome), injections=both)).value == pytest.approx(1)


def test_a_fault_that_was_healed_too_late_leaves_no_time_to_recover() -> None:
    question = worlds.scenario({"after": {"recovery_s": {"max": 5}}}, OUTAGE)
    judgement = one(worlds.run(question, injections=[worlds.injection(at_s=(11, 31.5))]))
    assert judgement.verdict is INCONCLUSIVE
    assert "healed only at 31.5 s" in judgement.reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"injections": []}, "fault outage app->db was not carried out"),
        ({"injections": [worlds.injection("outage app->llm")]}, "fault outage app->db was not carried out"),
        (
            {"injections": [worlds.injection("outage app->db", worlds.PROVEN, worlds.UNPROVEN)]},
            "fault outage app->db is not proven: canary 0.4 ms before, 0.4 ms during",
        ),
        (
            {"injections": [worlds.injection().model_copy(update={"evidence": ()})]},
            "fault outage app->db is not proven: nobody looked at its effect",
        ),
        (
            {"injections": [worlds.injection()], "checks": [Check(name="load", ok=False, detail="70 of 400 sent")]},
            "check load failed: 70 of 400 sent",
        ),
        ({"kind": "forecast", "unmodelled": ["toxic app->db of type gremlin"]}, "not modelled: toxic app->db"),
    ],
)
@pytest.mark.parametrize("outcome", ["ok", "error"])
def test_what_cannot_be_trusted_neither_passes_nor_fails(changes: dict[str, Any], reason: str, outcome: str) -> None:
    question = worlds.scenario({"during": {"error_ratio": {"max": 0.01}}}, OUTAGE)
    run = worlds.run(question, worlds.samples(DURING, outcome=outcome), **changes)
    ruling = judge(run)
    assert (ruling.verdict, ruling.exit_code) == (INCONCLUSIVE, 3)
    (judgement,) = ruling.judgements
    assert judgement.verdict is INCONCLUSIVE
    assert f"would {'pass' if outcome == 'ok' else 'fail'}" in judgement.reason
    assert judgement.value == (0 if outcome == "ok" else 1), "the figure is still shown"
    assert any(reason in sentence for sentence in ruling.reasons)


def test_the_same_fault_twice_has_to_be_carried_out_twice() -> None:
    question = worlds.scenario(faults=[*OUTAGE, {"outage": "app->db", "at": "after"}])
    once = worlds.run(question, injections=[worlds.injection()])
    twice = worlds.run(question, injections=[worlds.injection(), worlds.injection(at_s=(21, 31))])
    assert distrust(once) == ("fault outage app->db was not carried out",)
    assert distrust(twice) == ()


@pytest.mark.parametrize(
    ("objectives", "worst", "exit_code"),
    [
        ({"error_ratio": {"max": 0}}, PASS, 0),
        ({"error_ratio": {"max": 0}, "acknowledged_writes_lost": {"max": 0}}, NOT_OBSERVED, 3),
        (
            {"error_ratio": {"max": 0}, "acknowledged_writes_lost": {"max": 0}, "latency_ms_p99": {"max": 100}},
            INCONCLUSIVE,
            3,
        ),
        ({"latency_ms_p99": {"max": 100}, "latency_ms_max": {"max": 99}}, FAIL, 1),
    ],
)
def test_the_runs_verdict_is_the_worst(objectives: Any, worst: Verdict, exit_code: int) -> None:
    run = worlds.run(worlds.scenario({"during": objectives}), worlds.samples(DURING, 100))
    ruling = judge(run)
    assert (ruling.verdict, ruling.exit_code) == (worst, exit_code)
    assert len(ruling.judgements) == len(objectives)


def test_objectives_of_every_window_are_judged_and_the_warm_up_is_not() -> None:
    bound = {"error_ratio": {"max": 0}}
    run = worlds.run(
        worlds.scenario({"after": bound, "before": bound, "during": bound}),
        worlds.samples([0.5, 2, 12, 25], outcome=["error", "ok", "ok", "ok"]),
    )
    ruling = judge(run)
    assert [judgement.window for judgement in ruling.judgements] == ["before", "during", "after"]
    assert ruling.verdict is PASS


@settings(deadline=None)  # the machine may be busy
@given(st.integers(1, 250), st.floats(1, 1000), st.integers(0, 2**32 - 1))
def test_more_of_the_same_samples_never_turns_a_pass_into_a_fail(n: int, bound: float, seed: int) -> None:
    """An early answer (rule 2) may stay or become unsure when every sample is seen twenty times; it never flips."""
    latency_ms = np.random.default_rng(seed).lognormal(5, 1, n)
    few = one(worlds.run(asked("latency_ms_p90", max=bound), worlds.samples(during(n), latency_ms)))
    many = one(worlds.run(asked("latency_ms_p90", max=bound), worlds.samples(during(20 * n), np.tile(latency_ms, 20))))
    assert {few.verdict, many.verdict} != {PASS, FAIL}
