"""A circuit breaker: after too many failures a caller asks no more for a while, then tries a few. Used by lanes."""

from __future__ import annotations

from collections import deque
from enum import Enum, auto

from windtunnel.sim.model import Breaker
from windtunnel.sim.reference.clock import Clock


class State(Enum):
    """Closed is healthy."""

    CLOSED = auto()
    OPEN = auto()
    HALF_OPEN = auto()


class CircuitBreaker:
    """One caller replica's, on one wire."""

    def __init__(self, clock: Clock, policy: Breaker) -> None:
        """Closed."""
        self._clock = clock
        self._policy = policy
        self.state = State.CLOSED
        self.turn = 0
        """How often it has opened. What began in an earlier turn is not noted."""
        self._opened_s = 0.0
        self._failures = 0
        """In a row."""
        self._failed: deque[bool] = deque(maxlen=policy.calls)
        """Of the last exchanges."""
        self._probing = 0
        self._probed_well = 0

    def allows(self) -> bool:
        """Whether an exchange may start now. Open turns into half open with the first question after its time."""
        if self.state is State.OPEN and self._clock.now >= self._opened_s + self._policy.open_s:
            self.state = State.HALF_OPEN
            self._probing = self._probed_well = 0
        return self.state is State.CLOSED or (self.state is State.HALF_OPEN and self._probing < self._policy.probes)

    def starts(self) -> int:
        """An exchange starts; the turn in which it does."""
        if self.state is State.HALF_OPEN:
            self._probing += 1
        return self.turn

    def ends(self, turn: int, well: bool | None) -> None:
        """An exchange that began in that turn has ended; None: it was cancelled."""
        if turn != self.turn:
            return
        if self.state is State.HALF_OPEN:
            self._probing -= 1
            if well is False:
                self._open()
            elif well:
                self._probed_well += 1
                if self._probed_well >= self._policy.probes:
                    self._close()
        elif well is not None:
            self._notes(well)

    def _notes(self, well: bool) -> None:
        policy = self._policy
        if policy.failures is not None:
            self._failures = 0 if well else self._failures + 1
            if self._failures >= policy.failures:
                self._open()
            return
        self._failed.append(not well)
        if len(self._failed) == policy.calls and sum(self._failed) >= policy.ratio * policy.calls:
            self._open()

    def _open(self) -> None:
        self.state = State.OPEN
        self.turn += 1
        self._opened_s = self._clock.now

    def _close(self) -> None:
        self.state = State.CLOSED
        self._failures = 0
        self._failed.clear()
