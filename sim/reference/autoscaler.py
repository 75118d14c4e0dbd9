"""An autoscaler: at intervals it looks at what a station does and changes how many replicas run. Used by the engine."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from windtunnel.sim.model import AutoscalePolicy
from windtunnel.sim.reference.clock import Rank

if TYPE_CHECKING:
    from windtunnel.sim.reference.engine import Engine
    from windtunnel.sim.reference.station import Station


class Autoscaler:
    """Of one station."""

    def __init__(self, engine: Engine, station: Station, policy: AutoscalePolicy) -> None:
        """The first look is planned."""
        self._engine = engine
        self._station = station
        self._policy = policy
        self._looks = 0
        self._values: list[tuple[float, float]] = []
        """When, and what was seen."""
        self._starting = 0
        self._up_s = self._down_s = -math.inf
        self._used_s = 0.0
        self._plan()

    def _plan(self) -> None:
        self._looks += 1
        next_s = self._looks * self._policy.interval_s
        if next_s <= self._engine.model.duration_s:
            self._engine.clock.at(next_s, Rank.CONTROL).callbacks.append(lambda _: self._look())

    def _look(self) -> None:
        now_s = self._engine.clock.now
        self._values.append((now_s, self._value()))
        known = [value for at_s, value in self._values if at_s <= now_s - self._policy.metrics_delay_s]
        if known:
            self._decide(known[-1])
        self._plan()

    def _value(self) -> float:
        """What the last interval was like, per replica."""
        station, policy = self._station, self._policy
        integrals = [replica.take_integrals() for replica in station.replicas]
        match policy.metric:
            case "concurrency":
                total = sum((in_flight for in_flight, _ in integrals), 0.0)
            case "queue":
                total = sum((in_line for _, in_line in integrals), 0.0)
            case "cpu":
                used_s = self._engine.processors[station.policy.host].used_s(station.policy.name)
                total, self._used_s = used_s - self._used_s, used_s
        return total / policy.interval_s / station.active

    def _decide(self, value: float) -> None:
        station, policy, now_s = self._station, self._policy, self._engine.clock.now
        desired = max(policy.minimum, min(policy.maximum, self._desired(value)))
        more = desired - station.active - self._starting
        if more > 0 and now_s - self._up_s >= policy.cooldown_up_s:
            self._up_s = now_s
            if policy.cold_start_s == 0:
                self._scale(station.active + more)
            else:
                self._starting += more
                ready = self._engine.clock.at(now_s + policy.cold_start_s, Rank.CONTROL)
                ready.callbacks.append(lambda _: self._are_ready(more))
            return
        calm_s = now_s - max(self._up_s, self._down_s)
        if desired < station.active and not self._starting and calm_s >= policy.cooldown_down_s:
            self._down_s = now_s
            self._scale(desired)

    def _desired(self, value: float) -> int:
        active, policy = self._station.active, self._policy
        if policy.target is not None:
            return math.ceil(active * value / policy.target - 1e-9)
        if value < policy.below:
            return active - policy.remove
        return active + next((add for above, add in reversed(policy.steps) if value > above), 0)

    def _are_ready(self, more: int) -> None:
        self._starting -= more
        self._scale(self._station.active + more)

    def _scale(self, replicas: int) -> None:
        self._station.active = replicas
        if self._station.policy.consumes is not None:
            self._engine.queues[self._station.policy.consumes].scaled(self._station)
