"""One attempt of a call: the wire to the callee and back, what faults do to it, and when its caller stops waiting.

Used by the calls, which wait for it, and by the engine, whose faults cut it. An exchange ends once, with the first
of: its answer, its limit, a cut, its caller's cancellation.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from simpy.events import Event
from simpy.exceptions import Interrupt

from windtunnel.sim.draws import Purpose, at
from windtunnel.sim.faults.passage import CLEAR, Leg, Passage
from windtunnel.sim.model import OUTSIDE, SUCCESSFUL, FaultWindow, Hop, Outcome
from windtunnel.sim.reference.clock import Rank, Steps
from windtunnel.sim.reference.recorder import Heard, Span, word
from windtunnel.sim.reference.request import Strand

if TYPE_CHECKING:
    from windtunnel.sim.reference.call import Call
    from windtunnel.sim.reference.engine import Engine
    from windtunnel.sim.reference.line import Place


class End(Enum):
    """What ends an exchange."""

    ITSELF = auto()
    LIMIT = auto()
    CUT = auto()
    CALLER = auto()


class Exchange:
    """From the call to its last byte, as the caller sees it."""

    def __init__(self, engine: Engine, call: Call, strand: Strand, hop: Hop, attempt: int, deadline_s: float) -> None:
        """Starts at once. ``deadline_s``: the call's, however long the attempt itself may take."""
        self.engine = engine
        self.call: Call | None = call
        """Who waits for it; None: nobody does any more."""
        self.hop = hop
        self.request = strand.request
        self.base = strand.base
        self.attempt = attempt
        self.caller_replica = strand.replica
        self.wire = engine.model.wires[hop.wire]
        self.lane = engine.lanes[hop.wire][strand.replica]
        self.callee_replica = self.lane.choose(self)
        self.began_s = engine.clock.now
        limit_s = min(self.began_s + self.wire.timeout_s, deadline_s)
        self.deadline_s = limit_s if self.wire.propagates_deadline else math.inf
        """Of the calls that its callee makes."""
        self.outcome: Outcome | None = None
        self.retry_after_s = 0.0
        self.arrived_s: float | None = None
        self.place: Place | None = None
        """At the callee, where those are counted."""
        self.tokens: int | None = None
        self.decoded_first_s: float | None = None
        self.zombie = False
        """It has ended for its caller, and the callee works on."""
        self.cancelled: Event = engine.clock.event()
        """For a strand that cannot be interrupted, since it is the one that ends itself."""
        self._served = False
        self._wait_s: float | None = None
        self._heard_first_s: float | None = None
        self._left_first_s: float | None = None
        self._tokens_spread_s = 0.0
        self._cuts: dict[int, float] = {}
        """By the fault window's place: when it is cut."""
        self._cut_timer: Event | None = None
        self._held: list[Event] = []
        self._connected = False
        self._pool_until_s = self.began_s + self.wire.pool_timeout_s
        self._limit_s = limit_s
        self._limit: Event | None = None
        if limit_s < math.inf:
            self._limit = self._timer(limit_s, Rank.LIMIT)
            self._limit.callbacks.append(lambda _: self.end(Outcome.TIMEOUT, End.LIMIT))
        self._breaker_turn = self.lane.starts(self.callee_replica)
        engine.present[hop.wire][self] = None
        self._strand = engine.clock.process(self._live())

    def end(self, outcome: Outcome, how: End) -> None:
        """What the caller makes of it. Only the first end counts."""
        if self.outcome is not None:
            return
        self.outcome = outcome
        well = None if how is End.CALLER else outcome in SUCCESSFUL
        self.lane.ends(self.callee_replica, self._breaker_turn, well)
        self._record(outcome)
        self.engine.clock.void(self._limit)
        self.engine.clock.void(self._cut_timer)
        if self.call is not None:
            self.call.told(self)
        survives = how is End.LIMIT and self.wire.survives_timeout and self.arrived_s is not None
        self.zombie = survives and not self._served
        if not self.zombie:
            del self.engine.present[self.hop.wire][self]
        if survives:
            self._give_connection_up()
        elif how is not End.ITSELF:
            self.cancel()

    def cancel(self) -> None:
        """A consequence: the strand gives up whatever it waits for and holds."""
        if self._strand is self.engine.clock.active_process:
            self.cancelled.succeed()
        elif self._strand.is_alive:
            self._strand.interrupt()

    def first_token(self, tokens: int, spread_s: float) -> None:
        """The callee has its first token; the others follow over ``spread_s``. Passed on where the call streams."""
        if not self.hop.streams or self._left_first_s is not None or self.outcome is not None:
            return
        self._left_first_s = self.engine.clock.now
        self._tokens_spread_s = spread_s
        self.tokens = tokens
        passage = self._passes(self._answer(spread_s), self._left_first_s)
        if passage.lost:
            return
        if passage.first_ms > 0:
            self._late(passage.first_ms).callbacks.append(lambda _: self._first_crosses())
        else:
            self._first_crosses()

    def heard(self) -> Heard:
        """What of a streamed answer has reached the caller by now."""
        if self._heard_first_s is None or self.tokens is None:
            return Heard(self._heard_first_s)
        if self.outcome in SUCCESSFUL or self._tokens_spread_s == 0:
            return Heard(self._heard_first_s, self.tokens)
        share = (self.engine.clock.now - self._heard_first_s) / self._tokens_spread_s
        return Heard(self._heard_first_s, min(self.tokens, 1 + int(share * (self.tokens - 1))))

    def uniform(self, purpose: Purpose, index: int = 0) -> float:
        """A number in (0, 1) of this attempt's own."""
        return at(self.base, self.hop.index, self.attempt, purpose, index)

    def fault_begins(self, place: int, window: FaultWindow) -> None:
        """Cut what a beginning fault cuts; tokens on their way meet it from now on."""
        now_s = self.engine.clock.now
        cut_ms = window.imagined.begins(window.fault)
        if cut_ms is not None:
            self._cut(place, now_s + cut_ms / 1000, rearm=False)
        if self._left_first_s is not None and now_s < self._left_first_s + self._tokens_spread_s:
            left_s = self._left_first_s + self._tokens_spread_s - now_s
            self._passes(self._answer(left_s), now_s, only=place)

    def fault_heals(self, window: FaultWindow) -> None:
        """What was held back arrives now, or the connection is closed, as the fault has it."""
        if window.imagined.closes_on_heal:
            self.end(Outcome.ERROR, End.CUT)
            return
        held, self._held = self._held, []
        for event in held:
            event.succeed()

    # The strand

    def _live(self) -> Steps:
        try:
            if (yield from self._connects()):
                yield from self._talks()
        except Interrupt:
            self._give_connection_up()
        else:
            self._disconnect()
        if self.zombie:
            self.engine.present[self.hop.wire].pop(self, None)

    def _connects(self) -> Generator[Event, Any, bool]:
        """A place in the caller's pool, where it has one; whether it got it in time."""
        pool, clock = self.lane.pool, self.engine.clock
        if pool is None:
            return True
        self._connected = pool.takes()
        if not self._connected:
            place = pool.waits()
            gave_up = None
            if self._pool_until_s < self._limit_s:
                gave_up = self._timer(self._pool_until_s, Rank.LIMIT)
                gave_up.callbacks.append(lambda _: clock.happen(place, False))
            try:
                self._connected = yield place
            except Interrupt:
                self._connected = place.triggered
                pool.leaves(place)
                clock.void(gave_up)
                raise
            clock.void(gave_up)
        self._wait_s = clock.now - self.began_s
        if not self._connected:
            pool.leaves(place)
            self.end(Outcome.TIMEOUT, End.ITSELF)
        return self._connected

    def _talks(self) -> Steps:
        passage = self._passes(Leg("upstream", self.hop.request_bytes, self.hop.round_trips), self.engine.clock.now)
        if passage.lost or passage.broken_off:
            yield self._never()
        yield from self._crosses(passage.last_ms)
        outcome = yield from self.engine.stations[self.hop.callee].serve(self)
        self._served = True
        if self.zombie:
            return
        if self.outcome is not None:
            yield self._never()
        from_s = self.engine.clock.now if self._left_first_s is None else self._left_first_s
        passage = self._passes(self._answer(self.engine.clock.now - from_s), from_s)
        if passage.lost or passage.broken_off:
            yield self._never()
        yield from self._crosses(passage.last_ms)
        self.end(outcome, End.ITSELF)

    def _never(self) -> Event:
        """Wait for what ends the exchange: its limit, a cut, its caller."""
        return self.engine.clock.event()

    def _give_connection_up(self) -> None:
        """A database's connection whose call was given up is broken, and its place in the pool is free when a new one
        is made: at once, also where the link refuses it; in a black hole not before the hole is gone."""
        pool = self.lane.pool
        holes = [window.end_s for _, window in self._suffers() if window.imagined.closes_on_heal]
        if self._connected and pool and self.wire.to_database and max(holes, default=0.0) > self.engine.clock.now:
            self._connected = False  # it is the hole's now
            self.engine.clock.at(max(holes), Rank.FAULT).callbacks.append(lambda _: pool.frees())
        else:
            self._disconnect()

    def _disconnect(self) -> None:
        if self._connected and self.lane.pool is not None:
            self._connected = False
            self.lane.pool.frees()

    # Time on the wire

    def _crosses(self, late_ms: float) -> Steps:
        """Data that leaves now is there: after a fault's delay, or when it heals, and half of the link's time."""
        if late_ms > 0:
            yield self._late(late_ms)
        half_ms = self._half_link_ms()
        if half_ms > 0:
            yield self._timer(self.engine.clock.now + half_ms / 1000, Rank.DEPARTURE)

    def _first_crosses(self) -> None:
        half_ms = self._half_link_ms()
        if half_ms > 0:
            there = self._timer(self.engine.clock.now + half_ms / 1000, Rank.DEPARTURE)
            there.callbacks.append(lambda _: self._hear())
        else:
            self._hear()

    def _hear(self) -> None:
        if self.outcome is None:
            self._heard_first_s = self.engine.clock.now
            if self.call is not None:
                self.call.hears(self.tokens or 1, self._tokens_spread_s)

    def _half_link_ms(self) -> float:
        return self.engine.draw(self, self.hop.link_ms, Purpose.LINK) / 2

    def _late(self, late_ms: float) -> Event:
        """Happens when the delay is over, or a fault heals."""
        clock = self.engine.clock
        through = clock.event()
        self._held.append(through)

        def is_over(_: Event) -> None:
            if not through.triggered:
                self._held.remove(through)
                clock.happen(through)

        self._timer(clock.now + late_ms / 1000, Rank.DEPARTURE).callbacks.append(is_over)
        return through

    def _timer(self, time_s: float, rank: Rank) -> Event:
        return self.engine.clock.at(time_s, rank, self.request.number, self.attempt)

    # Faults on the wire

    def _suffers(self) -> list[tuple[int, FaultWindow]]:
        return self.engine.active(self.hop.wire, self.caller_replica, self.callee_replica)

    def _answer(self, spread_s: float) -> Leg:
        """The part of the answer that leaves the callee within that time. Bytes are spread evenly over its tokens."""
        whole_s = self._tokens_spread_s
        share = min(1.0, spread_s / whole_s) if whole_s > 0 else 1.0
        pieces = max(1, round(share * (self.tokens or 1))) if self.hop.streams else 1
        size = max(1, round(self.hop.response_bytes * share))
        return Leg("downstream", size, self.hop.round_trips, pieces, spread_s * 1000 if pieces > 1 else 0.0)

    def _passes(self, leg: Leg, from_s: float, only: int | None = None) -> Passage:
        """What all faults that are active now do to a leg whose first piece left at ``from_s``; cuts are set."""
        suffers = self._suffers()
        if not suffers:
            return CLEAR
        passages = []
        for place, window in suffers:
            if only is not None and place != only:
                continue
            since_s = max(from_s, window.begin_s)
            met = leg if since_s == from_s else self._answer(self.engine.clock.now - since_s)

            def draw(n: int, window: FaultWindow = window) -> float:
                return self.uniform(Purpose.FAULT, window.index << 16 | n << 1 | (leg.stream == "upstream"))

            passage = window.imagined.passage(window.fault, met, draw)
            if passage.cut_after_ms is not None:
                self._cut(place, since_s + passage.cut_after_ms / 1000, passage.rearmed)
            passages.append(passage)
        return Passage(
            first_ms=sum(passage.first_ms for passage in passages),
            last_ms=sum(passage.last_ms for passage in passages),
            lost=any(passage.lost for passage in passages),
            broken_off=any(passage.broken_off for passage in passages),
        )

    def _cut(self, place: int, due_s: float, rearm: bool) -> None:
        """End with an error then. The earliest cut of a fault stands, unless data arms it again."""
        if self.outcome is not None:
            return
        earlier_s = self._cuts.get(place)
        self._cuts[place] = due_s if earlier_s is None or rearm else min(due_s, earlier_s)
        self.engine.clock.void(self._cut_timer)
        self._cut_timer = self._timer(min(self._cuts.values()), Rank.FAULT)
        self._cut_timer.callbacks.append(lambda _: self.end(Outcome.ERROR, End.CUT))

    # What is seen

    def _record(self, outcome: Outcome) -> None:
        hop, heard = self.hop, self.heard()
        caller = "client" if hop.caller == OUTSIDE else self.engine.model.stations[hop.caller].name
        first_s = heard.first_s
        self.engine.recorder.spans.append(
            Span(
                request=self.request.number,
                kind="client",
                caller=caller,
                callee=self.engine.model.stations[hop.callee].name,
                op=hop.op,
                replica=f"{caller}.{self.caller_replica}",
                attempt=self.attempt,
                start_s=self.began_s,
                duration_ms=(self.engine.clock.now - self.began_s) * 1000,
                outcome=word(outcome),
                wait_ms=None if self._wait_s is None else self._wait_s * 1000,
                first_token_ms=None if first_s is None else (first_s - self.began_s) * 1000,
                tokens=heard.tokens,
            )
        )
