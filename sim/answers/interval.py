"""How surely a mean or a quantile is known, from one long run or from several. Used wherever an answer is printed.

Values of one run depend on their neighbours, so that their own variance says too little. Three ways out: means of
batches that are long enough to forget each other, overlapping batches (a third less variance of the half-width for the
same run), or runs with seeds of their own. "Values" may themselves be means of equally many requests each: a run of
any length is then judged by a few thousand numbers.

All intervals are symmetric, with Student's t. They cover as often as they say where a batch, section or run holds
enough: for means of a queue, some 50 times the time in which it forgets its state (an M/M/1 queue at load r does so in
1 / (1 - sqrt(r))^2 services).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from windtunnel.sim.answers.sketch import Sketch
from windtunnel.sim.answers.student import t_quantile
from windtunnel.sim.answers.warm_up import mser5

BATCHES = 20
"""Few and long: more than 30 gain next to nothing, and short ones still depend on each other.

Source: B. Schmeiser, Batch size effects in the analysis of simulation output, Operations Research 30 (1982), 556-568.
"""


@dataclass(frozen=True)
class Interval:
    """Around an estimate, in its unit: holds the true value with the probability ``confidence``."""

    mean: float
    """The estimate; of a quantile: the quantile."""
    half_width: float
    """Infinite where one value alone says nothing of its spread."""
    n: int
    """How many values, sections or runs it comes from."""
    confidence: float
    method: str

    @property
    def low(self) -> float:
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        return self.mean + self.half_width

    @property
    def relative_half_width(self) -> float:
        """Half-width over the estimate's size; infinite for an estimate of 0, unless it is exact."""
        if self.mean == 0:
            return math.inf if self.half_width else 0.0
        return self.half_width / abs(self.mean)


def replications(estimates: ArrayLike, confidence: float = 0.95) -> Interval:
    """The mean of independent estimates, such as one of each run with a seed of its own.

    Source: A. M. Law, Simulation Modeling and Analysis, 5th ed., section 4.5. Each run must be long enough, since what
    all of them are wrong in together (the empty start above all) no number of runs makes smaller.
    Raises ValueError without estimates.
    """
    values = _some(estimates, 1)
    n = len(values)
    return _around(float(values.mean()), _variance(values, values.mean()), n - 1, n, confidence, "replications")


def replications_deletion(runs: ArrayLike, confidence: float = 0.95) -> Interval:
    """The mean of runs (a row each, of the same length) after the warm-up that they have in common is cut off.

    The warm-up is looked for in the mean of all runs, where the noise of each is averaged out and the start shows.
    Source: Law, section 9.5.2 (replication/deletion), with MSER-5 in the place of Welch's eye.
    Raises ValueError for an empty or not two-dimensional array.
    """
    rows = np.asarray(runs, dtype=np.float64)
    if rows.ndim != 2 or not rows.size:
        raise ValueError(f"found an array of shape {rows.shape}, expected a row for each run")
    return replications(rows[:, mser5(rows.mean(axis=0)).values :].mean(axis=1), confidence)


def batch_means(values: ArrayLike, confidence: float = 0.95, *, batches: int = BATCHES) -> Interval:
    """The mean of one run's values, from means of batches that do not overlap; the odd first values are left out.

    Source: Law, section 9.5.3. Raises ValueError for fewer values than batches, or fewer than two batches.
    """
    run = _batched(values, batches)
    size = len(run) // batches
    means = run[len(run) - size * batches :].reshape(batches, size).mean(axis=1)
    return _around(
        float(means.mean()), _variance(means, means.mean()), batches - 1, len(run), confidence, "batch means"
    )


def overlapping_batch_means(values: ArrayLike, confidence: float = 0.95, *, batches: int = BATCHES) -> Interval:
    """The mean of one run's values, from means of all batches of m = n / ``batches`` neighbours.

        Var(mean) ~ m / ((n - m + 1) (n - m)) * sum over the n - m + 1 batches of (mean of batch - mean)^2

    with 3 m^2 / (2 m^2 + 1) * (n / m - 1) degrees of freedom: one and a half times those of separate batches (for
    m = 1, where nothing overlaps, as many). Source: M. S. Meketon, B. Schmeiser, Overlapping batch means: something for
    nothing?, Winter Simulation Conference 1984, 226-230; the factor for small m from the weights of its spectral form.
    Raises ValueError for fewer values than batches, or fewer than two batches.
    """
    run = _batched(values, batches)
    n, m = len(run), max(1, len(run) // batches)
    mean = float(run.mean())
    sums = np.concatenate([[0.0], np.cumsum(run - mean)])  # centred, so that a long sum loses no digits
    deviations = (sums[m:] - sums[:-m]) / m
    variance = m / (n - m) * float(np.mean(deviations**2))
    degrees = 3 * m * m / (2 * m * m + 1) * (n / m - 1)
    return _around(mean, variance, degrees, n, confidence, "overlapping batch means")


def sectioning(sections: ArrayLike, whole: float, confidence: float = 0.95) -> Interval:
    """An estimate that is no mean (a quantile, a ratio), from the same estimate of each of b equal parts of the data.

    Centred on the estimate of all the data together, which is less biased than the mean of the parts:
    half-width = t * sqrt(sum of (part - whole)^2 / (b - 1) / b). Source: S. Asmussen, P. W. Glynn, Stochastic
    Simulation (2007), section III.5a; M. K. Nakayama, Confidence intervals for quantiles using sectioning (2014).
    The parts must be independent, or so long that they nearly are, each with some ten values beyond the quantile.
    Raises ValueError without sections.
    """
    parts = _some(sections, 1)
    return _around(whole, _variance(parts, whole), len(parts) - 1, len(parts), confidence, "sectioning")


def quantile(values: ArrayLike, p: float, confidence: float = 0.95, *, sections: int = 10) -> Interval:
    """The p-quantile of one run's values, from equal sections of it; the odd first values are left out.

    Raises ValueError for fewer values than sections, or for p outside of 0 to 1.
    """
    run = _some(values, sections)
    run = run[len(run) % sections :]
    parts = np.quantile(run.reshape(sections, -1), p, axis=1, method="inverted_cdf")
    return sectioning(parts, float(np.quantile(run, p, method="inverted_cdf")), confidence)


def quantile_of_sketches(sketches: Sequence[Sketch], p: float, confidence: float = 0.95) -> Interval:
    """The p-quantile (ms), from sketches of independent runs or of a run's sections, about equally many values each.

    What a sketch rounds (see there) is not part of the half-width. Raises ValueError without sketches, for one without
    values, and for p outside of 0 to 1.
    """
    return sectioning([sketch.quantile(p) for sketch in sketches], Sketch.merged(sketches).quantile(p), confidence)


def _batched(values: ArrayLike, batches: int) -> NDArray[np.float64]:
    if batches < 2:
        raise ValueError(f"found {batches} batches, expected at least two")
    return _some(values, batches)


def _variance(parts: NDArray[np.float64], centre: float) -> float:
    """Of the mean of the parts, which are independent, by their deviations from a centre."""
    n = len(parts)
    return float(np.mean((parts - centre) ** 2)) / (n - 1) if n > 1 else math.inf


def _around(centre: float, variance: float, degrees: float, n: int, confidence: float, method: str) -> Interval:
    """Student's interval around an estimate with this variance, which is known with these degrees of freedom."""
    if not 0 < confidence < 1:
        raise ValueError(f"found a confidence of {confidence}, expected between 0 and 1")
    half_width = t_quantile((1 + confidence) / 2, degrees) * math.sqrt(variance) if degrees > 0 else math.inf
    return Interval(centre, half_width, n, confidence, method)


def _some(values: ArrayLike, least: int) -> NDArray[np.float64]:
    run = np.asarray(values, dtype=np.float64).ravel()
    if not 1 <= least <= len(run):
        raise ValueError(f"found {len(run)} values, expected at least {max(least, 1)}")
    return run
