"""A call as its caller makes it: attempts, pauses between them, and when to stop. Used by programs and clients."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from simpy.events import Event
from simpy.exceptions import Interrupt

from windtunnel.sim.draws import Purpose, at
from windtunnel.sim.model import SUCCESSFUL, Hop, Outcome
from windtunnel.sim.reference.clock import Rank, Work
from windtunnel.sim.reference.exchange import End, Exchange
from windtunnel.sim.reference.recorder import Heard
from windtunnel.sim.reference.request import Strand

if TYPE_CHECKING:
    from windtunnel.sim.reference.engine import Engine


class Call:
    """From its first attempt to its last."""

    def __init__(self, engine: Engine, strand: Strand, hop: Hop) -> None:
        """Nothing has been asked yet."""
        self._engine = engine
        self._strand = strand
        self._hop = hop
        self._wire = engine.model.wires[hop.wire]
        self._lane = engine.lanes[hop.wire][strand.replica]
        self._deadline_s = min(engine.clock.now + self._wire.deadline_s, strand.deadline_s)
        self._attempt = 0
        """The number of the next exchange."""
        self._passed_on = False
        self._under_way: dict[Exchange, None] = {}
        self._won: Exchange | None = None
        self._last: Exchange | None = None
        self._news: Event | None = None
        self._hedge: Event | None = None

    def run(self) -> Work:
        """Make it; its outcome."""
        clock, wire = self._engine.clock, self._wire
        self._lane.call_begins()
        tries, previous_s = 0, wire.backoff_s
        while True:
            outcome, retry_after_s = yield from self._try()
            if outcome in SUCCESSFUL or self._passed_on or tries >= wire.retries or outcome not in wire.retry_on:
                return outcome
            attempt = max(self._attempt - 1, 0)
            # M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
            whole_s = min(wire.max_backoff_s, wire.backoff_s * 2.0**tries)
            u = at(self._strand.base, self._hop.index, attempt, Purpose.BACKOFF)
            match wire.jitter:
                case "none":
                    pause_s = whole_s
                case "full":
                    pause_s = u * whole_s
                case "equal":
                    pause_s = whole_s / 2 + u * (whole_s / 2)
                case "decorrelated":
                    pause_s = min(wire.max_backoff_s, wire.backoff_s + u * (3 * previous_s - wire.backoff_s))
                    previous_s = pause_s
            next_s = clock.now + max(pause_s, retry_after_s)
            if next_s >= self._deadline_s or not self._lane.affords_retry():
                return outcome
            tries += 1
            yield clock.at(next_s, Rank.BACKOFF, self._strand.request.number, attempt)

    @property
    def heard(self) -> Heard:
        """What was heard of the answer that decided."""
        return Heard() if self._last is None else self._last.heard()

    def told(self, exchange: Exchange) -> None:
        """One of its exchanges has ended: a consequence for whoever makes the call."""
        del self._under_way[exchange]
        self._engine.clock.void(self._hedge)
        if self._won is None:
            self._last = exchange
            if exchange.outcome in SUCCESSFUL:
                self._won = exchange
        if self._news is not None and not self._news.triggered:
            self._news.succeed()

    def hears(self, tokens: int, spread_s: float) -> None:
        """A first token has come; the exchange that made the call passes it on, where it streams."""
        within = self._strand.within
        if within is not None:
            within.first_token(tokens, spread_s)
            self._passed_on = self._passed_on or within.hop.streams

    def _try(self) -> Generator[Event, Any, tuple[Outcome, float]]:
        """An attempt, hedged or not: how it ended, and how long the callee asks to be left alone."""
        clock, hedge_after_s = self._engine.clock, self._wire.hedge_after_s
        self._forget()
        if self._strand.deadline_s <= clock.now:
            return Outcome.TIMEOUT, 0.0
        if not self._lane.allows():
            return Outcome.OPEN, 0.0
        first = self._attempt
        self._start()
        if hedge_after_s is not None:
            self._hedge = clock.at(clock.now + hedge_after_s, Rank.BACKOFF, self._strand.request.number, first)
            self._hedge.callbacks.append(lambda _: self._start() if self._lane.allows() else None)
        try:
            while self._won is None and self._under_way:
                self._news = clock.event()
                yield self._news
        except Interrupt:
            self._gives_up()
            raise
        self._gives_up()
        assert self._last is not None, "it goes on when an exchange has ended"
        assert self._last.outcome is not None, "and an ended exchange has an outcome"
        rejected = self._last.outcome is Outcome.REJECTED
        return self._last.outcome, self._last.retry_after_s if rejected else 0.0

    def _forget(self) -> None:
        """What an earlier attempt came to."""
        self._won = self._last = None

    def _start(self) -> None:
        exchange = Exchange(self._engine, self, self._strand, self._hop, self._attempt, self._deadline_s)
        self._under_way[exchange] = None
        self._attempt += 1

    def _gives_up(self) -> None:
        """Whatever is still under way is not waited for any more."""
        self._engine.clock.void(self._hedge)
        given_up, self._under_way = self._under_way, {}
        for exchange in given_up:
            exchange.call = None
            if not self._wire.survives_cancel:
                exchange.end(Outcome.ERROR, End.CALLER)
