"""SimPy's environment with the order of ENGINES.md, and timers at exact times. Used by the whole engine.

At one instant first come the consequences of what has just happened, first in, first out (SimPy's own priorities are
put aside); then the next timer, by rank, request, attempt, and the order in which the timers were set.
"""

from __future__ import annotations

from collections.abc import Generator
from enum import IntEnum
from heapq import heappush
from typing import Any

import simpy
from simpy.core import SimTime
from simpy.events import NORMAL, Event, EventPriority

from windtunnel.sim.model import Outcome

Steps = Generator[Event, Any, None]
"""What a strand does, from one wait to the next."""
Work = Generator[Event, Any, Outcome]
"""Steps that end in an outcome."""


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
    CONTROL = 6
    OBSERVATION = 7


class Clock(simpy.Environment):
    """Seconds after the run's zero."""

    def schedule(self, event: Event, priority: EventPriority = NORMAL, delay: SimTime = 0) -> None:  # noqa: ARG002
        """SimPy's own events: consequences of what happens now."""
        self._push(self._now + delay, (Rank.CONSEQUENCE, 0, 0, next(self._eid)), event)

    def at(self, time_s: float, rank: Rank, request: int = -1, attempt: int = 0) -> Event:
        """A timer: an event at exactly that time, or now if it has passed."""
        event = Event(self)
        event._ok = True
        event._value = None
        self._push(max(time_s, self._now), (rank, request, attempt, next(self._eid)), event)
        return event

    def void(self, timer: Event | None) -> None:
        """A timer that does nothing when it comes up; nothing where there is none, or it has been."""
        if timer is not None and timer.callbacks is not None:
            timer.callbacks.clear()

    def happen(self, event: Event, value: object = None) -> None:
        """Let an event happen as part of what happens now: whoever waits for it goes on without a hop.

        For timers that have come; a consequence is ``event.succeed()``.
        """
        event._ok = True
        event._value = value
        callbacks, event.callbacks = event.callbacks, None  # type: ignore[assignment]  # as SimPy's own step() does
        for callback in callbacks:
            callback(event)

    def _push(self, time_s: SimTime, order: Any, event: Event) -> None:
        # SimPy compares the third element, by default a counter, and passes it on to nobody.
        heappush(self._queue, (time_s, NORMAL, order, event))
