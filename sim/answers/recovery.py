"""How long after the last fault it takes until answers are good again, for good. Used by answers.

Slower than the objectives allow is not good, so that a service which answers everybody far too late has not recovered.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

SLIDE_S = 1.0
"""The stretch over which the share of bad answers is taken."""


@dataclass(frozen=True)
class Recovered:
    """When it was over."""

    healed_at_s: float
    seconds: float | None
    """From the heal on; None: it was still bad at the end of the run."""


def recovered_slices(
    slices: pa.Table, *, healed_at_s: float, until_s: float, tolerated: float = 0.0
) -> Recovered | None:
    """The same of a run that was counted (spec.run.SLICES): known to the length of its slices, of which as many as fill
    a second are looked at together; the one in which the heal lies counts as after it."""
    begin_s, requests, good = (slices[name].to_numpy() for name in ("begin_s", "requests", "good"))
    length_s = float(begin_s[1] - begin_s[0]) if len(begin_s) > 1 else until_s
    inside = (begin_s + length_s > healed_at_s) & (begin_s < until_s)
    begin_s, requests, bad = begin_s[inside], requests[inside], (requests - good)[inside]
    n = len(begin_s)
    if not requests.sum():
        return None
    together = min(n, max(1, round(SLIDE_S / length_s)))
    first = np.minimum(np.arange(n), n - together)
    due, failed = (np.concatenate([[0], np.cumsum(each)]) for each in (requests, bad))
    over = np.flatnonzero(failed[first + together] - failed[first] > tolerated * (due[first + together] - due[first]))
    if not len(over):
        return Recovered(healed_at_s, 0.0)
    if over[-1] + 1 >= n or until_s - begin_s[over[-1] + 1] < SLIDE_S:
        return Recovered(healed_at_s, None)
    return Recovered(healed_at_s, float(begin_s[over[-1] + 1]) - healed_at_s)


def recovered(
    begin_s: ArrayLike, good: ArrayLike, *, healed_at_s: float, until_s: float, tolerated: float = 0.0
) -> Recovered | None:
    """From the intended starts of all requests, and whether each had a good answer. None: no request tells.

    Recovered is the first request from which on every second that begins with a request has at most the share
    ``tolerated`` (0 to 1) of bad ones; the last second before ``until_s`` stands for all that would reach beyond.
    """
    start, well = np.asarray(begin_s, dtype=np.float64), np.asarray(good, dtype=np.bool_)
    inside = (start >= healed_at_s) & (start < until_s)
    order = np.argsort(start[inside], kind="stable")
    start, bad = start[inside][order], ~well[inside][order]
    if not len(start):
        return None
    from_s = np.minimum(start, until_s - SLIDE_S)
    first, last = np.searchsorted(start, from_s), np.searchsorted(start, from_s + SLIDE_S)
    count = np.concatenate([[0], np.cumsum(bad)])
    over = np.flatnonzero(count[last] - count[first] > tolerated * (last - first))
    if not len(over):
        return Recovered(healed_at_s, 0.0)
    if over[-1] + 1 >= len(start) or until_s - start[over[-1] + 1] < SLIDE_S:
        return Recovered(healed_at_s, None)
    return Recovered(healed_at_s, float(start[over[-1] + 1]) - healed_at_s)
