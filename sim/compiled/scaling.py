"""Autoscalers (see ../ENGINES.md): control once in a while, between two steps of the kernel. Used by execute."""

from __future__ import annotations

import math
from collections import deque

from windtunnel.sim.compiled import agenda, exchanges, processor, queues, records
from windtunnel.sim.compiled.world import World
from windtunnel.sim.model import AutoscalePolicy, Model


class Scaling:
    """All autoscalers of a model."""

    def __init__(self, model: Model) -> None:
        """Nothing has been measured or changed yet."""
        self._model = model
        self._ticks = [0] * len(model.stations)
        self._history: list[list[tuple[float, float]]] = [[] for _ in model.stations]
        self._used_s = [0.0] * len(model.stations)
        self._up_s = [-math.inf] * len(model.stations)
        self._down_s = [-math.inf] * len(model.stations)
        self._starting: list[deque[tuple[float, int]]] = [deque() for _ in model.stations]

    def begin(self, w: World) -> None:
        """Plan the first ticks."""
        for index, station in enumerate(self._model.stations):
            if station.autoscale is not None:
                self._tick_next(w, index, station.autoscale)

    def come(self, w: World, source: int) -> None:
        """A timer of ours: a tick, or replicas that are ready."""
        index = int(w.sources[source].a)
        policy = self._model.stations[index].autoscale
        assert policy is not None, "only stations with an autoscaler have such timers"
        if w.sources[source].kind == records.READY:
            _, n = self._starting[index].popleft()
            self._ready_next(w, index)
            self._add(w, index, n)
            return
        self._measure(w, index, policy)
        self._decide(w, index, policy)
        self._tick_next(w, index, policy)

    def _source(self, w: World, index: int) -> int:
        return int(w.g[0].source) + 2 + 2 * index

    def _tick_next(self, w: World, index: int, policy: AutoscalePolicy) -> None:
        self._ticks[index] += 1
        at_s = self._ticks[index] * policy.interval_s
        if at_s <= self._model.duration_s:
            agenda.set_timer(w, self._source(w, index), at_s, records.CONTROL)

    def _ready_next(self, w: World, index: int) -> None:
        if self._starting[index]:
            agenda.set_timer(w, self._source(w, index) + 1, self._starting[index][0][0], records.CONTROL)

    def _measure(self, w: World, index: int, policy: AutoscalePolicy) -> None:
        station = w.stations[index]
        active = int(station.active)
        if policy.metric == "cpu":
            used = float(processor.used(w)[index])
            value = (used - self._used_s[index]) / policy.interval_s / active
            self._used_s[index] = used
        else:
            total = 0.0
            for n in range(station.first, station.first + station.replicas):
                exchanges.integrate(w, n)
                replica = w.instances[n]
                total += float(replica.flight_sum if policy.metric == "concurrency" else replica.line_sum)
                replica.flight_sum = replica.line_sum = 0.0
            value = total / policy.interval_s / active
        self._history[index].append((float(w.g[0].now), value))

    def _decide(self, w: World, index: int, policy: AutoscalePolicy) -> None:
        now = float(w.g[0].now)
        known = [value for at_s, value in self._history[index] if at_s <= now - policy.metrics_delay_s]
        if not known:
            return
        value, active = known[-1], int(w.stations[index].active)
        if policy.target is not None:
            desired = math.ceil(active * value / policy.target - 1e-9)
        else:
            desired = active
            for above, add in policy.steps:
                if value > above:
                    desired = active + add
            if value < policy.below:
                desired = active - policy.remove
        desired = max(policy.minimum, min(policy.maximum, desired))
        starting = sum(n for _, n in self._starting[index])
        if desired > active + starting and now - self._up_s[index] >= policy.cooldown_up_s:
            self._up_s[index] = now
            n = desired - active - starting
            if policy.cold_start_s == 0:
                self._add(w, index, n)
            else:
                self._starting[index].append((now + policy.cold_start_s, n))
                if len(self._starting[index]) == 1:
                    self._ready_next(w, index)
        elif (
            desired < active
            and not starting
            and now - max(self._up_s[index], self._down_s[index]) >= policy.cooldown_down_s
        ):
            self._down_s[index] = now
            w.stations[index].active = desired
            if w.stations[index].consumes >= 0:
                queues.part(w, int(w.stations[index].consumes), index)

    def _add(self, w: World, index: int, n: int) -> None:
        station = w.stations[index]
        before = int(station.active)
        station.active = min(station.replicas, before + n)
        if station.consumes >= 0:
            for place in range(len(w.places)):
                p = w.places[place]
                if p.station == index and before <= p.replica < station.active and not p.message:
                    queues.rests(w, place, station.consumes)
            queues.hand_out(w, station.consumes)
