"""How long after the heal requests failed, until they succeeded again for good. On any run's samples; asked by judge.

A request counts at its intended start: one that was meant to be sent in a bad second belongs to it, however
late its answer came.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from windtunnel.spec.run import SAMPLES

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SLIDE_S = 1.0
"""The stretch over which the share of failures is taken, and which must be good at the very end."""
LEAST = 20
"""So many requests have to succeed from then on."""


@dataclass(frozen=True)
class Recovery:
    """When it was over, if it can be said."""

    seconds: float | None
    """After the heal; 0 if no request failed after it. None: it did not recover, or that cannot be said."""
    n: int
    """Requests that started between the heal and the end."""
    enough: bool
    """False: too few of them succeeded afterwards to say anything; then ``seconds`` is None."""
    detail: str
    """In words, with figures."""


def recovery(
    samples: pa.Table, healed_at_s: float, until_s: float, *, tolerance: float = 0.0, least: int = LEAST
) -> Recovery:
    """Of a table with the columns spec.run.SAMPLES, from the heal to the end of the window, in run seconds.

    Recovered is the first successful request from which on, until ``until_s``, every sliding second has at most
    ``tolerance`` (a share, 0 .. 1) of failures among the requests that start in it. The last second before
    ``until_s`` stands for all seconds that would reach beyond it: one straggler there is judged among its
    neighbours, not alone. ``least`` requests must have succeeded from then on. ValueError on other columns, or
    an end that is not after the heal.
    """
    if not samples.schema.equals(SAMPLES):
        raise ValueError(f"found columns {samples.schema.names}, expected {SAMPLES.names} with their types")
    if not until_s > healed_at_s:
        raise ValueError(f"found an end at {until_s:g} s, expected it after the heal at {healed_at_s:g} s")
    start_s, failed = _requests(samples, healed_at_s, until_s)
    n = len(start_s)
    if n == 0:
        return Recovery(None, 0, False, "no request started between the heal and the end")

    bad = np.flatnonzero(_failing_shares(start_s, failed, until_s) > tolerance)
    after = int(bad[-1]) + 1 if len(bad) else 0
    good = np.flatnonzero(~failed[after:]) + after
    count = f"{int(failed.sum())} of {n} requests failed after the heal"
    if len(bad) and (len(good) == 0 or until_s - start_s[good[0]] < SLIDE_S):
        left_s = until_s - start_s[bad[-1]]
        return Recovery(None, n, True, f"{count}, too many of them still {left_s:.2f} s before the end")
    if len(good) < least:
        return Recovery(None, n, False, f"{count}; only {len(good)} succeeded for good, {least} are needed")
    seconds = float(start_s[good[0]]) - healed_at_s if failed.any() else 0.0
    return Recovery(seconds, n, True, f"{count}; recovered after {seconds:.2f} s, {len(good)} succeeded from then on")


def _requests(samples: pa.Table, from_s: float, until_s: float) -> tuple[Floats, Bools]:
    """Intended starts in time's order, and whether each failed."""
    start_s = samples["intended_s"].to_numpy()
    failed = pc.not_equal(samples["outcome"], "ok").to_numpy()
    inside = (start_s >= from_s) & (start_s < until_s)
    order = np.argsort(start_s[inside], kind="stable")
    return start_s[inside][order], failed[inside][order]


def _failing_shares(start_s: Floats, failed: Bools, until_s: float) -> Floats:
    """For each request, the share of failures in the second that begins with it, or in the last one."""
    begin_s = np.minimum(start_s, until_s - SLIDE_S)
    begin = np.searchsorted(start_s, begin_s, side="left")
    end = np.searchsorted(start_s, begin_s + SLIDE_S, side="left")
    failures = np.concatenate([[0], np.cumsum(failed)])
    shares: Floats = (failures[end] - failures[begin]) / np.maximum(end - begin, 1)
    return shares
