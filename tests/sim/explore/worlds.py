"""One station whose times are known exactly, and workers that are threads: nothing has to be started."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from windtunnel.sim.explore.subject import Subject
from windtunnel.sim.explore.workers import Workers
from windtunnel.spec.architecture import Architecture
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.scenario import Scenario

SERVICE_S = 0.1
"""Mean of the exponential time that a request takes."""
PATIENT_MS = 1e9


def station(
    *,
    rate_per_s: float = 40,
    during_s: float = 120,
    slots: int = 1,
    replicas: int = 1,
    objectives: dict[str, Any] | None = None,
    faults: list[dict[str, Any]] | None = None,
    windows: dict[str, Any] | None = None,
    load: dict[str, Any] | None = None,
    costs: dict[str, Any] | None = None,
    balance: str = "random",
) -> Subject:
    """An app of exponential times in an endless queue, called by the client; each of random replicas is an M/M/c."""
    app = {"kind": "service", "max_concurrency": slots, "queue_limit": 1_000_000}
    step = {"call": "app", "streams": True, "service_ms": {"kind": "exponential", "mean": SERVICE_S * 1000}}
    architecture = {
        "name": "tiny",
        "components": {"app": app},
        "links": [{"from": "client", "to": "app", "timeout_ms": PATIENT_MS, "balance": balance}],
        "flows": {"ask": {"steps": [step]}},
    }
    scenario = {
        "name": "tiny",
        "question": "?",
        "architecture": "tiny",
        "load": {"rate_per_s": rate_per_s, "flows": {"ask": 1}, "prompts": {"distinct": 1}} | (load or {}),
        "windows": {"warm_up_s": 5, "during_s": during_s} | (windows or {}),
        "faults": faults or [],
        "scrape_s": 1,
        "objectives": {"during": objectives or {"latency_ms_p99": {"max": 1000}}},
    }
    deployment = {"name": "cluster", "hosts": {"cluster": {"cores": 64}}, "place": {"app": {"replicas": replicas}}}
    return Subject(
        Scenario.model_validate(scenario),
        Architecture.model_validate(architecture),
        Deployment.model_validate(deployment | ({"costs": costs} if costs else {})),
    )


@contextmanager
def here() -> Iterator[Workers]:
    """Trials one after the other, in this process."""
    with ThreadPoolExecutor(1) as executor:
        yield Workers(executor, 1)
