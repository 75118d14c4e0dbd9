"""Student's t distribution, which numpy does not have. Used for intervals of few values.

The distribution function is an incomplete beta function, computed by its continued fraction (NIST Digital Library of
Mathematical Functions, 8.17.22, evaluated after W. J. Lentz 1976), and inverted by Newton's method. From 10,000
degrees of freedom on, the expansion about the normal quantile is used (M. Abramowitz, I. A. Stegun, 26.7.5).
Exact to 1e-9 of the quantile's value, for p from 1e-6 to 1 - 1e-6.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

_MANY = 10_000.0


@lru_cache(maxsize=1024)
def t_quantile(p: float, degrees: float) -> float:
    """The value that a t-distributed one does not exceed with probability p. ``degrees`` need not be whole.

    Raises ValueError unless 0 < p < 1 and degrees > 0.
    """
    if not 0 < p < 1 or not degrees > 0:
        raise ValueError(f"found p = {p} and {degrees} degrees of freedom, expected 0 < p < 1 and degrees > 0")
    if p < 0.5:
        return -t_quantile(1 - p, degrees)
    if p == 0.5:
        return 0.0
    if degrees >= _MANY:
        return _expansion(NormalDist().inv_cdf(p), degrees)
    t = NormalDist().inv_cdf(p)  # below the answer; from there, since t_cdf bends down, no step of Newton's passes it
    for _ in range(1000):
        step = (p - t_cdf(t, degrees)) / _density(t, degrees)
        t += step
        if step <= 1e-13 * t:
            break
    return t


def t_cdf(t: float, degrees: float) -> float:
    """The probability that a t-distributed value does not exceed t (ibid. 8.17; Abramowitz, Stegun, 26.7.1)."""
    if t < 0:
        return 1 - t_cdf(-t, degrees)
    square = t * t
    near = square / (degrees + square)
    if near < 1.5 / (degrees / 2 + 2.5):  # where the fraction converges quickly
        return 0.5 + _incomplete_beta(near, degrees / (degrees + square), 0.5, degrees / 2) / 2
    return 1 - _incomplete_beta(degrees / (degrees + square), near, degrees / 2, 0.5) / 2


def _density(t: float, degrees: float) -> float:
    half = degrees / 2
    logarithm = math.lgamma(half + 0.5) - math.lgamma(half) - (half + 0.5) * math.log1p(t * t / degrees)
    return math.exp(logarithm) / math.sqrt(math.pi * degrees)


def _incomplete_beta(x: float, rest: float, a: float, b: float) -> float:
    """I_x(a, b), with rest = 1 - x given, so that it keeps its digits where x is close to 1."""
    if x == 0:
        return 0.0
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest)
    tiny = 1e-300
    c, d = 1.0, 1.0 / ((1 - (a + b) * x / (a + 1)) or tiny)
    fraction = d
    for m in range(1, 10_000):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / ((1 + term * d) or tiny)
            c = (1 + term / c) or tiny
            fraction *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return math.exp(logarithm) * fraction / a


def _expansion(z: float, degrees: float) -> float:
    """The quantile for many degrees of freedom, from the normal one."""
    return (
        z
        + (z**3 + z) / (4 * degrees)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * degrees**3)
    )
