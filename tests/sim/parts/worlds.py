"""A small service with a word for each part, and its compilation."""

from __future__ import annotations

from typing import Any

from tests.sim.worlds import ONE_HOST, scenario
from windtunnel.sim.compiler import compile_model
from windtunnel.sim.model import Model, Station, Wire
from windtunnel.spec.architecture import Architecture
from windtunnel.spec.deployment import Deployment


def ms(value: float) -> dict[str, Any]:
    """Always so many."""
    return {"kind": "constant", "value": value}


def call(component: str, **more: Any) -> dict[str, Any]:
    """A call of a millisecond."""
    return {"call": component, "service_ms": ms(1), **more}


def link(name: str, **more: Any) -> dict[str, Any]:
    """``a->b``, with a second's patience."""
    caller, callee = name.split("->")
    return {"from": caller, "to": callee, "timeout_ms": 1000, **more}


def drawn(
    components: dict[str, dict[str, Any]], links: list[dict[str, Any]], **flows: list[dict[str, Any]]
) -> Architecture:
    """An architecture that only the model knows."""
    said = {"name": "tiny", "components": components, "links": links}
    return Architecture.model_validate(said | {"flows": {name: {"steps": steps} for name, steps in flows.items()}})


def compiled(built: Architecture, place: dict[str, Any] | None = None, **said: Any) -> Model:
    """Without parameters, on one host. ``said``: of the scenario."""
    load = {"flows": dict.fromkeys(built.flows, 1)} | said.pop("load", {})
    deployment = Deployment.model_validate(ONE_HOST | {"place": place or {}})
    return compile_model(scenario(load=load, **said), built, deployment, None)


def one(component: dict[str, Any], place: dict[str, Any] | None = None, name: str = "app") -> Station:
    """A component that the client calls, as a station."""
    built = drawn({name: component}, [link(f"client->{name}")], ask=[call(name)])
    return compiled(built, {name: place} if place else None).stations[0]


def wire(**more: Any) -> Wire:
    """The link from a service to another, as a wire."""
    built = drawn(
        {"app": {"kind": "service"}, "other": {"kind": "service"}},
        [link("client->app"), link("app->other", **more)],
        ask=[call("app", steps=[call("other")])],
    )
    return compiled(built).wires[1]
