"""Quantiles of samples and how sure they are, without assuming a distribution. Used by calibration."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from windtunnel.spec.distribution import Empirical


@dataclass(frozen=True)
class Interval:
    """Between two of the samples."""

    low: float
    high: float
    coverage: float
    """Probability that such an interval holds the true quantile; less than asked where samples are too few."""


def quantile_interval(samples: ArrayLike, p: float, confidence: float = 0.95) -> Interval:
    """The narrowest pair of order statistics, about even on both sides, that holds the p-quantile.

    The number of n samples below the quantile is binomial(n, p), so that [x_(l), x_(u)] holds it with probability
    P(l <= B <= u - 1). Source: H. A. David, H. N. Nagaraja, Order Statistics, 3rd ed., section 7.1.
    Where even the extremes do not reach the confidence, they are the answer, with the coverage they have.
    Raises ValueError without samples.
    """
    ordered = np.sort(np.asarray(samples, dtype=np.float64))
    n = len(ordered)
    if n == 0 or not 0 < p < 1:
        raise ValueError(f"found {n} samples and p = {p}, expected at least one sample and 0 < p < 1")
    cumulative = np.cumsum(_binomial(n, p))  # P(B <= k)
    tail = (1 - confidence) / 2
    low = max(int(np.searchsorted(cumulative, tail, side="right")), 1)  # P(B <= low - 1) <= tail
    high = min(int(np.searchsorted(cumulative, 1 - tail, side="left")) + 1, n)  # P(B <= high - 1) >= 1 - tail
    coverage = float(cumulative[high - 1] - cumulative[low - 1])
    return Interval(float(ordered[low - 1]), float(ordered[high - 1]), coverage)


def _binomial(n: int, p: float) -> NDArray[np.float64]:
    """P(B = k) for k = 0..n, from the ratios of neighbours, in logarithms."""
    k = np.arange(n)
    steps = np.log((n - k) / (k + 1)) + math.log(p / (1 - p))
    logs = n * math.log1p(-p) + np.concatenate([[0.0], np.cumsum(steps)])
    probabilities: NDArray[np.float64] = np.exp(logs)
    return probabilities


def empirical(samples: ArrayLike, points: int = 201) -> Empirical:
    """The samples as a distribution of at most ``points`` quantiles; smallest and largest are kept, no tail is cut.

    Linear interpolation between order statistics (R's type 7), which is how ``Empirical.at`` reads it.
    Raises ValueError without samples.
    """
    values = np.asarray(samples, dtype=np.float64)
    if not len(values):
        raise ValueError("found no samples, expected at least one")
    quantiles = np.quantile(values, np.linspace(0, 1, max(2, min(points, len(values)))))
    return Empirical(quantiles=tuple(float(value) for value in np.round(quantiles, 4)))
