"""When requests come, in pieces of ascending times. ``spec.load`` cuts them to a run.

Every process draws from the generators that it is given and from nothing else, a fixed number of values per piece: a
longer run therefore begins like a shorter one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]
"""Seconds after the run's zero."""
Rate = Callable[[Times], NDArray[np.float64]]
"""Requests a second at each of some times; asked with times that never go back."""

PIECE = 1024
"""Arrivals that are drawn together. Part of what a seed means: another number gives other roundings."""


def constant(rate_per_s: float, until_s: float) -> Iterator[Times]:
    """Evenly spaced, the first at 0, to the end of the run."""
    gap_s = 1 / rate_per_s
    count = math.ceil(until_s / gap_s)
    for first in range(0, count, PIECE):
        yield np.arange(first, min(first + PIECE, count), dtype=np.float64) * gap_s


def poisson(rate_per_s: float, gaps: np.random.Generator) -> Iterator[Times]:
    """Independent of each other: exponential gaps."""
    return _renewal(lambda: gaps.exponential(1 / rate_per_s, size=PIECE))


def gamma(rate_per_s: float, cv: float, gaps: np.random.Generator) -> Iterator[Times]:
    """Gamma gaps with that coefficient of variation: below 1 more even than Poisson, above 1 in bursts."""
    shape = cv**-2
    return _renewal(lambda: gaps.gamma(shape, 1 / (rate_per_s * shape), size=PIECE))


def changing(
    rate: Rate, highest_per_s: float, until_s: float, gaps: np.random.Generator, kept: np.random.Generator
) -> Iterator[Times]:
    """Poisson with a rate that changes in time, never above the highest: so many come, and a share of them is kept.

    It ends at ``until_s``: where the rate falls to 0 for long, nothing else would tell that the run is over.
    P. A. W. Lewis, G. S. Shedler, "Simulation of nonhomogeneous Poisson processes by thinning", NRLQ 26(3), 1979.
    """
    for piece in poisson(highest_per_s, gaps):
        inside = piece[piece < until_s]
        yield inside[kept.random(PIECE)[: len(inside)] * highest_per_s < rate(inside)]
        if len(inside) < PIECE:
            return


def diurnal(mean_per_s: float, amplitude: float, period_s: float, peak_at_s: float) -> Rate:
    """A wave around the mean, a share ``amplitude`` of it high."""
    return lambda at_s: mean_per_s * (1 + amplitude * np.cos(2 * np.pi * (at_s - peak_at_s) / period_s))


def flash(base_per_s: float, peak_per_s: float, at_s: float, ramp_s: float, hold_s: float) -> Rate:
    """From the base up to the peak and, after it has been held, back: linearly, in ``ramp_s`` each."""
    corners = np.cumsum([at_s, ramp_s, hold_s, ramp_s])
    extra = np.array([0.0, 1.0, 1.0, 0.0]) * (peak_per_s - base_per_s)
    if ramp_s > 0:
        return lambda times: base_per_s + np.interp(times, corners, extra)
    return lambda times: np.where((times >= at_s) & (times < at_s + hold_s), peak_per_s, base_per_s)


def switching(states: Sequence[tuple[float, float]], stays: np.random.Generator) -> Rate:
    """One rate after the other, in turn, each for an exponential time: (rate per second, mean seconds)."""
    rates = np.array([rate for rate, _ in states])
    means = np.array([mean for _, mean in states])
    rounds = -(-PIECE // len(states))
    ends = np.zeros(0)  # of the stays that are not over yet; the first of them is in state ``first``
    first = 0

    def rate(times: Times) -> NDArray[np.float64]:
        nonlocal ends, first
        begun = float(ends[-1]) if len(ends) else 0.0
        if len(times) and len(ends):
            over = int(np.searchsorted(ends, times[0], side="right"))
            ends, first = ends[over:], (first + over) % len(states)
        parts = [ends]
        while len(times) and begun <= times[-1]:
            parts.append(begun + np.cumsum(stays.exponential(np.tile(means, rounds))))
            begun = float(parts[-1][-1])
        ends = np.concatenate(parts)
        return rates[(first + np.searchsorted(ends, times, side="right")) % len(states)]

    return rate


def replayed(offsets_s: Times, period_s: float) -> Iterator[Times]:
    """Given times, and again from the start each period."""
    began = 0.0
    while True:
        yield began + offsets_s
        began += period_s


def _renewal(draw: Callable[[], NDArray[np.float64]]) -> Iterator[Times]:
    now = 0.0
    while True:
        piece = now + np.cumsum(draw())
        yield piece
        now = float(piece[-1])
