"""SimPy's environment with a tie order that is said, and timers at exact times. Used by the engine.

What happens at one instant happens in the order of Rank, then request, then attempt; only after that in the order
of scheduling. Consequences of an event (a slot that is handed on, a process that starts) are finished before the
next timer of the same instant is looked at. So a call that ends just at its time-out has succeeded, and two
requests that arrive together are served by their numbers.
"""

from __future__ import annotations

from enum import IntEnum
from heapq import heappush
from typing import Any

import simpy
from simpy.core import SimTime
from simpy.events import NORMAL, Event, EventPriority


class Rank(IntEnum):
    """What goes first among things that are due at the same instant."""

    CONSEQUENCE = 0
    FAULT = 1
    DEPARTURE = 2
    """Work that ends, data that arrives."""
    LIMIT = 3
    """Time-outs."""
    BACKOFF = 4
    ARRIVAL = 5
    OBSERVATION = 6


class Clock(simpy.Environment):
    """Seconds after the run's zero."""

    def schedule(self, event: Event, priority: EventPriority = NORMAL, delay: SimTime = 0) -> None:
        """SimPy's own events: consequences of what happens now."""
        self._push(self._now + delay, priority, (Rank.CONSEQUENCE, 0, 0, next(self._eid)), event)

    def at(self, time_s: float, rank: Rank, request: int = -1, attempt: int = 0) -> Event:
        """An event at exactly that time, or now if it has passed."""
        event = Event(self)
        event._ok = True
        event._value = None
        self._push(max(time_s, self._now), NORMAL, (rank, request, attempt, next(self._eid)), event)
        return event

    def _push(self, time_s: SimTime, priority: EventPriority, order: Any, event: Event) -> None:
        # SimPy compares the third element, by default a counter, and passes it on to nobody.
        heappush(self._queue, (time_s, priority, order, event))
