"""What a monitoring would scrape, at its interval: gauges, and counters since the start. Used by the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windtunnel.sim.model import Adaptive, Outcome
from windtunnel.sim.reference.breaker import State
from windtunnel.sim.reference.clock import Rank
from windtunnel.sim.reference.recorder import Reading, word
from windtunnel.sim.reference.station import Station

if TYPE_CHECKING:
    from windtunnel.sim.reference.engine import Engine


class Observation:
    """A look at everything, again and again. Looking changes nothing."""

    def __init__(self, engine: Engine) -> None:
        """The first look is planned."""
        self._engine = engine
        self._looks = 0
        model = engine.model
        owners = [(station.host, station.name) for station in model.stations]
        owners += [(host, who) for host, who, _ in model.beside_s]
        self._used_s = dict.fromkeys(owners, 0.0)
        """Up to the last look, by host and who."""
        self._plan()

    def _plan(self) -> None:
        self._looks += 1
        next_s = self._looks * self._engine.model.scrape_s
        if next_s <= self._engine.model.duration_s:
            self._engine.clock.at(next_s, Rank.OBSERVATION).callbacks.append(lambda _: self._look())

    def _look(self) -> None:
        for station in self._engine.stations:
            self._station(station)
        self._wires()
        ended = self._engine.recorder.ended
        self._reads("requests", "", ended.total())
        self._reads("ok", "", ended[Outcome.OK])
        for outcome in (Outcome.TIMEOUT, Outcome.ERROR, Outcome.REJECTED, Outcome.OPEN):
            self._reads(f"errors.{word(outcome)}", "", ended[outcome])
        self._cores()
        self._plan()

    def _reads(self, name: str, component: str, value: float) -> None:
        readings = self._engine.recorder.series
        readings.append(Reading(name, component, self._engine.clock.now, float(value)))

    def _station(self, station: Station) -> None:
        policy, name = station.policy, station.policy.name
        lines = [replica.line for replica in station.replicas if replica.line is not None]
        if lines:
            self._reads("in_use", name, sum(line.in_use for line in lines))
            self._reads("queue", name, sum(line.queue for line in lines))
        if isinstance(policy.shed, Adaptive):
            self._reads("limit", name, sum(line.limit for line in lines))
        queue = self._engine.queues.get(station.index)
        if queue is not None:
            self._reads("queue", name, queue.waiting)
            self._reads("dead_letters", name, queue.dead_letters)
        else:
            self._reads("replicas", name, station.active)
        if station.decoder is not None:
            self._reads("tokens_in", name, station.decoder.tokens_in)
            self._reads("tokens_out", name, station.decoder.tokens_out)
        if policy.cache is not None:
            self._reads(
                "evictions", name, sum(replica.cache.evictions for replica in station.replicas if replica.cache)
            )
        if policy.lag_ms is not None:
            self._reads("stale_reads", name, station.stale_reads)

    def _wires(self) -> None:
        for wire, lanes in zip(self._engine.model.wires, self._engine.lanes, strict=True):
            self._reads("attempts", wire.name, sum(lane.attempts for lane in lanes))
            self._reads("retries", wire.name, sum(lane.retries for lane in lanes))
            pools = [lane.pool for lane in lanes if lane.pool is not None]
            if pools:
                self._reads("in_use", wire.name, sum(pool.in_use for pool in pools))
                self._reads("queue", wire.name, sum(pool.queue for pool in pools))
            if wire.breaker is not None:
                breakers = [lane.breaker for lane in lanes if lane.breaker is not None]
                self._reads("breaker_open", wire.name, sum(each.state is State.OPEN for each in breakers))

    def _cores(self) -> None:
        """The cores that everybody has used since the last look, and each host in all."""
        model = self._engine.model
        total = dict.fromkeys(range(len(model.hosts)), 0.0)
        for (host, who), before_s in self._used_s.items():
            used_s = self._engine.processors[host].used_s(who)
            share = (used_s - before_s) / model.scrape_s
            self._used_s[host, who] = used_s
            total[host] += share
            if used_s > 0:
                self._reads("cpu_share", who, share)
        for host, share in total.items():
            whole = "host" if len(model.hosts) == 1 else model.hosts[host]  # as a measured run calls its one machine
            self._reads("cpu_share", whole, share)
