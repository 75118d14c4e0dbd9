"""What a queue can be asked: checked numbers, and the error of a station that has too much to do. Used by every solver.

ValueError
└── Saturated    a mean does not exist, because work arrives at least as fast as it can be done
"""

from __future__ import annotations

import math


class Saturated(ValueError):
    """A station is offered at least as much work as its servers can do; there is no steady state to give a mean of."""

    def __init__(self, station: str, offered: float, servers: int) -> None:
        self.station = station
        self.offered = offered
        """Servers that the work would keep busy, if there were so many."""
        self.servers = servers
        super().__init__(
            f"{station} is saturated: found work for {offered:.6g} servers (load {offered / servers:.6g}), "
            f"expected less than its {servers}"
        )


def positive(name: str, value: float) -> None:
    """Raises ValueError, with the name, unless ``value`` is a finite number above 0."""
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name}: found {value}, expected a finite number above 0")


def not_negative(name: str, value: float) -> None:
    """Raises ValueError, with the name, unless ``value`` is a finite number, 0 or above."""
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name}: found {value}, expected a finite number, 0 or above")


def at_least(name: str, value: int, least: int) -> None:
    """Raises ValueError, with the name, unless ``value`` is a whole number, ``least`` or above."""
    if not math.isfinite(value) or value != int(value) or value < least:
        raise ValueError(f"{name}: found {value}, expected a whole number, {least} or above")


def probability(name: str, value: float) -> None:
    """Raises ValueError, with the name, unless 0 <= ``value`` < 1: the p of a quantile that is finite."""
    if not 0 <= value < 1:
        raise ValueError(f"{name}: found {value}, expected 0 <= {name} < 1")


def below_capacity(station: str, offered: float, servers: int) -> None:
    """Raises Saturated unless ``offered`` (servers kept busy) is below ``servers``."""
    if offered >= servers:
        raise Saturated(station, offered, servers)


def second_moment_at_least(name: str, mean: float, second_moment: float) -> None:
    """Raises ValueError, with the name, where no distribution has these moments: E[S^2] is at least E[S]^2."""
    if not (math.isfinite(second_moment) and second_moment >= mean * mean * (1 - 1e-12)):
        raise ValueError(f"{name}: found {second_moment}, expected at least the square of the mean, {mean * mean:.6g}")
