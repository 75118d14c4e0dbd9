"""The places of one replica and who waits for one: disciplines, preemption, shedding. Used by stations."""

from __future__ import annotations

import math
from bisect import insort
from itertools import count
from typing import Protocol

from simpy.events import Event

from windtunnel.sim.model import Adaptive, CoDel, Station, WaitLimit
from windtunnel.sim.reference.clock import Clock, Rank, Steps
from windtunnel.sim.reference.codel import ControlledDelay
from windtunnel.sim.reference.request import Request


class Holder(Protocol):
    """Who holds a place, as far as its timers are concerned."""

    request: Request
    attempt: int


class Place:
    """Somebody's claim to one, from arrival to release."""

    def __init__(self, clock: Clock, priority: int, number: int) -> None:
        """``number``: of the order of arrival."""
        self.urgency = (priority, number)
        """The smallest goes first."""
        self.told: Event = clock.event()
        """Happens with True when it is ours, with False when we are turned away."""
        self.arrived_s = clock.now
        self.admitted_s: float | None = None
        """When its holder went on with it; for the first time, where it was preempted later."""
        self.held = False
        self.due_s = math.inf
        """When the holder's own work is done, while it is in the timer of that."""
        self.preempted = False
        self.left_s = 0.0
        """What was left of that when it was preempted."""
        self.timer: Event | None = None


class Line:
    """Of one replica."""

    def __init__(self, clock: Clock, station: Station) -> None:
        """All places free."""
        self._clock = clock
        self._station = station
        self._numbers = count()
        self._waiting: list[Place] = []
        """The next one first."""
        self._preemptible: list[Place] = []
        """Those in the timer of their own work, in the order in which it was set."""
        shed = station.shed
        self._codel = ControlledDelay(shed) if isinstance(shed, CoDel) else None
        self._max_wait_s = shed.max_wait_s if isinstance(shed, WaitLimit) else math.inf
        self._adaptive = shed if isinstance(shed, Adaptive) else None
        self.limit = shed.initial if isinstance(shed, Adaptive) else 0.0
        """An adaptive limit; it is rounded down."""
        self.in_use = 0

    @property
    def queue(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def places(self) -> int | None:
        """How many there are now; None: any number."""
        return self._station.slots if self._adaptive is None else int(self.limit)

    def enter(self, priority: int) -> Place | None:
        """Claim a place: it is held, or its ``told`` is to be waited for. None: turned away, the line is full."""
        place = Place(self._clock, priority, next(self._numbers))
        places, limit = self.places, self._station.queue_limit
        assert places is not None, "where there is any number of places nobody claims one"
        if (self.in_use < places and not self._waiting) or self._preempts(priority):
            self._admit(place)
        elif limit is not None and len(self._waiting) >= limit:
            return None
        else:
            self._wait(place)
        return place

    def gives_up(self, place: Place) -> None:
        """Stop waiting; nothing where it is not in line (its place is given back by ``leave``)."""
        if place in self._waiting:
            self._waiting.remove(place)
        self._let_go(place)

    def works(self, place: Place, holder: Holder, due_s: float) -> Steps:
        """Pass the time of own work until then; whoever is more urgent may interrupt that."""
        clock = self._clock
        while True:
            place.told, place.due_s = clock.event(), due_s
            place.timer = clock.at(due_s, Rank.DEPARTURE, holder.request.number, holder.attempt)
            place.timer.callbacks.append(lambda _: clock.happen(place.told, True))
            self._preemptible.append(place)
            yield place.told
            if not place.preempted:
                self._let_go(place)
                return
            place.preempted = False
            due_s = clock.now + place.left_s

    def leave(self, place: Place, well: bool) -> None:
        """Give a place back, after a visit that went well or not; whoever waits has it."""
        adaptive = self._adaptive
        if adaptive is not None:
            if well and place.admitted_s is not None and self._clock.now - place.admitted_s <= adaptive.latency_s:
                self.limit = min(adaptive.maximum, self.limit + 1.0 / self.limit)
            else:
                self.limit = max(adaptive.minimum, self.limit * adaptive.backoff)
        place.held = False
        self.in_use -= 1
        places = self.places
        while self._waiting and places is not None and self.in_use < places:
            following = self._waiting.pop(0)
            if not following.preempted and self._sheds(following):
                following.told.succeed(False)
            else:
                self._admit(following)
                following.told.succeed(True)

    def _admit(self, place: Place) -> None:
        self.in_use += 1
        place.held = True

    def _wait(self, place: Place) -> None:
        if self._station.discipline == "fifo":
            self._waiting.append(place)
        else:
            insort(self._waiting, place, key=lambda place: place.urgency)

    def _sheds(self, place: Place) -> bool:
        """Whether one who has just been taken out of the line is turned away."""
        waited_s = self._clock.now - place.arrived_s
        if self._codel is not None:
            return self._codel.drops(self._clock.now, waited_s, alone=not self._waiting)
        return waited_s > self._max_wait_s

    def _preempts(self, priority: int) -> bool:
        """Put the least urgent holder back to wait, the latest one among equals; False: none is less urgent."""
        if self._station.discipline != "preemptive":
            return False
        victim = None
        for place in self._preemptible:
            if place.urgency[0] > priority and (victim is None or _rank(place) >= _rank(victim)):
                victim = place
        if victim is None:
            return False
        self._let_go(victim)
        victim.left_s = victim.due_s - self._clock.now
        victim.preempted, victim.held = True, False
        self.in_use -= 1
        self._wait(victim)
        return True

    def _let_go(self, place: Place) -> None:
        if place in self._preemptible:
            self._preemptible.remove(place)
            self._clock.void(place.timer)


def _rank(place: Place) -> tuple[int, float]:
    """The largest is preempted."""
    return place.urgency[0], place.admitted_s or 0.0
