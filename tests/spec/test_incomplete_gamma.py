"""The incomplete gamma function against its closed forms, and its inverse against itself."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windtunnel.spec.incomplete_gamma import inverse_lower_share, lower_share


@pytest.mark.parametrize("x", [1e-6, 0.1, 0.9, 1.5, 2.5, 7, 30])
def test_whole_and_half_shapes_have_closed_forms(x: float) -> None:
    assert lower_share(1, x) == pytest.approx(-math.expm1(-x), rel=1e-12)
    assert lower_share(3, x) == pytest.approx(1 - math.exp(-x) * (1 + x + x * x / 2), rel=1e-9, abs=1e-15)
    assert lower_share(0.5, x) == pytest.approx(math.erf(math.sqrt(x)), rel=1e-12)


@given(st.floats(0.01, 1000), st.floats(1e-6, 1 - 1e-6))
def test_the_inverse_is_one(shape: float, u: float) -> None:
    x = inverse_lower_share(shape, u)
    assert lower_share(shape, x) == pytest.approx(u, rel=1e-6, abs=1e-9) or x < 1e-300


def test_nothing_lies_below_zero() -> None:
    assert lower_share(2, 0) == 0
    assert inverse_lower_share(2, 0) == 0
