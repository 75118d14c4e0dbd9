"""Connections that a caller's replica shares among its calls. Used by exchanges, which hold one while they last."""

from __future__ import annotations

from simpy.events import Event

from windtunnel.sim.reference.clock import Clock


class Pool:
    """A number of places, and a line before them: first come, first served."""

    def __init__(self, clock: Clock, places: int) -> None:
        """All of them free."""
        self._clock = clock
        self._places = places
        self._line: dict[Event, None] = {}
        self.in_use = 0

    @property
    def queue(self) -> int:
        """How many wait."""
        return len(self._line)

    def takes(self) -> bool:
        """Take a free place; False: there is none."""
        if self.in_use >= self._places:
            return False
        self.in_use += 1
        return True

    def waits(self) -> Event:
        """Stand in line; happens with True when a place is ours (a consequence)."""
        place = self._clock.event()
        self._line[place] = None
        return place

    def leaves(self, place: Event) -> None:
        """Stop waiting; nothing where it is not in line."""
        self._line.pop(place, None)

    def frees(self) -> None:
        """Give a place back: to the first in line."""
        if self._line:
            first = next(iter(self._line))
            del self._line[first]
            first.succeed(True)
        else:
            self.in_use -= 1
