"""The regularised incomplete gamma function and its inverse, for the quantiles of gamma distributions.

P(k, x) by its series below k + 1 and by the continued fraction of its complement above (Lentz's algorithm), as in
W. H. Press et al., "Numerical Recipes", 3rd edition, 6.2.
"""

from __future__ import annotations

import math

_CONVERGED = 1e-14
_TINY = 1e-300


def lower_share(shape: float, x: float) -> float:
    """P(shape, x): the share of a gamma distribution of scale 1 that lies below x >= 0."""
    if x <= 0:
        return 0.0
    weight = math.exp(shape * math.log(x) - x - math.lgamma(shape))
    return _series(shape, x) * weight if x < shape + 1 else 1 - _fraction(shape, x) * weight


def inverse_lower_share(shape: float, u: float) -> float:
    """The x with P(shape, x) = u, for 0 <= u < 1, by bisection to the last bit that makes a difference."""
    low, high = 0.0, max(1.0, shape)
    while lower_share(shape, high) < u:
        low, high = high, high * 2
    while True:
        middle = (low + high) / 2
        if not low < middle < high:
            return high if u > 0 else 0.0
        if lower_share(shape, middle) < u:
            low = middle
        else:
            high = middle


def _series(shape: float, x: float) -> float:
    """P without its weight: sum of x^n / (shape (shape + 1) ... (shape + n))."""
    term = total = 1 / shape
    n = shape
    while term > total * _CONVERGED:
        n += 1
        term *= x / n
        total += term
    return total


def _fraction(shape: float, x: float) -> float:
    """1 - P without its weight, as a continued fraction."""
    b = x + 1 - shape
    c = 1 / _TINY
    d = 1 / b
    result = d
    i = 0
    change = 0.0
    while abs(change - 1) > _CONVERGED:
        i += 1
        a = -i * (i - shape)
        b += 2
        d = 1 / _not_zero(a * d + b)
        c = _not_zero(b + a / c)
        change = d * c
        result *= change
    return result


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
