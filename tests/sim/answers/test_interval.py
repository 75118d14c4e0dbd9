"""Intervals by hand, and that they cover as often as they say. The long coverage proofs are in ``test_coverage``."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from tests.sim.answers.series import ar1, mean_wait, mm1
from windtunnel.sim.answers.interval import (
    Interval,
    batch_means,
    overlapping_batch_means,
    quantile,
    quantile_of_sketches,
    replications,
    replications_deletion,
    sectioning,
)
from windtunnel.sim.answers.sketch import Sketch
from windtunnel.sim.answers.student import t_quantile


def coverage(intervals: list[Interval], truth: float) -> float:
    return float(np.mean([interval.low <= truth <= interval.high for interval in intervals]))


def test_replications_by_hand() -> None:
    # Law, Simulation Modeling and Analysis, example 4.26: ten observations, 90 %.
    interval = replications([1.20, 1.50, 1.68, 1.89, 0.95, 1.49, 1.58, 1.55, 0.50, 1.09], 0.9)
    assert interval.mean == pytest.approx(1.343)
    assert interval.half_width == pytest.approx(1.833 * math.sqrt(0.17 / 10), abs=0.005)
    assert (interval.n, interval.confidence, interval.method) == (10, 0.9, "replications")
    assert interval.low == interval.mean - interval.half_width
    assert interval.high == interval.mean + interval.half_width
    assert interval.relative_half_width == interval.half_width / interval.mean


def test_one_value_says_nothing_of_its_spread() -> None:
    assert replications([3.0]).half_width == math.inf
    assert replications([0.0, 0.0]).relative_half_width == 0
    assert replications([-1.0, 1.0]).relative_half_width == math.inf


def test_batch_means_are_replications_of_the_batches_and_leave_out_the_first() -> None:
    values = np.random.default_rng(1).standard_normal(1003)
    expected = replications(values[3:].reshape(20, 50).mean(axis=1))
    found = batch_means(values)
    assert (found.mean, found.half_width) == pytest.approx((expected.mean, expected.half_width))


@pytest.mark.parametrize(("n", "batches"), [(20, 20), (103, 20), (400, 10)])
def test_overlapping_batch_means_are_their_formula(n: int, batches: int) -> None:
    values = np.random.default_rng(2).standard_normal(n) + 1e6
    m = n // batches
    deviations = [values[i : i + m].mean() - values.mean() for i in range(n - m + 1)]
    variance = m / ((n - m + 1) * (n - m)) * sum(deviation**2 for deviation in deviations)
    degrees = 3 * m**2 / (2 * m**2 + 1) * (n / m - 1)
    found = overlapping_batch_means(values, 0.9, batches=batches)
    assert found.mean == pytest.approx(values.mean())
    assert found.half_width == pytest.approx(t_quantile(0.95, degrees) * math.sqrt(variance), rel=1e-6)


def test_without_overlap_overlapping_batch_means_are_the_ordinary_interval() -> None:
    values = np.random.default_rng(3).standard_normal(20)
    assert overlapping_batch_means(values).half_width == pytest.approx(replications(values).half_width)


def test_sectioning_by_hand() -> None:
    interval = sectioning([9.0, 11.0, 13.0], 10.0)
    assert interval.mean == 10
    assert interval.half_width == pytest.approx(4.302653 * math.sqrt((1 + 1 + 9) / 2 / 3), rel=1e-6)


@pytest.mark.parametrize("method", [batch_means, overlapping_batch_means])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_batches_of_an_autoregressive_run_cover(
    method: Callable[[np.ndarray, float], Interval], confidence: float
) -> None:
    runs = ar1(np.random.default_rng(4), 2000, 3000, 0.8)
    covered = coverage([method(run, confidence) for run in runs], 0)
    assert abs(covered - confidence) < 0.015
    naive = coverage([replications(run, confidence) for run in runs], 0)
    assert naive < confidence - 0.2, "what takes neighbours for independent must fail here, or the test shows nothing"


@pytest.mark.parametrize("method", [batch_means, overlapping_batch_means])
def test_batches_of_a_queue_cover(method: Callable[[np.ndarray], Interval]) -> None:
    rng = np.random.default_rng(5)
    covered = coverage([method(mm1(rng, 0.5, 12_300).wait_s[300:]) for _ in range(2000)], mean_wait(0.5))
    assert 0.935 <= covered <= 0.965


def test_replications_of_a_queue_cover_after_the_start_is_deleted() -> None:
    rng = np.random.default_rng(6)
    intervals = [replications_deletion([mm1(rng, 0.5, 1500).wait_s for _ in range(10)]) for _ in range(2000)]
    assert 0.935 <= coverage(intervals, mean_wait(0.5)) <= 0.965


def test_deletion_takes_away_what_replications_alone_are_wrong_in() -> None:
    """Two hundred short runs from an empty queue agree on a mean that is too low."""
    rng = np.random.default_rng(7)
    runs = np.array([mm1(rng, 0.8, 2000).wait_s for _ in range(500)])
    assert replications(runs.mean(axis=1)).mean < replications_deletion(runs).mean
    assert abs(replications_deletion(runs).mean - 4) < abs(replications(runs.mean(axis=1)).mean - 4)


@pytest.mark.parametrize("p", [0.5, 0.99])
def test_quantiles_of_sections_cover(p: float) -> None:
    rng = np.random.default_rng(8)
    truth = -math.log(1 - p)
    intervals = [quantile(rng.standard_exponential(10_000), p) for _ in range(2000)]
    assert 0.935 <= coverage(intervals, truth) <= 0.965


def test_quantiles_of_sketches_are_those_of_the_values() -> None:
    values = np.random.default_rng(9).exponential(50, 50_000)
    exact = quantile(values, 0.99)
    sketched = quantile_of_sketches([Sketch.of(part) for part in values.reshape(10, -1)], 0.99)
    assert sketched.mean == pytest.approx(exact.mean, rel=1 / 256)
    assert sketched.half_width == pytest.approx(exact.half_width, rel=0.1)
    assert sketched.n == 10


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: replications([]),
        lambda: batch_means(np.ones(19)),
        lambda: overlapping_batch_means(np.ones(9), batches=10),
        lambda: batch_means(np.ones(9), batches=1),
        lambda: overlapping_batch_means(np.ones(9), batches=1),
        lambda: quantile(np.ones(9), 0.5, sections=0),
        lambda: sectioning([], 1.0),
        lambda: quantile(np.ones(9), 0.5),
        lambda: quantile_of_sketches([], 0.5),
        lambda: replications_deletion([1.0, 2.0]),
        lambda: replications([1.0, 2.0], 95),
    ],
)
def test_what_cannot_be_answered_is_refused(wrong: Callable[[], Interval]) -> None:
    with pytest.raises(ValueError, match="expected"):
        wrong()
