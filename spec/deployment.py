"""Where an architecture runs: hosts, cores, replicas. A laptop is one shared processor, a cluster is many."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from windtunnel.spec.autoscale import Autoscale
from windtunnel.spec.costs import Costs
from windtunnel.spec.frozen import Frozen, Name
from windtunnel.spec.problem import problem_at


class Host(Frozen):
    """A machine whose processor all components on it share."""

    cores: Annotated[float, Field(gt=0, le=4096)]
    """Processor seconds per second."""


class Placement(Frozen):
    """Copies of a component and the host they stand on."""

    replicas: Annotated[int, Field(ge=1, le=10_000)] = 1
    """How many, at the start where it is scaled."""
    host: Name | None = None
    """None: the first host."""
    zones: tuple[Name, ...] = ()
    """Where the copies stand: copy i in zones[i modulo their number]. None: in no zone that could fail."""
    autoscale: Autoscale | None = None
    """None: ``replicas`` all the time."""

    @model_validator(mode="after")
    def _within_limits(self) -> Placement:
        limits = self.autoscale
        if limits is not None and not limits.min <= self.replicas <= limits.max:
            raise problem_at(
                "replicas", f"{self.replicas}", f"a number between autoscale's min {limits.min} and max {limits.max}"
            )
        return self


class Deployment(Frozen):
    """Hosts, and where each component stands; one that is not named has one replica on the first host."""

    name: Name
    """As runs call it."""
    hosts: Annotated[dict[Name, Host], Field(min_length=1)]
    """The machines, by name."""
    place: dict[Name, Placement] = {}
    """By component."""
    costs: Costs | None = None
    """None: no forecast says what it costs."""

    @model_validator(mode="after")
    def _consistent(self) -> Deployment:
        for component, placement in self.place.items():
            if placement.host is not None and placement.host not in self.hosts:
                raise problem_at(
                    f"place.{component}.host",
                    f"{placement.host!r}",
                    "a declared host",
                    placement.host,
                    self.hosts,
                )
        return self

    def placement(self, component: str) -> Placement:
        """Where and how often a component stands."""
        return self.place.get(component, Placement())

    def replicas(self, component: str) -> int:
        """How many copies of a component run, at the start where it is scaled."""
        return self.placement(component).replicas

    def most_replicas(self, component: str) -> int:
        """How many copies of a component may come to run at once."""
        placement = self.placement(component)
        return placement.autoscale.max if placement.autoscale else placement.replicas

    def zone(self, component: str, replica: int) -> str | None:
        """The zone that a copy stands in, if any."""
        zones = self.placement(component).zones
        return zones[replica % len(zones)] if zones else None

    @property
    def zones(self) -> tuple[str, ...]:
        """All zones that something stands in, in the order of their first naming."""
        return tuple(dict.fromkeys(zone for placement in self.place.values() for zone in placement.zones))

    def host(self, component: str) -> str:
        """The name of the host that a component stands on."""
        return self.placement(component).host or next(iter(self.hosts))

    def instances(self, component: str) -> tuple[str, ...]:
        """The names of a component's copies: ``app.0``, ``app.1``."""
        return tuple(f"{component}.{index}" for index in range(self.replicas(component)))
