"""Small drawings that say their own times: the worlds in which answers are tested."""

from __future__ import annotations

from typing import Any

from windtunnel.sim.simulate import simulate
from windtunnel.spec.architecture import Architecture
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.run import Run
from windtunnel.spec.scenario import Scenario

MEAN_MS = 10.0
"""The mean work of the queues below; rates are in units of its inverse."""
EXPONENTIAL = {"kind": "exponential", "mean": MEAN_MS}
FOREVER = {"timeout_ms": 1e9}
Parts = tuple[Scenario, Architecture, Deployment]


def drawn(
    components: dict[str, Any],
    flows: dict[str, Any],
    links: list[dict[str, Any]],
    *,
    load: dict[str, Any],
    place: dict[str, Any] | None = None,
    cores: float = 8,
    costs: dict[str, Any] | None = None,
    **scenario: Any,
) -> Parts:
    """Links without a time-out wait forever."""
    return (
        Scenario.model_validate(
            {
                "name": "drawn",
                "question": "?",
                "architecture": "drawn",
                "load": {"flows": dict.fromkeys(flows, 1), **load},
                "windows": {"warm_up_s": 0, "during_s": 10},
                "objectives": {"during": {"error_ratio": {"max": 1}}},
            }
            | scenario
        ),
        Architecture.model_validate(
            {"name": "drawn", "components": components, "links": [FOREVER | link for link in links], "flows": flows}
        ),
        Deployment.model_validate(
            {"name": "host", "hosts": {"host": {"cores": cores}}, "place": place or {}, "costs": costs}
        ),
    )


def queue(
    service_ms: Any = EXPONENTIAL, *, load: float = 0.8, slots: int = 1, link: dict[str, Any] | None = None, **more: Any
) -> Parts:
    """Requests for one database; ``load``: arrivals in the mean time of a service."""
    return drawn(
        {"db": {"kind": "database", "max_concurrency": slots, **more}},
        {"ask": {"steps": [{"call": "db", "service_ms": service_ms}]}},
        [{"from": "client", "to": "db", **(link or {})}],
        load={"rate_per_s": load * 1000 / MEAN_MS},
    )


def simulated(parts: Parts, seed: int = 1) -> Run:
    """A forecast by the readable engine."""
    scenario, architecture, deployment = parts
    seeded = scenario.model_copy(update={"seed": seed})
    return simulate(seeded, architecture, deployment, None, replay="", version="0", engine="simpy")
