"""Where an architecture runs: hosts, cores, replicas. A laptop is one shared processor, a cluster is many."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from windtunnel.spec.architecture import problem_at
from windtunnel.spec.frozen import Frozen, Name


class Host(Frozen):
    """A machine whose processor all components on it share."""

    cores: Annotated[float, Field(gt=0, le=4096)]


class Placement(Frozen):
    """Copies of a component and the host they stand on."""

    replicas: Annotated[int, Field(ge=1, le=10_000)] = 1
    host: Name | None = None
    """None: the first host."""


class Deployment(Frozen):
    """Hosts, and where each component stands; one that is not named has one replica on the first host."""

    name: Name
    hosts: Annotated[dict[Name, Host], Field(min_length=1)]
    place: dict[Name, Placement] = {}

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

    def replicas(self, component: str) -> int:
        """How many copies of a component run."""
        return self.place.get(component, Placement()).replicas

    def host(self, component: str) -> str:
        """The name of the host that a component stands on."""
        return self.place.get(component, Placement()).host or next(iter(self.hosts))

    def instances(self, component: str) -> tuple[str, ...]:
        """The names of a component's copies: ``app.0``, ``app.1``."""
        return tuple(f"{component}.{index}" for index in range(self.replicas(component)))
