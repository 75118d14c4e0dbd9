"""A wire as one replica of its caller has it: its turn, breaker, retry budget, pool, and what it knows of the callee.

Used by calls and exchanges.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from windtunnel.sim.model import OUTSIDE
from windtunnel.sim.reference.balance import choose
from windtunnel.sim.reference.breaker import CircuitBreaker
from windtunnel.sim.reference.pool import Pool

if TYPE_CHECKING:
    from windtunnel.sim.reference.engine import Engine
    from windtunnel.sim.reference.exchange import Exchange
    from windtunnel.sim.reference.flight import Flight


class Lane:
    """Everything that callers keep per wire."""

    def __init__(self, engine: Engine, wire: int) -> None:
        """Nothing under way, nothing known."""
        self.clock = engine.clock
        self.wire = engine.model.wires[wire]
        self.sick = engine.sick[wire]
        """By replica of the callee, as all that follows."""
        self.under_way: defaultdict[int, int] = defaultdict(int)
        self.out_until_s: dict[int, float] = {}
        """Until when it is ejected."""
        self.breaker = CircuitBreaker(self.clock, self.wire.breaker) if self.wire.breaker else None
        limited = self.wire.pool is not None and self.wire.caller != OUTSIDE
        self.pool = Pool(self.clock, self.wire.pool) if limited and self.wire.pool else None
        self.flights: dict[int, Flight] = {}
        """By prompt: who is fetching an answer that others wait for."""
        self.attempts = 0
        self.retries = 0
        self._turn = 0
        self._failures: defaultdict[int, int] = defaultdict(int)
        self._budget = self.wire.budget.burst if self.wire.budget else math.inf

    def choose(self, exchange: Exchange) -> int:
        """The replica for an exchange that starts."""
        turn = self._turn
        self._turn += 1
        return choose(self, exchange, turn)

    def allows(self) -> bool:
        """Whether the breaker lets an exchange start."""
        return self.breaker is None or self.breaker.allows()

    def starts(self, replica: int) -> int:
        """An exchange with that replica starts; the breaker's turn."""
        self.attempts += 1
        self.under_way[replica] += 1
        return 0 if self.breaker is None else self.breaker.starts()

    def ends(self, replica: int, breaker_turn: int, well: bool | None) -> None:
        """An exchange with that replica has ended; None: it was cancelled, and tells nothing."""
        self.under_way[replica] -= 1
        ejection = self.wire.ejection
        if ejection is not None and well is not None:
            self._failures[replica] = 0 if well else self._failures[replica] + 1
            if self._failures[replica] >= ejection.failures:
                self._failures[replica] = 0
                self.out_until_s[replica] = self.clock.now + ejection.for_s
        if self.breaker is not None:
            self.breaker.ends(breaker_turn, well)

    def call_begins(self) -> None:
        """Every call earns its share of a retry."""
        if self.wire.budget is not None:
            self._budget = min(self.wire.budget.burst, self._budget + self.wire.budget.ratio)

    def affords_retry(self) -> bool:
        """Pay for a retry; False: there is not enough left."""
        if self.wire.budget is not None:
            if self._budget < 1:
                return False
            self._budget -= 1
        self.retries += 1
        return True
