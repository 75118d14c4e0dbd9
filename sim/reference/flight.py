"""Singleflight: of all who miss the same answer one fetches it, the others wait for that. Used by programs."""

from __future__ import annotations

from simpy.events import Event

from windtunnel.sim.model import Outcome
from windtunnel.sim.reference.clock import Clock


class Flight:
    """One answer that is being fetched, and who waits for it."""

    def __init__(self, clock: Clock, flights: dict[int, Flight], prompt: int) -> None:
        """Takes off: from now on it is among the ``flights``."""
        self._clock = clock
        self._flights = flights
        self._prompt = prompt
        self._line: dict[Event, None] = {}
        flights[prompt] = self

    def waits(self) -> Event:
        """Happens with HIT when the answer is there, with MISS when we have to fetch it."""
        told = self._clock.event()
        self._line[told] = None
        return told

    def gives_up(self, told: Event) -> None:
        """Somebody who waited is cancelled; if it was to fetch the answer, the next one is."""
        if told in self._line:
            del self._line[told]
        elif told.value is Outcome.MISS:
            self.lands(well=False)

    def lands(self, well: bool) -> None:
        """The fetcher is through: everybody has the answer, or the next one in line fetches it."""
        line = list(self._line)
        if not well and line:
            del self._line[line[0]]
            line[0].succeed(Outcome.MISS)
            return
        del self._flights[self._prompt]
        for told in line:
            told.succeed(Outcome.HIT)
