"""The times of a window's successes, kept one by one or counted in sketches: the same questions to both. Used by
``forecast``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from windtunnel.sim.answers.interval import Interval, quantile, quantile_of_sketches, replications, sectioning
from windtunnel.sim.answers.sketch import Sketch
from windtunnel.sim.answers.steady_state import steady_state

ENOUGH_BEYOND = 20
"""So many successes have to lie beyond a quantile before it says something."""
IN_A_SECTION = 5
"""Of them: with four sections and more, intervals of independent times then cover in 94 to 97 % (measured)."""
MOST_SECTIONS = 10
FEWEST_FOR_A_MEAN = 40
CONFIDENCE = 0.95

Floats = NDArray[np.float64]


class Latencies(Protocol):
    """What both can say; all times in ms."""

    def __len__(self) -> int: ...

    def mean_ms(self) -> float:
        """Raises ValueError without any."""

    def quantile_ms(self, share: float) -> float:
        """The smallest that this share of them does not exceed. Raises ValueError without any."""

    def within(self, limit_ms: float) -> float:
        """How many are no slower."""

    def mean(self) -> tuple[Interval | None, tuple[str, ...]]:
        """With an interval, and why that may be too narrow; None: too few."""

    def quantile(self, share: float) -> Interval | None:
        """With an interval; None: too few lie beyond it."""


@dataclass(frozen=True, eq=False)
class Kept:
    """Every one, in the order of the intended starts."""

    values_ms: Floats

    def __len__(self) -> int:
        return len(self.values_ms)

    def mean_ms(self) -> float:
        if not len(self):
            raise ValueError("found no times, expected at least one")
        return float(self.values_ms.mean())

    def quantile_ms(self, share: float) -> float:
        if not len(self):
            raise ValueError("found no times, expected at least one")
        return float(np.quantile(self.values_ms, share, method="inverted_cdf"))

    def within(self, limit_ms: float) -> float:
        return float((np.round(self.values_ms, 6) <= limit_ms).sum())

    def mean(self) -> tuple[Interval | None, tuple[str, ...]]:
        """Its warm-up cut off, from overlapping batches."""
        if len(self) < FEWEST_FOR_A_MEAN:
            return None, ()
        settled = steady_state(self.values_ms, CONFIDENCE)
        return settled.mean, settled.doubts

    def quantile(self, share: float) -> Interval | None:
        """From as many sections as hold five times beyond it each."""
        beyond = _beyond(len(self), share)
        if beyond < ENOUGH_BEYOND:
            return None
        found = quantile(self.values_ms, share, CONFIDENCE, sections=min(MOST_SECTIONS, beyond // IN_A_SECTION))
        return replace(found, mean=self.quantile_ms(share))


@dataclass(frozen=True, eq=False)
class Sketched:
    """How many fell into each bucket; in all, and in sections of equal length one after the other, where they are."""

    sketch: Sketch
    sections: tuple[Sketch, ...] = ()

    def __len__(self) -> int:
        return self.sketch.total

    def mean_ms(self) -> float:
        return self.sketch.mean()

    def quantile_ms(self, share: float) -> float:
        return self.sketch.quantile(share)

    def within(self, limit_ms: float) -> float:
        return len(self) * (1 - self.sketch.share_above(limit_ms)) if len(self) else 0.0

    def mean(self) -> tuple[Interval | None, tuple[str, ...]]:
        """From the means of the sections, which are as exact as their buckets."""
        if len(self) < FEWEST_FOR_A_MEAN:
            return None, ()
        means = [section.mean() for section in self.sections if section.total]
        return (sectioning(means, self.mean_ms(), CONFIDENCE) if means else _alone(self.mean_ms())), ()

    def quantile(self, share: float) -> Interval | None:
        """From the quantiles of the sections."""
        if _beyond(len(self), share) < ENOUGH_BEYOND:
            return None
        value_ms = self.quantile_ms(share)
        sections = [section for section in self.sections if _beyond(section.total, share) >= IN_A_SECTION]
        if len(sections) < len(self.sections) or not sections:
            return _alone(value_ms)
        return replace(quantile_of_sketches(sections, share, CONFIDENCE), mean=value_ms)


def mean_of_runs(runs: Sequence[Latencies]) -> Interval | None:
    """Of runs that are independent of each other; those without a success are left out, None where all are."""
    some = [run.mean_ms() for run in runs if len(run)]
    return replications(some, CONFIDENCE) if some else None


def quantile_of_runs(runs: Sequence[Latencies], share: float) -> Interval | None:
    """Each run is a section if it holds enough beyond the quantile, else neighbouring runs are one; None: too few."""
    whole = merged(runs)
    beyond = _beyond(len(whole), share)
    if beyond < ENOUGH_BEYOND or len(runs) < 2:
        return None
    groups = np.array_split(np.arange(len(runs)), min(len(runs), max(2, beyond // IN_A_SECTION)))
    sections = [merged([runs[number] for number in group]) for group in groups]
    return sectioning(
        [section.quantile_ms(share) for section in sections if len(section)], whole.quantile_ms(share), CONFIDENCE
    )


def merged(runs: Sequence[Latencies]) -> Latencies:
    """All times of several runs."""
    kept = [run.values_ms for run in runs if isinstance(run, Kept)]
    if len(kept) == len(runs):
        return Kept(np.concatenate([np.zeros(0), *kept]))
    return Sketched(Sketch.merged(run.sketch for run in runs if isinstance(run, Sketched)))


def _alone(value_ms: float) -> Interval:
    """A figure of which nothing tells how sure it is."""
    return Interval(value_ms, math.inf, 1, CONFIDENCE, "none")


def _beyond(n: int, share: float) -> int:
    return n - math.ceil(n * share - 1e-9)
