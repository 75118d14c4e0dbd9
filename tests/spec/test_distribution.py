"""Quantile functions: monotone, and their mean is the mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windtunnel.spec.distribution import Constant, Empirical, Exponential, Lognormal, Uniform

ALL = [
    Constant(value=3),
    Exponential(mean=4),
    Lognormal(median=180, sigma=0.3),
    Uniform(low=1, high=5),
    Empirical(quantiles=(1, 2, 2, 8)),
]


@pytest.mark.parametrize("distribution", ALL, ids=lambda d: d.kind)
def test_the_mean_of_the_quantile_function_is_the_mean(distribution: Lognormal) -> None:
    grid = (np.arange(100_000) + 0.5) / 100_000
    assert np.mean([distribution.at(u) for u in grid]) == pytest.approx(distribution.mean(), rel=2e-3)


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from(ALL))
def test_a_larger_share_has_no_smaller_value(a: float, b: float, distribution: Lognormal) -> None:
    low, high = sorted((min(a, 1 - 1e-12), min(b, 1 - 1e-12)))
    assert distribution.at(low) <= distribution.at(high)


def test_known_quantiles() -> None:
    assert Lognormal(median=180, sigma=0.3).at(0.5) == pytest.approx(180)
    assert Exponential(mean=1).at(1 - np.exp(-2)) == pytest.approx(2)
    assert Empirical(quantiles=(0, 10)).at(0.25) == 2.5
