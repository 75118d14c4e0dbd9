"""One replica of a station: what it works on, what it holds, and whether it is up. Used by stations."""

from __future__ import annotations

import math

from windtunnel.sim.model import Adaptive, Station
from windtunnel.sim.reference.batch import Batch
from windtunnel.sim.reference.cache import Cache
from windtunnel.sim.reference.clock import Clock
from windtunnel.sim.reference.line import Line
from windtunnel.spec.parameters import factor_of


class Replica:
    """Its state."""

    def __init__(self, clock: Clock, station: Station, prompts: int) -> None:
        """Idle."""
        self._clock = clock
        self._station = station
        limited = station.slots is not None or isinstance(station.shed, Adaptive)
        self.line = Line(clock, station) if limited else None
        """None: it takes any number of requests."""
        self.cache = Cache(station.cache, prompts) if station.cache else None
        slowdown = station.llm.batch_slowdown if station.llm else 0.0
        self.batch = Batch(clock, slowdown) if slowdown > 0 else None
        self.down_s = (math.inf, -math.inf)
        """From when to when it was down by its last crash."""
        self._in_flight = 0
        self._counted_s = 0.0
        self._flight_s = 0.0
        self._line_s = 0.0
        self._working = 0
        self._left_s = -math.inf

    @property
    def in_flight(self) -> int:
        """Requests that have arrived and are not through."""
        return self._in_flight

    def arrives(self) -> None:
        """One more is here."""
        self.count()
        self._in_flight += 1

    def goes(self) -> None:
        """One less."""
        self.count()
        self._in_flight -= 1

    def count(self) -> None:
        """Before anybody comes, waits or goes: add what has been since the last change."""
        passed_s = self._clock.now - self._counted_s
        self._flight_s += self._in_flight * passed_s
        self._line_s += (self.line.queue if self.line else 0) * passed_s
        self._counted_s = self._clock.now

    def take_integrals(self) -> tuple[float, float]:
        """Request seconds in flight and in line since the last time this was asked."""
        self.count()
        taken = self._flight_s, self._line_s
        self._flight_s = self._line_s = 0.0
        return taken

    def begins(self) -> float:
        """Own work begins: the factor of its time for how long the replica has been idle."""
        idle_ms = 0.0 if self._working else (self._clock.now - self._left_s) * 1000
        self._working += 1
        return factor_of(self._station.warmth, idle_ms)

    def ends(self) -> None:
        """Own work has ended."""
        self._working -= 1
        self._left_s = self._clock.now
