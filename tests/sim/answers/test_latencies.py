"""Times that are kept and times that are counted answer alike, and their intervals cover."""

from __future__ import annotations

import math

import numpy as np
import pytest

from windtunnel.sim.answers.latencies import Kept, Sketched, mean_of_runs, merged, quantile_of_runs
from windtunnel.sim.answers.sketch import Sketch

VALUES_MS = np.random.default_rng(11).exponential(40, 20_000)
KEPT = Kept(VALUES_MS)
SKETCHED = Sketched(Sketch.of(VALUES_MS), tuple(Sketch.of(part) for part in np.array_split(VALUES_MS, 20)))


def test_they_say_the_same() -> None:
    assert len(SKETCHED) == len(KEPT) == 20_000
    assert SKETCHED.mean_ms() == pytest.approx(KEPT.mean_ms(), rel=1e-12)
    for share in (0.5, 0.9, 0.99, 0.999):
        assert SKETCHED.quantile_ms(share) == pytest.approx(KEPT.quantile_ms(share), rel=0.004)
        exact, near = KEPT.quantile(share), SKETCHED.quantile(share)
        assert exact
        assert near
        assert (exact.mean, near.mean) == (KEPT.quantile_ms(share), SKETCHED.quantile_ms(share))
        assert near.low < exact.mean < near.high
    assert SKETCHED.within(100) == pytest.approx(KEPT.within(100), rel=0.005)
    assert SKETCHED.within(math.inf) == KEPT.within(math.inf) == 20_000
    for mean, doubts in (KEPT.mean(), SKETCHED.mean()):
        assert mean
        assert doubts == ()
        assert mean.low < 40 < mean.high


def test_a_bound_that_is_met_exactly_is_met() -> None:
    assert Kept(np.array([99.99999999999, 100.0, 100.00000001])).within(100) == 3
    assert Kept(np.array([100.001])).within(100) == 0


@pytest.mark.parametrize(
    ("n", "share", "known"), [(39, 0.5, False), (40, 0.5, True), (1999, 0.99, False), (2000, 0.99, True)]
)
def test_twenty_have_to_lie_beyond(n: int, share: float, known: bool) -> None:
    times = np.random.default_rng(n).exponential(40, n)
    assert (Kept(times).quantile(share) is not None) is known
    sketched = Sketched(Sketch.of(times)).quantile(share)
    assert (sketched is not None) is known
    assert sketched is None or math.isinf(sketched.half_width), "without sections nothing tells how sure it is"


def test_too_few_for_a_mean() -> None:
    assert Kept(np.ones(39)).mean() == (None, ())
    assert Sketched(Sketch.of([])).mean() == (None, ())
    assert Sketched(Sketch.of([])).within(5) == 0
    for empty in (Kept(np.zeros(0)), Sketched(Sketch.of([]))):
        with pytest.raises(ValueError, match="found no"):
            empty.mean_ms()
        with pytest.raises(ValueError, match="found no"):
            empty.quantile_ms(0.5)


@pytest.mark.parametrize("beyond", [20, 60, 200])
def test_intervals_of_few_cover_nearly_as_often_as_they_say(beyond: int) -> None:
    """Of 600 windows with so many values beyond p90: 93 to 97.5 % of the 95 % intervals."""
    truth = -math.log(0.1)
    draw = np.random.default_rng(beyond)
    found = [Kept(draw.exponential(size=10 * beyond)).quantile(0.9) for _ in range(600)]
    covered = np.mean([one is not None and one.low <= truth <= one.high for one in found])
    assert 0.93 <= covered <= 0.975


def test_runs_are_the_sections_of_runs() -> None:
    draw = np.random.default_rng(12)
    runs = [Kept(draw.exponential(40, 1000)) for _ in range(12)]
    sketched = [Sketched(Sketch.of(run.values_ms)) for run in runs]
    mean = mean_of_runs([*runs, Kept(np.zeros(0))])
    assert mean
    assert (mean.n, mean.low < 40 < mean.high) == (12, True)
    for some in (runs, sketched):
        p95 = quantile_of_runs(some, 0.95)
        assert p95
        assert (p95.n, p95.low < -40 * math.log(0.05) < p95.high) == (12, True)
        assert p95.mean == merged(some).quantile_ms(0.95)
        p99 = quantile_of_runs(some, 0.999)
        assert p99 is None, "12 lie beyond it in all"
    assert mean_of_runs([Kept(np.zeros(0))]) is None
    assert quantile_of_runs(runs[:1], 0.5) is None, "one run says nothing of its neighbours"
    assert len(merged([])) == 0
