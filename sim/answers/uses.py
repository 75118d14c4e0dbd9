"""How much of what there is was in use: places, connections, processors, rates. Used by answers and the bottleneck."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from windtunnel.sim.answers.readings import Readings
from windtunnel.spec.architecture import CLIENT, LLM, Architecture, Station
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.run import RunRecord
from windtunnel.spec.scenario import Window

Kind = Literal["slots", "connections", "cores", "own cores", "requests per second", "tokens per second"]
"""own cores: of a component whose replicas are event loops, and so use one core each at most."""

MACHINE = "host"
"""What series call the only host, whatever the deployment calls it."""


@dataclass(frozen=True)
class Use:
    """Of something that there is only so much of, on average over a window."""

    name: str
    """A component, a link, a host."""
    kind: Kind
    busy: float
    capacity: float
    """Of all replicas together, on average."""
    queue: float | None = None
    """Requests that waited for it; None: nobody can."""
    wait_ms: float | None = None
    """Of those that came, on average, by Little's law: those waiting over those coming a second."""

    @property
    def utilisation(self) -> float:
        """0 to 1; above it only where more was asked of a rate limit than it lets pass."""
        return self.busy / self.capacity


def uses(record: RunRecord, readings: Readings, window: Window) -> tuple[Use, ...]:
    """Everything limited of a forecast: places of components, pools of links, processors of hosts, rate limits."""
    architecture = record.architecture
    seen = _Seen(architecture, record.deployment, readings, window)
    found = [use for name in architecture.components for use in seen.component(name)]
    found += [use for link in architecture.links for use in seen.pool(link.name)]
    found += [use for host in record.deployment.hosts for use in seen.host(host)]
    return tuple(found)


@dataclass(frozen=True)
class _Seen:
    """One window of a forecast's series."""

    architecture: Architecture
    deployment: Deployment
    readings: Readings
    window: Window

    def component(self, name: str) -> Iterator[Use]:
        """Its places, its replicas' own cores, its rate limits."""
        part = self.architecture.components[name]
        if not isinstance(part, Station):
            return
        replicas = self._mean("replicas", name) or 0.0
        links = [link.name for link in self.architecture.links if link.callee == name]
        per_s = self._per_s("attempts", *links)
        busy = self._mean("in_use", name)
        capacity = self._mean("limit", name) if part.places is None else part.places * replicas
        if busy is not None and capacity:
            yield Use(name, "slots", busy, capacity, *self._waiting(name, per_s))
        cores, most = self._mean("cpu_share", name), self.deployment.hosts[self.deployment.host(name)].cores
        if cores is not None and part.kind != "database" and 0 < replicas < most:
            yield Use(name, "own cores", cores, replicas)
        limits_per_s = [part.rate_limit.per_s] if part.rate_limit is not None and part.rate_limit.per == "all" else []
        if isinstance(part, LLM) and part.requests_per_minute is not None:
            limits_per_s.append(part.requests_per_minute / 60)
        if limits_per_s and replicas:
            yield Use(name, "requests per second", per_s, min(limits_per_s) * replicas)
        if isinstance(part, LLM) and part.tokens_per_minute is not None and replicas:
            tokens_per_s = self._per_s("tokens_in", name) + self._per_s("tokens_out", name)
            yield Use(name, "tokens per second", tokens_per_s, part.tokens_per_minute / 60 * replicas)

    def pool(self, name: str) -> Iterator[Use]:
        """The connections of a link, where they are counted."""
        busy = self._mean("in_use", name)
        link = self.architecture.link(*name.split("->"))
        replicas = 1.0 if link.caller == CLIENT else self._mean("replicas", link.caller)
        if busy is not None and link.pool and replicas:
            waiting = self._waiting(name, self._per_s("attempts", name))
            yield Use(name, "connections", busy, link.pool * replicas, *waiting)

    def host(self, name: str) -> Iterator[Use]:
        """Its processor."""
        cores = self._mean("cpu_share", MACHINE if len(self.deployment.hosts) == 1 else name)
        if cores:
            yield Use(name, "cores", cores, self.deployment.hosts[name].cores)

    def _waiting(self, name: str, per_s: float) -> tuple[float | None, float | None]:
        queue = self._mean("queue", name)
        return queue, (queue / per_s * 1000 if queue is not None and per_s > 0 else None)

    def _mean(self, name: str, component: str) -> float | None:
        return self.readings.mean(name, component, self.window)

    def _per_s(self, name: str, *components: str) -> float:
        return self.readings.total(name, components, self.window) / (self.window.end_s - self.window.start_s)
