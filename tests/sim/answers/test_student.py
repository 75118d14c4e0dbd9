"""Student's t is exact: against printed tables, closed forms, and its own density added up."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windtunnel.sim.answers.student import t_cdf, t_quantile

# M. Abramowitz, I. A. Stegun, Handbook of Mathematical Functions, table 26.10: three decimals.
PRINTED = {
    1: {0.75: 1.000, 0.9: 3.078, 0.95: 6.314, 0.975: 12.706, 0.99: 31.821, 0.995: 63.657},
    2: {0.75: 0.816, 0.9: 1.886, 0.95: 2.920, 0.975: 4.303, 0.99: 6.965, 0.995: 9.925},
    5: {0.75: 0.727, 0.9: 1.476, 0.95: 2.015, 0.975: 2.571, 0.99: 3.365, 0.995: 4.032},
    10: {0.75: 0.700, 0.9: 1.372, 0.95: 1.812, 0.975: 2.228, 0.99: 2.764, 0.995: 3.169},
    19: {0.75: 0.688, 0.9: 1.328, 0.95: 1.729, 0.975: 2.093, 0.99: 2.539, 0.995: 2.861},
    30: {0.75: 0.683, 0.9: 1.310, 0.95: 1.697, 0.975: 2.042, 0.99: 2.457, 0.995: 2.750},
    120: {0.75: 0.677, 0.9: 1.289, 0.95: 1.658, 0.975: 1.980, 0.99: 2.358, 0.995: 2.617},
}


@pytest.mark.parametrize("degrees", PRINTED)
def test_quantiles_are_those_of_the_table(degrees: int) -> None:
    for p, value in PRINTED[degrees].items():
        assert t_quantile(p, degrees) == pytest.approx(value, abs=5.1e-4)


@given(st.floats(1e-6, 1 - 1e-6))
def test_quantiles_are_those_of_the_closed_forms(p: float) -> None:
    """Source: W. T. Shaw, Sampling Student's T distribution, Journal of Computational Finance 9 (2006)."""
    assert t_quantile(p, 1) == pytest.approx(math.tan(math.pi * (p - 0.5)), rel=1e-8, abs=1e-12)
    alpha = 4 * p * (1 - p)
    assert t_quantile(p, 2) == pytest.approx((2 * p - 1) * math.sqrt(2 / alpha), rel=1e-8, abs=1e-12)
    root = math.sqrt(max(0.0, math.cos(math.acos(math.sqrt(alpha)) / 3) / math.sqrt(alpha) - 1))
    assert t_quantile(p, 4) == pytest.approx(math.copysign(2 * root, p - 0.5), rel=1e-8, abs=1e-7)


@pytest.mark.parametrize("degrees", [3, 7.5, 28.5, 100, 9_999])
@pytest.mark.parametrize("p", [0.6, 0.9, 0.975, 0.995, 0.9999])
def test_the_density_up_to_a_quantile_adds_up_to_its_probability(p: float, degrees: float) -> None:
    t = t_quantile(p, degrees)
    nodes, weights = np.polynomial.legendre.leggauss(200)
    x = t * (nodes + 1) / 2
    constant = math.exp(math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)) / math.sqrt(math.pi * degrees)
    density = constant * (1 + x * x / degrees) ** (-(degrees + 1) / 2)
    at_t = constant * (1 + t * t / degrees) ** (-(degrees + 1) / 2)
    assert abs(0.5 + t / 2 * float(weights @ density) - p) / at_t < 1e-8 * t


@given(st.floats(1e-5, 1 - 1e-5), st.floats(0.5, 20_000))
def test_a_quantile_undoes_the_distribution_and_is_odd(p: float, degrees: float) -> None:
    assert t_cdf(t_quantile(p, degrees), degrees) == pytest.approx(p, abs=1e-11)
    assert t_quantile(1 - p, degrees) == pytest.approx(-t_quantile(p, degrees), rel=1e-8, abs=1e-10)


def test_expansion_and_iteration_meet_and_the_normal_distribution_is_the_limit() -> None:
    for p in (0.51, 0.9, 0.975, 0.999999):
        few, many = t_quantile(p, 9_999.999), t_quantile(p, 10_000)
        assert few == pytest.approx(many, rel=1e-9)
        assert t_quantile(p, 1e12) == pytest.approx(NormalDist().inv_cdf(p), rel=1e-9)


@pytest.mark.parametrize(("p", "degrees"), [(0, 5), (1, 5), (0.9, 0), (math.nan, 5), (0.9, math.nan)])
def test_what_cannot_be_answered_is_refused(p: float, degrees: float) -> None:
    with pytest.raises(ValueError, match="0 < p < 1"):
        t_quantile(p, degrees)
