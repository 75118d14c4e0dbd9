"""A component and its replicas: what becomes of a request that arrives. Used by exchanges.

Limits, a place, own work, the calls that follow from it, the answer: in this order, as ENGINES.md has it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from simpy.exceptions import Interrupt

from windtunnel.sim.draws import Purpose, mix
from windtunnel.sim.model import OUTSIDE, SUCCESSFUL, Outcome
from windtunnel.sim.reference import program
from windtunnel.sim.reference.bucket import Bucket
from windtunnel.sim.reference.clock import Rank, Steps, Work
from windtunnel.sim.reference.exchange import End
from windtunnel.sim.reference.llm import Decoder, Quotas, input_tokens, output_tokens
from windtunnel.sim.reference.recorder import Span, word
from windtunnel.sim.reference.replica import Replica
from windtunnel.sim.reference.request import Owed, Strand

if TYPE_CHECKING:
    from windtunnel.sim.reference.engine import Engine
    from windtunnel.sim.reference.exchange import Exchange


class Station:
    """Its replicas and what they share."""

    def __init__(self, engine: Engine, index: int) -> None:
        """Idle, with the replicas that run at the start."""
        self._engine = engine
        self.index = index
        self.policy = station = engine.model.stations[index]
        self.replicas = [Replica(engine.clock, station, engine.model.prompts) for _ in range(station.replicas)]
        self.active = station.initial
        """The first so many run."""
        self.decoder = Decoder(engine, station.llm) if station.llm else None
        self.stale_reads = 0
        self._own = engine.components.get(station.name)
        self._quotas = Quotas(station.llm) if station.llm else None
        limit = station.rate_limit
        self._buckets: defaultdict[int, Bucket] = defaultdict(
            lambda: Bucket(limit.per_s, limit.burst) if limit else Bucket(0.0, 0.0)
        )
        """By tenant, or all in one."""
        self._slow = tuple(slow for slow in engine.model.slow if slow.station == index)

    def primary(self) -> int | None:
        """The replica of a database that reigns now; None: they are all alike."""
        reigns = self.policy.reigns
        begun = [reign for reign in reigns if reign.begin_s <= self._engine.clock.now]
        return begun[-1].replica if begun else reigns[0].replica if reigns else None

    def serve(self, exchange: Exchange) -> Work:
        """The callee's part of an exchange; ends when its last byte leaves."""
        replica = self.replicas[exchange.callee_replica]
        exchange.arrived_s = self._engine.clock.now
        replica.arrives()
        try:
            outcome = self._turns_away(exchange, replica)
            if exchange.outcome is not None:  # ended by the crash that it has caused, or just before it came
                yield exchange.cancelled
                raise Interrupt(None)
            if outcome is None:
                outcome = yield from self._visit(exchange, replica)
        except Interrupt:
            if exchange.place is not None and replica.line is not None:
                replica.count()
                replica.line.gives_up(exchange.place)
            self._release(exchange, replica, Outcome.ERROR)
            raise
        self._release(exchange, replica, outcome)
        return outcome

    def crash(self, index: int) -> None:
        """A replica goes down, and everything that has arrived at it."""
        now_s = self._engine.clock.now
        self.replicas[index].down_s = (now_s, now_s + self.policy.crash_restart_s)
        for wire, present in zip(self._engine.model.wires, self._engine.present, strict=True):
            if wire.callee != self.index:
                continue
            for exchange in list(present):
                if exchange.callee_replica != index or exchange.arrived_s is None:
                    continue
                if exchange.zombie:
                    exchange.cancel()
                else:
                    exchange.end(Outcome.ERROR, End.CUT)

    # Arrival

    def _turns_away(self, exchange: Exchange, replica: Replica) -> Outcome | None:
        """The outcome of somebody who is not let in."""
        now_s, policy = self._engine.clock.now, self.policy
        if policy.rate_limit is not None:
            bucket = self._buckets[exchange.request.tenant if policy.rate_limit.per_tenant else 0]
            if bucket.missing(now_s, 1.0) > 0:
                return Outcome.REJECTED
            bucket.take(1.0)
        if self._quotas is not None:
            tokens = input_tokens(self._engine, exchange) + output_tokens(self._engine, exchange)
            exchange.retry_after_s = self._quotas.charge(now_s, tokens)
            if exchange.retry_after_s > 0:
                return Outcome.REJECTED
        if policy.crash_above is not None:
            if now_s < replica.down_s[1]:
                return Outcome.ERROR
            if replica.in_flight > policy.crash_above:
                self.crash(exchange.callee_replica)
        return None

    def _visit(self, exchange: Exchange, replica: Replica) -> Work:
        if replica.line is not None:
            place = exchange.place = replica.line.enter(exchange.request.priority)
            if place is None:
                return Outcome.REJECTED
            if not place.held:
                granted = yield place.told
                if not granted:
                    return Outcome.REJECTED
            place.admitted_s = self._engine.clock.now
        if self._own is not None:
            outcome = Outcome[(yield from self._own.serve(self._engine, exchange)).upper()]
        else:
            yield from self._works(exchange, replica)
            outcome = yield from self.runs_program(exchange)
        if outcome is Outcome.OK:
            if exchange.hop.role != "work":
                outcome = self._look_up_or_store(exchange, replica)
            self._notices_staleness(exchange)
            exchange.first_token(1, 0.0)  # where nothing below has streamed, all of it comes now
        return outcome

    def runs_program(self, exchange: Exchange) -> Work:
        """The calls that a visit makes after its own work."""
        # what a further attempt asks of others is asked anew: it must not be as slow as the first time by construction
        base = mix(exchange.base ^ exchange.attempt << 32) if exchange.attempt else exchange.base
        strand = Strand(exchange.request, base, exchange.callee_replica, exchange.deadline_s, within=exchange)
        return program.run(self._engine, strand, exchange.hop.program)

    def _release(self, exchange: Exchange, replica: Replica, outcome: Outcome) -> None:
        replica.goes()
        place = exchange.place
        if place is not None and place.held and replica.line is not None:
            replica.line.leave(place, outcome in SUCCESSFUL)
        if self.policy.traced:
            self._record(exchange, outcome)

    # Own work

    def _works(self, exchange: Exchange, replica: Replica) -> Steps:
        engine = self._engine
        service_s = engine.draw(exchange, exchange.hop.service_ms, Purpose.SERVICE) / 1000
        service_s *= self._slowness(exchange.callee_replica)
        if self.policy.warmth:
            service_s *= replica.begins()
            try:
                yield from self._computes(exchange, replica, service_s)
            except Interrupt:
                replica.ends()
                raise
            replica.ends()
            yield from self._is_taken_up(exchange)
        else:
            yield from self._computes(exchange, replica, service_s)
        hop = exchange.hop
        if self.decoder is not None and hop.first_token_ms and hop.token_ms and hop.output_tokens:
            yield from self.decoder.answer(exchange, replica, self._slowness(exchange.callee_replica))

    def _computes(self, exchange: Exchange, replica: Replica, service_s: float) -> Steps:
        """As much of it on the processor as the component needs per visit, the rest is waiting."""
        engine, station = self._engine, self.policy
        on_processor_s = min(service_s, station.cpu_s)
        processor = engine.processors[station.host]
        thread = (self.index, exchange.callee_replica) if station.single_threaded else None
        if on_processor_s > 0:
            job = processor.run(station.name, on_processor_s, thread)
            try:
                yield job.done
            except Interrupt:
                processor.drop(job)
                raise
        if on_processor_s < station.cpu_s < float("inf"):
            engine.owe(exchange.request, Owed(station.host, station.name, station.cpu_s - on_processor_s, thread))
        if service_s > on_processor_s:
            due_s = engine.clock.now + service_s - on_processor_s
            if station.discipline == "preemptive" and replica.line is not None and exchange.place is not None:
                yield from replica.line.works(exchange.place, exchange, due_s)
            else:
                yield engine.clock.at(due_s, Rank.DEPARTURE, exchange.request.number, exchange.attempt)

    def _is_taken_up(self, exchange: Exchange) -> Steps:
        """An answer lies there until its caller's event loop has ended the turn it is in, which began at any time.

        Only answers of untraced callees: of a traced one, ``link_ms`` is as long as the answer itself, or longer.
        """
        clock, hop = self._engine.clock, exchange.hop
        if hop.caller == OUTSIDE:
            return
        caller = self._engine.model.stations[hop.caller]
        loop = (hop.caller, exchange.caller_replica)
        if caller.single_threaded and self._engine.processors[caller.host].busy(loop):
            due_s = clock.now + exchange.uniform(Purpose.TURN) * caller.turn_s
            yield clock.at(due_s, Rank.DEPARTURE, exchange.request.number, exchange.attempt)

    def _slowness(self, replica: int) -> float:
        """How many times longer own work takes now."""
        now_s, factor = self._engine.clock.now, 1.0
        for slow in self._slow:
            if slow.replica in (None, replica) and slow.begin_s <= now_s < slow.end_s:
                factor *= slow.factor
        return factor

    # Storage

    def _look_up_or_store(self, exchange: Exchange, replica: Replica) -> Outcome:
        cache, policy = replica.cache, self.policy.cache
        assert cache is not None, "only a cache is looked up and stored at"
        assert policy is not None, "which has a policy"
        prompt, now_s = exchange.request.prompt, self._engine.clock.now
        if exchange.hop.role == "store":
            if policy.hit_ratio is None:
                cache.store(prompt, now_s)
            return Outcome.OK
        if policy.hit_ratio is not None:
            return Outcome.HIT if exchange.uniform(Purpose.HIT) < policy.hit_ratio else Outcome.MISS
        return cache.look_up(prompt, now_s)

    def _notices_staleness(self, exchange: Exchange) -> None:
        """Count a read at a standby of what the same request has written less than a replication lag ago."""
        lag_ms, primary = self.policy.lag_ms, self.primary()
        request, now_s = exchange.request, self._engine.clock.now
        if lag_ms is None or primary is None or request.owed is None:  # None: its client has gone
            return
        if not exchange.hop.reads:
            request.written = (self.index, now_s)
        elif exchange.callee_replica != primary and request.written and request.written[0] == self.index:
            ago_s = now_s - request.written[1]
            self.stale_reads += ago_s < self._engine.draw(exchange, lag_ms, Purpose.LAG) / 1000

    # What is seen

    def _record(self, exchange: Exchange, outcome: Outcome) -> None:
        model, hop, now_s = self._engine.model, exchange.hop, self._engine.clock.now
        arrived_s = now_s if exchange.arrived_s is None else exchange.arrived_s
        admitted_s = None if exchange.place is None else exchange.place.admitted_s
        first_s = exchange.decoded_first_s
        came_s = arrived_s if admitted_s is None else admitted_s
        self._engine.recorder.spans.append(
            Span(
                request=exchange.request.number,
                kind="server",
                caller="client" if hop.caller == OUTSIDE else model.stations[hop.caller].name,
                callee=self.policy.name,
                op=hop.op,
                replica=f"{self.policy.name}.{exchange.callee_replica}",
                attempt=exchange.attempt,
                start_s=arrived_s,
                duration_ms=(now_s - arrived_s) * 1000,
                outcome=word(outcome),
                wait_ms=None if admitted_s is None else (admitted_s - arrived_s) * 1000,
                first_token_ms=None if first_s is None else (first_s - came_s) * 1000,
                tokens=None if first_s is None else exchange.tokens,
            )
        )
