"""One attempt of a call: the wire to the callee and back, what faults do to it, and when its caller stops waiting.

Used by the engine, which does the callee's work. An exchange ends once, with the first of: its answer, its
time-out, a fault's cut, its caller's cancellation.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from simpy.events import Event
from simpy.exceptions import Interrupt

from windtunnel.sim.clock import Rank
from windtunnel.sim.draws import Purpose
from windtunnel.sim.faults.passage import Leg, Passage
from windtunnel.sim.model import FaultWindow, Hop
from windtunnel.sim.recorder import Span
from windtunnel.spec.architecture import SUCCESSES

if TYPE_CHECKING:
    from windtunnel.sim.engine import Engine

Steps = Generator[Event, Any, None]


class Exchange:
    """From the call to its last byte, as the caller sees it."""

    def __init__(
        self,
        engine: Engine,
        hop: Hop,
        request: int,
        attempt: int,
        caller_replica: int,
        limit_s: float,
        heard: Callable[[int, float], None],
    ) -> None:
        """Starts at once. ``limit_s`` is when the caller stops waiting; ``heard`` is told of the first token."""
        self.engine = engine
        self.hop = hop
        self.request = request
        self.attempt = attempt
        self.caller_replica = caller_replica
        self.callee_replica = engine.choose(hop, caller_replica)
        self.heard = heard
        self.began_s = engine.clock.now
        self.outcome: str | None = None
        self.ended: Event = engine.clock.event()
        self.wait_s: float | None = None
        self.heard_first_s: float | None = None
        self.tokens: int | None = None
        self.decoded_first_s: float | None = None
        self.left_first_s: float | None = None
        self._tokens_spread_s = 0.0
        self._cuts: dict[int, float] = {}
        self._held: list[Event] = []
        self._wire = engine.model.wires[hop.wire]
        self._pool = engine.pools.get((hop.wire, caller_replica))
        self._pool_until_s = min(limit_s, self.began_s + self._wire.pool_timeout_s)
        self._at(limit_s, Rank.LIMIT, lambda _: self.end("timeout"))
        engine.under_way[hop.wire][self] = None
        self._process = engine.clock.process(self._connect())

    def end(self, outcome: str) -> None:
        """What the caller makes of it; the callee's side is cancelled. Only the first end counts."""
        if self.outcome is not None:
            return
        self.outcome = outcome
        del self.engine.under_way[self.hop.wire][self]
        self._record()
        self.ended.succeed()
        if self._process.is_alive and self._process is not self.engine.clock.active_process:
            self._process.interrupt()

    def first_token(self, tokens: int, spread_s: float) -> None:
        """The callee has its first token; the others follow over ``spread_s``. Passed on where the call streams."""
        if not self.hop.streams or self.left_first_s is not None:
            return
        self.left_first_s = self.engine.clock.now
        self._tokens_spread_s = spread_s
        self.tokens = tokens
        passage = self._passes(self._answer(spread_s), self.left_first_s)
        if not passage.lost:
            self._deliver(passage.first_ms, self._hear)

    def tokens_heard(self) -> int | None:
        """How many tokens have reached the caller by now; None before the first."""
        if self.heard_first_s is None or self.tokens is None:
            return None
        if self.outcome in SUCCESSES or self._tokens_spread_s == 0:
            return self.tokens
        share = (self.engine.clock.now - self.heard_first_s) / self._tokens_spread_s
        return min(self.tokens, 1 + int(share * (self.tokens - 1)))

    def fault_begins(self, window: FaultWindow) -> None:
        """Cut what a beginning fault cuts; tokens on their way meet it from now on."""
        now_s = self.engine.clock.now
        cut_ms = window.imagined.begins(window.fault)
        if cut_ms is not None:
            self._cut(window, now_s + cut_ms / 1000, rearm=False)
        if self.left_first_s is not None and now_s < self.left_first_s + self._tokens_spread_s:
            left_s = self.left_first_s + self._tokens_spread_s - now_s
            self._passes(self._answer(left_s), now_s, only=window)

    def fault_heals(self, window: FaultWindow) -> None:
        """What was held back arrives now, or the connection is closed, as the fault has it."""
        if window.imagined.closes_on_heal:
            self.end("error")
            return
        held, self._held = self._held, []
        for event in held:
            event.succeed()

    # The caller's side of the wire

    def _connect(self) -> Steps:
        try:
            if self._pool is None:
                yield from self._talk()
                return
            with self._pool.request() as connection:
                yield from self._wait_for(connection)
                if self.outcome is None:
                    yield from self._talk_to_database() if self._wire.to_database else self._talk()
        except Interrupt:
            return

    def _wait_for(self, connection: Event) -> Steps:
        clock = self.engine.clock
        if not connection.triggered:
            gave_up = clock.at(self._pool_until_s, Rank.LIMIT, self.request, self.attempt)
            yield connection | gave_up
        self.wait_s = clock.now - self.began_s
        if not connection.triggered:
            self.end("timeout")

    def _talk_to_database(self) -> Steps:
        """A connection whose call was given up is broken, and its place in the pool is free when a new one is made:
        at once, also where the link refuses it; in a black hole not before the hole is gone."""
        try:
            yield from self._talk()
        except Interrupt:
            for window in self.engine.active(self.hop.wire, self.caller_replica, self.callee_replica):
                if window.imagined.closes_on_heal:
                    yield self.engine.clock.at(window.end_s, Rank.FAULT)

    def _talk(self) -> Steps:
        clock, hop = self.engine.clock, self.hop
        leg = Leg("upstream", hop.request_bytes, hop.round_trips)
        passage = self._passes(leg, clock.now)
        arrived = clock.event()
        if not (passage.lost or passage.broken_off):
            self._deliver(passage.last_ms, lambda: _happen(arrived))
        yield arrived  # never, where the request is lost: the time-out or a cut ends the exchange
        outcome = yield from self.engine.serve(self)
        answered = clock.event()
        from_s = clock.now if self.left_first_s is None else self.left_first_s
        passage = self._passes(self._answer(clock.now - from_s), from_s)
        if not (passage.lost or passage.broken_off):
            self._deliver(passage.last_ms, lambda: _happen(answered))
        yield answered
        self.end(outcome)

    # Faults on the wire

    def _answer(self, spread_s: float) -> Leg:
        """The part of the answer that leaves the callee within that time. Bytes are spread evenly over its tokens."""
        whole_s = self._tokens_spread_s
        share = min(1.0, spread_s / whole_s) if whole_s > 0 else 1.0
        pieces = max(1, round(share * (self.tokens or 1))) if self.hop.streams else 1
        size = max(1, round(self.hop.response_bytes * share))
        return Leg("downstream", size, self.hop.round_trips, pieces, spread_s * 1000 if pieces > 1 else 0.0)

    def _passes(self, leg: Leg, from_s: float, only: FaultWindow | None = None) -> Passage:
        """What all faults that are active now do to a leg whose first piece left at ``from_s``; cuts are set."""
        active = self.engine.active(self.hop.wire, self.caller_replica, self.callee_replica)
        passages = []
        for window in active:
            if only is not None and window is not only:
                continue
            since_s = max(from_s, window.begin_s)
            met = leg if since_s == from_s else self._answer(self.engine.clock.now - since_s)

            def draw(n: int, window: FaultWindow = window) -> float:
                lane = window.index << 16 | n << 1 | (leg.stream == "upstream")
                return self.engine.draws.uniform(self.request, self.hop.index, self.attempt, Purpose.FAULT, lane)

            passage = window.imagined.passage(window.fault, met, draw)
            if passage.cut_after_ms is not None:
                self._cut(window, since_s + passage.cut_after_ms / 1000, passage.rearmed)
            passages.append(passage)
        return Passage(
            first_ms=sum(passage.first_ms for passage in passages),
            last_ms=sum(passage.last_ms for passage in passages),
            lost=any(passage.lost for passage in passages),
            broken_off=any(passage.broken_off for passage in passages),
        )

    def _cut(self, window: FaultWindow, due_s: float, rearm: bool) -> None:
        """End with an error then. The earliest cut of a fault stands, unless data arms it again."""
        earlier_s = self._cuts.get(window.index)
        if earlier_s is not None and not rearm:
            due_s = min(due_s, earlier_s)
        self._cuts[window.index] = due_s
        self._at(due_s, Rank.FAULT, lambda _: self._cut_is_due(window, due_s))

    def _cut_is_due(self, window: FaultWindow, due_s: float) -> None:
        if self._cuts[window.index] == due_s:
            self.end("error")

    # Time on the wire

    def _deliver(self, late_ms: float, then: Callable[[], None]) -> None:
        """Call ``then`` when data that leaves now is there: after a fault's delay, until it heals, and the link's."""
        if late_ms <= 0:
            self._cross(then)
            return
        held = self.engine.clock.event()
        self._held.append(held)
        late = self.engine.clock.at(self.engine.clock.now + late_ms / 1000, Rank.DEPARTURE, self.request, self.attempt)
        through = late | held
        through.callbacks.append(lambda _: self._cross(then))

    def _cross(self, then: Callable[[], None]) -> None:
        link_ms = self.engine.draw(self, self.hop.link_ms, Purpose.LINK) / 2
        if link_ms > 0:
            self._at(self.engine.clock.now + link_ms / 1000, Rank.DEPARTURE, lambda _: then())
        else:
            then()

    def _hear(self) -> None:
        if self.outcome is None:
            self.heard_first_s = self.engine.clock.now
            self.heard(self.tokens or 1, self._tokens_spread_s)

    def _at(self, time_s: float, rank: Rank, then: Callable[[Event], None]) -> None:
        event = self.engine.clock.at(time_s, rank, self.request, self.attempt)
        event.callbacks.append(then)

    def _record(self) -> None:
        hop = self.hop
        first_ms = None if self.heard_first_s is None else (self.heard_first_s - self.began_s) * 1000
        self.engine.recorder.spans.append(
            Span(
                request=self.request,
                kind="client",
                caller=hop.caller,
                callee=hop.callee,
                op=hop.op,
                replica=f"{hop.caller}.{self.caller_replica}",
                attempt=self.attempt,
                start_s=self.began_s,
                duration_ms=(self.engine.clock.now - self.began_s) * 1000,
                outcome=self.outcome or "error",
                wait_ms=None if self.wait_s is None else self.wait_s * 1000,
                first_token_ms=first_ms,
                tokens=self.tokens_heard(),
            )
        )


def _happen(event: Event) -> None:
    event.succeed()
