"""Quantile intervals hold what they promise; an empirical distribution gives back what it was made of."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windtunnel.sim.statistics import empirical, quantile_interval

finite = st.floats(0, 1e6, allow_nan=False)


def test_interval_of_a_median_by_hand() -> None:
    # Ten samples: P(2 <= B <= 8) = 1 - 2 * 11/1024, the textbook interval (x_2, x_9).
    interval = quantile_interval(range(1, 11), 0.5)
    assert (interval.low, interval.high) == (2, 9)
    assert interval.coverage == pytest.approx(1 - 22 / 1024)


def test_too_few_samples_give_the_extremes_and_say_what_they_are_worth() -> None:
    interval = quantile_interval([3.0, 1.0, 2.0], 0.5)
    assert (interval.low, interval.high) == (1.0, 3.0)
    assert interval.coverage == pytest.approx(1 - 2 / 8)
    assert quantile_interval([4.0], 0.5).coverage == 0


@pytest.mark.parametrize("p", [0.5, 0.9, 0.95])
def test_interval_holds_the_true_quantile_as_often_as_it_says(p: float) -> None:
    rng = np.random.default_rng(1)
    truth = -math.log(1 - p)
    runs = 2000
    intervals = [quantile_interval(rng.exponential(size=120), p) for _ in range(runs)]
    held = sum(interval.low <= truth <= interval.high for interval in intervals)
    promised = intervals[0].coverage
    assert promised >= 0.95
    assert abs(held / runs - promised) < 4 * math.sqrt(promised * (1 - promised) / runs)


@given(st.lists(finite, min_size=1, max_size=300), st.floats(0.01, 0.99))
def test_interval_lies_among_the_samples_around_the_quantile(samples: list[float], p: float) -> None:
    interval = quantile_interval(samples, p)
    assert interval.low in samples
    assert interval.high in samples
    assert interval.low <= float(np.quantile(samples, p, method="inverted_cdf")) <= interval.high


@given(st.lists(finite, min_size=1, max_size=400))
def test_empirical_keeps_the_range_and_the_order_statistics(samples: list[float]) -> None:
    distribution = empirical(samples)
    assert distribution.at(0) == pytest.approx(min(samples), abs=1e-3)
    assert distribution.at(1) == pytest.approx(max(samples), abs=1e-3)
    if len(samples) <= 201:
        assert distribution.mean() == pytest.approx(
            np.trapezoid(sorted(samples), dx=1 / (len(samples) - 1)) if len(samples) > 1 else samples[0], abs=1e-3
        )


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: quantile_interval([], 0.5),
        lambda: quantile_interval([1], 1.0),
        lambda: empirical([]),
    ],
)
def test_what_cannot_be_answered_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="at least"):
        wrong()  # type: ignore[operator]
