"""The readable engine: executes a compiled Model with SimPy. Used by simulate; the reference for faster engines.

Processes are only what has a life of its own: a request at its client, and one exchange per attempt of a call,
which does the callee's work too. Everything else is a timer.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Generator, Hashable
from itertools import count
from typing import Any

from simpy.events import Event
from simpy.exceptions import Interrupt
from simpy.resources.resource import Resource

from windtunnel.sim.clock import Clock, Rank
from windtunnel.sim.draws import Draws, Purpose
from windtunnel.sim.exchange import Exchange
from windtunnel.sim.model import FaultWindow, Hop, Model, Station
from windtunnel.sim.processor import Processor
from windtunnel.sim.recorder import Reading, Recorder, Sample, Span, Tables
from windtunnel.spec.architecture import SUCCESSES
from windtunnel.spec.distribution import Distribution
from windtunnel.spec.parameters import factor_of

SERIES_EVERY_S = 0.5

Work = Generator[Event, Any, str]
"""A process's steps that end in an outcome."""
Owed = tuple[str, str, float, Hashable]
"""Host, who it is counted for, seconds of a core, thread."""


def execute(model: Model) -> Tables:
    """Run a model until the last request has ended."""
    return Engine(model).run()


class Engine:
    """One simulation. The state is public for the exchanges, which are its other half."""

    def __init__(self, model: Model) -> None:
        """Everything empty and idle, all replicas ready."""
        self.model = model
        self.clock = Clock()
        self.draws = Draws(model.seed)
        self.recorder = Recorder()
        self.under_way: defaultdict[str, dict[Exchange, None]] = defaultdict(dict)
        """Exchanges by wire, in the order of their starts."""
        self.pools: dict[tuple[str, int], Resource] = {
            (wire.name, replica): Resource(self.clock, wire.pool)
            for wire in model.wires.values()
            if wire.pool is not None and wire.caller in model.stations
            for replica in range(model.stations[wire.caller].replicas)
        }
        self._slots: dict[tuple[str, int], Resource] = {
            (station.name, replica): Resource(self.clock, station.slots)
            for station in model.stations.values()
            if station.slots is not None
            for replica in range(station.replicas)
        }
        self._processors = {host: Processor(self.clock, cores) for host, cores in model.cores.items()}
        self._stored_until_s: defaultdict[tuple[str, int], dict[int, float]] = defaultdict(dict)
        self._owed: dict[int, list[Owed]] = {}
        self._in_use: defaultdict[tuple[str, int], tuple[int, float]] = defaultdict(lambda: (0, -math.inf))
        """Calls that are being worked on, and when the last one left."""
        self._active: list[FaultWindow] = []
        self._turns: defaultdict[tuple[str, int], int] = defaultdict(int)

    def run(self) -> Tables:
        """From the first arrival to the last answer."""
        for window in self.model.faults:
            self._when(window.begin_s, self._begin, window)
            self._when(window.end_s, self._heal, window)
        self.clock.process(self._observe())
        self.clock.process(self._arrive())
        self.clock.run()
        return self.recorder.tables()

    # The outside

    def _arrive(self) -> Generator[Event, Any, None]:
        for request, at_s in enumerate(self.model.at_s.tolist()):
            yield self.clock.at(at_s, Rank.ARRIVAL, request)
            self._owed[request] = [(host, who, work_s, None) for host, who, work_s in self.model.beside_s]
            self.clock.process(self._client(request, at_s))

    def _client(self, request: int, at_s: float) -> Generator[Event, Any, None]:
        flow = int(self.model.flow[request])
        exchange = yield from self._call(self.model.hops[self.model.entries[flow]], 0, request, None)
        assert exchange.outcome is not None, "a call returns when it has ended"
        self.clock.process(self._burn(self._owed.pop(request)))
        outcome = "ok" if exchange.outcome in SUCCESSES else exchange.outcome
        self.recorder.samples.append(
            Sample(
                request=request,
                flow=self.model.flows[flow],
                intended_s=at_s,
                sent_s=at_s,
                first_token_s=exchange.heard_first_s,
                done_s=self.clock.now,
                outcome=outcome,
                status=None,
                error=None if outcome == "ok" else outcome,
                tokens=exchange.tokens_heard(),
            )
        )

    # Calls

    def _call(
        self, hop: Hop, caller_replica: int, request: int, within: Exchange | None
    ) -> Generator[Event, Any, Exchange]:
        """A call with its retries; its last attempt. ``within``: the exchange whose callee makes the call."""
        wire = self.model.wires[hop.wire]
        deadline_s = self.clock.now + wire.deadline_s
        passed_on = False

        def heard(tokens: int, spread_s: float) -> None:
            nonlocal passed_on
            if within is not None:
                within.first_token(tokens, spread_s)
                passed_on = within.hop.streams

        for attempt in count():
            limit_s = min(self.clock.now + wire.timeout_s, deadline_s)
            exchange = Exchange(self, hop, request, attempt, caller_replica, limit_s, heard)
            try:
                yield exchange.ended
            except Interrupt:
                if not wire.to_database:
                    exchange.end("error")
                raise
            if exchange.outcome in SUCCESSES or attempt >= wire.retries or passed_on:
                break
            # Full jitter: M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
            jitter = self.draws.uniform(request, hop.index, attempt, Purpose.BACKOFF)
            next_s = self.clock.now + jitter * wire.backoff_s * 2**attempt
            if next_s >= deadline_s:
                break
            yield self.clock.at(next_s, Rank.BACKOFF, request, attempt)
        return exchange

    def _steps(self, hops: tuple[int, ...], within: Exchange) -> Work:
        """Calls one after the other, and what follows from each outcome; ok, or the outcome that ended them."""
        for index in hops:
            hop = self.model.hops[index]
            exchange = yield from self._call(hop, within.callee_replica, within.request, within)
            outcome = exchange.outcome or "error"
            if outcome == "hit":
                within.first_token(1, 0.0)  # the answer is there, in one piece
            if outcome in hop.on:
                followed = yield from self._steps(hop.on[outcome], within)
                if followed != "ok":
                    return followed
            elif outcome not in SUCCESSES and not hop.optional:
                return outcome
        return "ok"

    def choose(self, hop: Hop, caller_replica: int) -> int:
        """The callee's replica: round robin, without those that a balancer knows to be sick.

        When more than half of them are sick a balancer trusts its checks no longer and uses all (Envoy's panic).
        """
        replicas = self.model.stations[hop.callee].replicas
        sick = {
            spell.replica
            for spell in self.model.sick
            if spell.wire == hop.wire and spell.begin_s <= self.clock.now < spell.end_s
        }
        candidates = [replica for replica in range(replicas) if replica not in sick or 2 * len(sick) > replicas]
        turn = self._turns[hop.wire, caller_replica]
        self._turns[hop.wire, caller_replica] += 1
        return candidates[turn % len(candidates)]

    # The callee's side

    def serve(self, exchange: Exchange) -> Work:
        """The callee's part of an exchange: a slot, its own work, its calls; ends when its last byte leaves."""
        station = self.model.stations[exchange.hop.callee]
        slots = self._slots.get((station.name, exchange.callee_replica))
        arrived_s = self.clock.now
        admitted_s = None
        outcome = "error"  # stands when the caller goes away
        try:
            if slots is None:
                outcome = yield from self._work(station, exchange)
            elif slots.count >= slots.capacity and len(slots.queue) >= _endless(station.queue_limit):
                outcome = "rejected"
            else:
                with slots.request() as slot:
                    yield slot
                    admitted_s = self.clock.now
                    outcome = yield from self._work(station, exchange)
        finally:
            if station.traced:
                self._record(exchange, arrived_s, admitted_s, outcome)
        return outcome

    def _work(self, station: Station, exchange: Exchange) -> Work:
        hop, request, attempt = exchange.hop, exchange.request, exchange.attempt
        service_s = self.draw(exchange, hop.service_ms, Purpose.SERVICE) / 1000
        if station.warmth:
            service_s *= self._cold(station, exchange.callee_replica)
            try:
                yield from self._compute(station, exchange, service_s)
            finally:
                self._leave(station, exchange.callee_replica)
            yield from self._take_up(exchange)
        else:
            yield from self._compute(station, exchange, service_s)
        if hop.first_token_ms and hop.token_ms and hop.output_tokens:
            # How much is answered depends on what is asked, not on who asks.
            length = self.draws.uniform(int(self.model.prompt[request]), hop.index, 0, Purpose.OUTPUT_TOKENS)
            tokens = max(1, round(hop.output_tokens.at(length)))
            first_s = self.clock.now + self.draw(exchange, hop.first_token_ms, Purpose.FIRST_TOKEN) / 1000
            spread_s = (tokens - 1) * self.draw(exchange, hop.token_ms, Purpose.TOKEN) / 1000
            yield self.clock.at(first_s, Rank.DEPARTURE, request, attempt)
            exchange.decoded_first_s = self.clock.now
            exchange.tokens = tokens
            exchange.first_token(tokens, spread_s)
            yield self.clock.at(first_s + spread_s, Rank.DEPARTURE, request, attempt)
        outcome = yield from self._steps(hop.steps, exchange)
        if outcome == "ok":
            if hop.role != "work":
                outcome = self._look_up_or_store(station, exchange)
            exchange.first_token(1, 0.0)  # where nothing below has streamed, all of it comes now
        return outcome

    def _cold(self, station: Station, replica: int) -> float:
        """A call begins: the factor of its time for how long the component has been idle."""
        present, since_s = self._in_use[station.name, replica]
        self._in_use[station.name, replica] = (present + 1, since_s)
        idle_ms = 0.0 if present else (self.clock.now - since_s) * 1000
        return factor_of(station.warmth, idle_ms)

    def _leave(self, station: Station, replica: int) -> None:
        present, _ = self._in_use[station.name, replica]
        self._in_use[station.name, replica] = (present - 1, self.clock.now)

    def _take_up(self, exchange: Exchange) -> Generator[Event, Any, None]:
        """An answer lies there until its caller's event loop has ended the turn it is in, which began at any time.

        Only answers of untraced callees: of a traced one, ``link_ms`` is as long as the answer itself, or longer.
        """
        caller = self.model.stations.get(exchange.hop.caller)
        if caller is None or not caller.single_threaded:
            return
        if self._processors[caller.host].busy((caller.name, exchange.caller_replica)):
            part = self.draws.uniform(exchange.request, exchange.hop.index, exchange.attempt, Purpose.TURN)
            yield self.clock.at(
                self.clock.now + part * caller.turn_s, Rank.DEPARTURE, exchange.request, exchange.attempt
            )

    def _compute(self, station: Station, exchange: Exchange, service_s: float) -> Generator[Event, Any, None]:
        """Own work: as much of it on the processor as the component needs per visit, the rest is waiting."""
        on_processor_s = min(service_s, station.cpu_s)
        processor = self._processors[station.host]
        thread = (station.name, exchange.callee_replica) if station.single_threaded else None
        if on_processor_s > 0:
            job = processor.run(station.name, on_processor_s, thread)
            try:
                yield job.done
            except Interrupt:
                processor.drop(job)
                raise
        if station.cpu_s > on_processor_s:
            self._owe(exchange.request, (station.host, station.name, station.cpu_s - on_processor_s, thread))
        if service_s > on_processor_s:
            ready_s = self.clock.now + service_s - on_processor_s
            yield self.clock.at(ready_s, Rank.DEPARTURE, exchange.request, exchange.attempt)

    def _owe(self, request: int, work: Owed) -> None:
        """Processor time beyond the work that a call waits for: it delays the others, once the request has its answer.

        Any earlier it would delay the request's own calls, whose measured times contain that delay already.
        """
        if request in self._owed:
            self._owed[request].append(work)
        else:  # the client has gone: what is still being done for it is done for nobody
            self.clock.process(self._burn([work]))

    def _burn(self, owed: list[Owed]) -> Generator[Event, Any, None]:
        """One after the other: in truth it is strewn over the request's time, and never all at once."""
        for host, owner, work_s, thread in owed:
            yield self._processors[host].run(owner, work_s, thread).done

    def _look_up_or_store(self, station: Station, exchange: Exchange) -> str:
        stored = self._stored_until_s[station.name, exchange.callee_replica]
        prompt = int(self.model.prompt[exchange.request])
        if exchange.hop.role == "store":
            stored[prompt] = self.clock.now + station.ttl_s
            return "ok"
        return "hit" if stored.get(prompt, -math.inf) > self.clock.now else "miss"

    def draw(self, exchange: Exchange, distribution: Distribution | None, purpose: Purpose) -> float:
        """A value of this attempt's own; 0 without a distribution."""
        if distribution is None:
            return 0.0
        return distribution.at(self.draws.uniform(exchange.request, exchange.hop.index, exchange.attempt, purpose))

    # Faults

    def active(self, wire: str, caller_replica: int, callee_replica: int) -> list[FaultWindow]:
        """The faults that a connection suffers from now."""
        return [window for window in self._active if window.hits(wire, caller_replica, callee_replica)]

    def _begin(self, window: FaultWindow) -> None:
        self._active.append(window)
        for exchange in self._touched(window):
            exchange.fault_begins(window)

    def _heal(self, window: FaultWindow) -> None:
        self._active.remove(window)
        for exchange in self._touched(window):
            exchange.fault_heals(window)

    def _touched(self, window: FaultWindow) -> list[Exchange]:
        return [
            exchange
            for exchange in self.under_way[window.wire]
            if window.hits(window.wire, exchange.caller_replica, exchange.callee_replica)
        ]

    def _when(self, time_s: float, then: Callable[[FaultWindow], None], window: FaultWindow) -> None:
        self.clock.at(time_s, Rank.FAULT).callbacks.append(lambda _: then(window))

    # What is seen

    def _record(self, exchange: Exchange, arrived_s: float, admitted_s: float | None, outcome: str) -> None:
        hop = exchange.hop
        first_s = exchange.decoded_first_s
        self.recorder.spans.append(
            Span(
                request=exchange.request,
                kind="server",
                caller=hop.caller,
                callee=hop.callee,
                op=hop.op,
                replica=f"{hop.callee}.{exchange.callee_replica}",
                attempt=exchange.attempt,
                start_s=arrived_s,
                duration_ms=(self.clock.now - arrived_s) * 1000,
                outcome=outcome,
                wait_ms=None if admitted_s is None else (admitted_s - arrived_s) * 1000,
                first_token_ms=None if first_s is None else (first_s - (admitted_s or arrived_s)) * 1000,
                tokens=None if first_s is None else exchange.tokens,
            )
        )

    def _observe(self) -> Generator[Event, Any, None]:
        """Gauges every half second: places taken and waited for, and the cores used since the last look."""
        used_before_s: dict[tuple[str, str], float] = {}
        readings = self.recorder.series
        for n in range(1, int(self.model.duration_s / SERIES_EVERY_S) + 1):
            yield self.clock.at(n * SERIES_EVERY_S, Rank.OBSERVATION)
            now_s = self.clock.now
            places: defaultdict[str, list[Resource]] = defaultdict(list)
            for (name, _), resource in [*self._slots.items(), *self.pools.items()]:
                places[name].append(resource)
            for name, resources in places.items():
                readings.append(Reading("in_use", name, now_s, float(sum(each.count for each in resources))))
                readings.append(Reading("queue", name, now_s, float(sum(len(each.queue) for each in resources))))
            for host, processor in self._processors.items():
                total_s = 0.0
                for who, used_s in sorted(processor.used_s().items()):
                    spent_s = used_s - used_before_s.get((host, who), 0.0)
                    used_before_s[host, who] = used_s
                    total_s += spent_s
                    readings.append(Reading("cpu_share", who, now_s, spent_s / SERIES_EVERY_S))
                whole = "host" if len(self._processors) == 1 else host  # as a measured run calls its one machine
                readings.append(Reading("cpu_share", whole, now_s, total_s / SERIES_EVERY_S))


def _endless(limit: int | None) -> float:
    return math.inf if limit is None else limit
