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
    question = catalogue.question("steady")
    parameters, _ = catalogue.parameters("scale")
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
