"""Where a run has forgotten that it began empty. Used before anything is said of a steady state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

_BATCH = 5
_LEAST = 20
"""Batches; of fewer, the last few decide by chance."""
_LAST = 5
"""Batches at the end that are no candidates: a handful of alike values would look like the best of all."""


@dataclass(frozen=True)
class WarmUp:
    """How many values to leave out at the beginning."""

    values: int
    doubt: str | None = None
    """Why this is not to be trusted, as a sentence; None: it is."""


def mser5(values: ArrayLike) -> WarmUp:
    """The cut that makes the squared standard error of what remains smallest, on means of five values each:

        d = argmin of sum over i > d of (z_i - mean of z behind d)^2 / (n - d)^2

    Cut is at most the first half. If the minimum lies behind it, the run has not settled, and this is said.
    Sources: K. P. White, An effective truncation heuristic for bias reduction in simulation output, Simulation 69
    (1997), 323-334; S. C. Spratt (1998) for the batches of five; K. Hoad, S. Robinson, R. Davies, Automating warm-up
    length estimation, Journal of the Operational Research Society 61 (2010), 1389-1403, for what is not to be trusted.
    """
    run = np.asarray(values, dtype=np.float64).ravel()
    n = len(run) // _BATCH
    if n < _LEAST:
        return WarmUp(0, f"{len(run)} values are too few to see a warm-up in, {_LEAST * _BATCH} are the least")
    means = run[: n * _BATCH].reshape(n, _BATCH).mean(axis=1)
    means -= means.mean()  # so that the sums below lose no digits
    remaining = n - np.arange(n)
    sums = np.cumsum(means[::-1])[::-1]
    squares = np.cumsum(means[::-1] ** 2)[::-1]
    error = ((squares - sums**2 / remaining) / remaining**2)[: n - _LAST]
    half = n // 2
    cut = int(np.argmin(error[: half + 1]))
    if error[half:].min() < error[cut]:
        return WarmUp(cut * _BATCH, "the run had not settled in its first half, it is too short")
    return WarmUp(cut * _BATCH)
