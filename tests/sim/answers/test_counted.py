"""A forecast whose requests are counted says what one that keeps them says, as closely as its sketches allow."""

from __future__ import annotations

import pytest

from windtunnel.harness import catalogue
from windtunnel.harness.judge import judge
from windtunnel.harness.verdict import Verdict
from windtunnel.sim.answers.counted import counted
from windtunnel.sim.answers.forecast import answer
from windtunnel.sim.simulate import simulate
from windtunnel.spec.run import Run


@pytest.fixture(scope="module")
def runs() -> tuple[Run, Run]:
    """Kept, and counted."""
    return _both("steady")


@pytest.fixture(scope="module")
def failing() -> tuple[Run, Run]:
    """The same of a service that fails, tries again and recovers."""
    return _both("metastable_drop_retries_defended")


def _both(name: str) -> tuple[Run, Run]:
    question = catalogue.question(name)
    parameters = catalogue.parameters("scale")[0] if question.architecture.name == "scale" else None
    kept, sketched = (
        simulate(
            question.scenario,
            question.architecture,
            question.deployment,
            parameters,
            replay="",
            version="0",
            engine="compiled",
            many_requests=many,
        )
        for many in (10**9, 0)
    )
    return kept, sketched


def test_they_are_the_same_run(runs: tuple[Run, Run]) -> None:
    kept, sketched = runs
    assert kept.record.id == sketched.record.id
    assert len(sketched.samples) == len(sketched.spans) == 0
    assert sketched.digest() != kept.digest()
    with pytest.raises(ValueError, match="a run with samples"):
        counted(kept, kept.record.scenario.windows.spans()[0])


def test_figures_agree(runs: tuple[Run, Run]) -> None:
    kept, sketched = (answer(run).windows[0] for run in runs)
    assert (sketched.requests, sketched.errors) == (kept.requests, kept.errors)
    assert sketched.throughput_per_s == kept.throughput_per_s
    assert sketched.goodput_per_s == pytest.approx(kept.goodput_per_s, rel=0.01)
    assert kept.mean_ms
    assert sketched.mean_ms
    assert sketched.mean_ms.mean == pytest.approx(kept.mean_ms.mean, rel=0.05)
    for one, other in zip(sketched.quantiles, kept.quantiles, strict=True):
        if other.interval:
            assert one.interval
            assert one.interval.mean == pytest.approx(other.interval.mean, rel=0.02)


def test_verdicts_agree(runs: tuple[Run, Run]) -> None:
    kept, sketched = (judge(run).judgements for run in runs)
    for one, other in zip(sketched, kept, strict=True):
        assert one.metric == other.metric
        if one.metric != "acknowledged_writes_lost":
            assert one.verdict is other.verdict is Verdict.PASS


def test_windows_recovery_and_retries_of_a_service_that_fails_agree(failing: tuple[Run, Run]) -> None:
    sketched, kept = (answer(run) for run in reversed(failing))
    for one, other in zip(sketched.windows, kept.windows, strict=True):
        assert (one.window, one.requests, one.errors) == (other.window, other.requests, other.errors)
        assert one.amplification == pytest.approx(other.amplification, rel=0.02)
    assert max(kept.windows[1].amplification.values()) > 1, "some is tried again"
    slice_s = failing[0].record.scenario.windows.total_s / len(failing[1].slices)
    assert kept.recovered
    assert kept.recovered.seconds
    assert sketched.recovered
    assert sketched.recovered.seconds == pytest.approx(kept.recovered.seconds, abs=2 * slice_s)


def test_slices_hold_every_request_once(failing: tuple[Run, Run]) -> None:
    kept, sketched = failing
    assert sketched.slices["requests"].to_numpy().sum() == len(kept.samples)
    assert sketched.slices["ok"].to_numpy().sum() == sum(kept.samples["outcome"].to_numpy() == "ok")


@pytest.mark.parametrize("name", ["baseline", "database_outage", "llm_timeouts"])
def test_all_that_is_judged_of_a_short_run_agrees(name: str) -> None:
    kept, sketched = (judge(run).judgements for run in _both(name))
    unseen = {Verdict.NOT_OBSERVED, Verdict.INCONCLUSIVE}
    for one, other in zip(sketched, kept, strict=True):
        assert one.metric == other.metric
        assert one.verdict is other.verdict or {one.verdict, other.verdict} <= unseen, one


def test_verdicts_of_a_service_that_fails_agree(failing: tuple[Run, Run]) -> None:
    kept, sketched = (judge(run).judgements for run in failing)
    assert {(each.metric, each.verdict) for each in sketched} == {(each.metric, each.verdict) for each in kept}
    assert any(each.metric == "recovery_s" for each in kept)
