"""A distribution of times in a fixed array of counts: any number of values, 90 kB. Used by engines and their answers.

Every power of two is cut into 256 buckets of the same width, which are the leading bits of a float: the index of a
value is a shift of its bits. Source of the idea: G. Tene, HdrHistogram; here without its fixed number of digits.

How exact: a quantile is off the true order statistic by less than 1/256 (0.39 %) of its value, from 2^-20 ms (0.95 ns)
to 2^24 ms (4.66 hours). Where many values lie in a bucket it is far better, since they are taken as spread evenly in
it. Below, it is off by at most 2^-20 ms; above, it lies between 2^24 ms and the largest value. The mean is exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_BITS = 8
"""Of the fraction of a float, that tell buckets apart."""
_LOWEST, _HIGHEST = -20, 24
"""Exponents of two of the range in ms."""
_SHIFT = 52 - _BITS
_FIRST = ((_LOWEST + 1023) << _BITS) - 1
"""The shifted bits of 2^-20, less one bucket for all that is below. (A float's exponent is biased by 1023.)"""

BUCKETS = ((_HIGHEST - _LOWEST) << _BITS) + 2
"""The first holds all below 2^-20 ms, the last all from 2^24 ms on."""


def bucket(value_ms: float) -> int:
    """Where a value is counted: from 0 to BUCKETS - 1, ascending with the value.

    Scalar arithmetic only: it runs as it stands and under ``numba.njit``, with the same result. Nothing is refused in
    a hot loop: what is negative is counted in the first bucket, infinity in the last, and nan, which is a mistake of
    the caller's, in either.
    """
    place = (int(np.float64(value_ms).view(np.int64)) >> _SHIFT) - _FIRST
    return min(max(place, 0), BUCKETS - 1)


def lower(bucket: int) -> float:
    """The smallest value (ms) of a bucket; exact."""
    if bucket == 0:
        return 0.0
    octave, part = divmod(bucket - 1, 1 << _BITS)
    return math.ldexp(1 + part / (1 << _BITS), _LOWEST + octave)


def upper(bucket: int) -> float:
    """The smallest value (ms) that is above a bucket; infinite for the last."""
    return lower(bucket + 1) if bucket < BUCKETS - 1 else math.inf


_LOWER = np.array([lower(bucket) for bucket in range(BUCKETS)])
MIDDLES = (_LOWER + np.append(_LOWER[1:], 2 * _LOWER[-1] + 1)) / 2
"""Of each bucket, in ms; of the last one, one and a half times where it begins."""


@dataclass(frozen=True, eq=False)
class Sketch:
    """How often values fell into each bucket."""

    counts: NDArray[np.int64]
    """By bucket."""
    sum_ms: float
    min_ms: float
    """Infinite without values."""
    max_ms: float
    """Minus infinite without values."""

    def __post_init__(self) -> None:
        """Raises ValueError for counts that are not by bucket."""
        if self.counts.shape != (BUCKETS,):
            raise ValueError(f"found counts of shape {self.counts.shape}, expected one for each of {BUCKETS} buckets")

    @classmethod
    def of(cls, values_ms: ArrayLike) -> Sketch:
        """Of all these values; there may be none. Raises ValueError for one that is negative or not finite."""
        values = np.asarray(values_ms, dtype=np.float64).ravel()
        if not np.all(np.isfinite(values) & (values >= 0)):
            raise ValueError("found a value that is negative or not finite, expected times in ms")
        places = np.clip((values.view(np.int64) >> _SHIFT) - _FIRST, 0, BUCKETS - 1)
        return cls(
            np.bincount(places, minlength=BUCKETS),
            float(values.sum()),
            float(values.min(initial=math.inf)),
            float(values.max(initial=-math.inf)),
        )

    @classmethod
    def from_pairs(
        cls, buckets: ArrayLike, counts: ArrayLike, *, sum_ms: float, min_ms: float, max_ms: float
    ) -> Sketch:
        """The reverse of ``pairs``."""
        dense = np.zeros(BUCKETS, dtype=np.int64)
        dense[np.asarray(buckets, dtype=np.int64)] = np.asarray(counts, dtype=np.int64)
        return cls(dense, sum_ms, min_ms, max_ms)

    @classmethod
    def merged(cls, sketches: Iterable[Sketch]) -> Sketch:
        """Of the values of all of them together; there may be none."""
        whole = cls.of([])
        for sketch in sketches:
            whole = whole.merge(sketch)
        return whole

    def pairs(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The buckets that hold something, ascending, and their counts: two columns of a table."""
        held = np.flatnonzero(self.counts)
        return held.astype(np.int32), self.counts[held]

    @property
    def total(self) -> int:
        """How many values."""
        return int(self.counts.sum())

    def mean(self) -> float:
        """In ms. Raises ValueError without values."""
        return self.sum_ms / self._some()

    def quantile(self, p: float) -> float:
        """The smallest value (ms) that at least a share of p of the values do not exceed, as exact as said above.

        Raises ValueError without values, or for p outside of 0 to 1.
        """
        total = self._some()
        if not 0 <= p <= 1:
            raise ValueError(f"found p = {p}, expected 0 to 1")
        rank = max(1, math.ceil(p * total * (1 - 1e-15)))  # 0.07 * 100 is 7.000000000000001
        if rank == total:
            return self.max_ms
        cumulative = np.cumsum(self.counts)
        place = int(np.searchsorted(cumulative, rank))
        inside = rank - (cumulative[place] - self.counts[place])  # from 1 to the bucket's count
        low, high = self._limits(place)
        return float(low + (high - low) * (inside - 0.5) / self.counts[place])

    def share_above(self, value_ms: float) -> float:
        """Which share of the values exceeds this one; those in its own bucket are taken as spread evenly in it.

        Raises ValueError without values.
        """
        total = self._some()
        if value_ms < self.min_ms:
            return 1.0
        if value_ms >= self.max_ms:
            return 0.0
        place = bucket(value_ms)
        low, high = self._limits(place)
        share = min(max((high - value_ms) / (high - low), 0.0), 1.0) if high > low else 0.0
        return float((self.counts[place + 1 :].sum() + share * self.counts[place]) / total)

    def merge(self, other: Sketch) -> Sketch:
        """Of the values of both."""
        return Sketch(
            self.counts + other.counts,
            self.sum_ms + other.sum_ms,
            min(self.min_ms, other.min_ms),
            max(self.max_ms, other.max_ms),
        )

    def _limits(self, place: int) -> tuple[float, float]:
        """Between which values those of a bucket lie; the first and the last that are held end at the extremes."""
        return max(lower(place), self.min_ms), min(upper(place), self.max_ms)

    def _some(self) -> int:
        if not (total := self.total):
            raise ValueError("found no values, expected at least one")
        return total
