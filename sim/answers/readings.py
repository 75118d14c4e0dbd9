"""A run's series, by name and component: gauges over a window, increases of counters. Used by everything that asks
what was busy, what it cost and when an alert would have fired."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from windtunnel.spec.scenario import Window

Floats = NDArray[np.float64]


class Readings:
    """What monitoring has seen. A series that is not there is None, wherever it is asked for."""

    def __init__(self, series: pa.Table) -> None:
        """``series``: a table with the columns spec.run.SERIES, in any order."""
        names, components = (series[column].combine_chunks().dictionary_encode() for column in ("name", "component"))
        words = [(name, part) for name in names.dictionary.to_pylist() for part in components.dictionary.to_pylist()]
        key = names.indices.to_numpy() * len(components.dictionary) + components.indices.to_numpy()
        at_s, value = series["at_s"].to_numpy(), series["value"].to_numpy()
        order = np.lexsort((at_s, key))
        starts = np.flatnonzero(np.diff(key[order], prepend=-1))
        self._series: dict[tuple[str, str], tuple[Floats, Floats]] = {
            words[key[group[0]]]: (at_s[group], value[group]) for group in np.split(order, starts[1:]) if len(group)
        }

    def has(self, name: str, component: str = "") -> bool:
        """Whether it was looked at."""
        return (name, component) in self._series

    def mean(self, name: str, component: str, window: Window) -> float | None:
        """A gauge on average over the looks in the window, the one at its end included; None without any."""
        at_s, value = self._series.get((name, component), _NOTHING)
        inside = value[(at_s > window.start_s) & (at_s <= window.end_s)]
        return float(inside.mean()) if len(inside) else None

    def increase(self, name: str, component: str, window: Window) -> float | None:
        """By how much a counter that began at 0 has grown in the window, straight lines between its looks."""
        if not self.has(name, component):
            return None
        at_s, value = self._series[name, component]
        ends = np.interp([window.start_s, window.end_s], np.append(0.0, at_s), np.append(0.0, value))
        return float(ends[1] - ends[0])

    def total(self, name: str, components: Sequence[str], window: Window) -> float:
        """The increases of several counters together; those that are not there are 0."""
        return sum(self.increase(name, component, window) or 0.0 for component in components)

    def latest(self, name: str, component: str, at_s: ArrayLike) -> Floats | None:
        """What was last read by each of these times; NaN before the first look."""
        if not self.has(name, component):
            return None
        looked_s, value = self._series[name, component]
        place = np.searchsorted(looked_s, np.asarray(at_s, dtype=np.float64) + _SAME_S, side="right") - 1
        return np.where(place >= 0, value[np.maximum(place, 0)], np.nan)

    def looks(self, name: str, component: str, window: Window) -> tuple[Floats, Floats]:
        """Times and values of a gauge in the window; empty where there are none."""
        at_s, value = self._series.get((name, component), _NOTHING)
        inside = (at_s > window.start_s) & (at_s <= window.end_s)
        return at_s[inside], value[inside]


_NOTHING: tuple[Floats, Floats] = (np.zeros(0), np.zeros(0))
_SAME_S = 1e-9
"""Looks at multiples of an interval are those multiples but for rounding."""
