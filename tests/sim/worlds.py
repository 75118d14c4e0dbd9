"""Small services with known times, built by hand: the worlds in which the model is tested."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from windtunnel.sim.simulate import simulate
from windtunnel.spec.architecture import Architecture
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.distribution import Constant, Distribution
from windtunnel.spec.parameters import CallParameters, Estimate, Parameters, Provenance
from windtunnel.spec.run import Run
from windtunnel.spec.scenario import Scenario

ONE_HOST: dict[str, Any] = {"name": "laptop", "hosts": {"laptop": {"cores": 2}}}
PROVENANCE = Provenance(
    runs=("by-hand",),
    rate_per_s=1,
    measured_at="2026-01-01T00:00:00Z",
    host="none",
    cores=2,
    backend="none",
    version="0",
)


def estimate(distribution: Distribution | float) -> Estimate:
    """What calibration would say of a distribution, or of a constant."""
    known = Constant(value=distribution) if isinstance(distribution, int | float) else distribution
    return Estimate(distribution=known, n=1, median_low=known.at(0.5), median_high=known.at(0.5))


def times(**parts: Distribution | float) -> CallParameters:
    """Parameters of one call: ``times(service_ms=10, link_ms=1)``."""
    return CallParameters(**{name: estimate(value) for name, value in parts.items()})


def parameters(calls: Mapping[str, CallParameters], *, architecture: str = "tiny", **cpu_ms: float) -> Parameters:
    """All the times of a service."""
    return Parameters(architecture=architecture, calls=dict(calls), cpu_ms=cpu_ms, provenance=PROVENANCE)


def llm(slots: int, **more: Any) -> dict[str, Any]:
    """An LLM component; its physics come from the parameters."""
    physics = {name: {"kind": "constant", "value": 1} for name in ("first_token_ms", "token_ms", "output_tokens")}
    return {"kind": "llm", "slots": slots, **physics, **more}


def service(**more: Any) -> dict[str, Any]:
    """A service component."""
    return {"kind": "service", "module": "none", **more}


def architecture(components: dict[str, Any], links: list[dict[str, Any]], steps: list[dict[str, Any]]) -> Architecture:
    """A service with one flow, ``ask``."""
    flows = {"ask": {"request": {"path": "/"}, "steps": steps}}
    return Architecture.model_validate({"name": "tiny", "components": components, "links": links, "flows": flows})


def scenario(
    *, rate_per_s: float = 1, during_s: float = 1, faults: list[dict[str, Any]] | None = None, **more: Any
) -> Scenario:
    """Requests at regular times without a warm-up, unless said otherwise."""
    load = {"arrivals": "constant", "rate_per_s": rate_per_s, "flows": {"ask": 1}} | more.pop("load", {})
    windows = {"warm_up_s": 0, "during_s": during_s} | more.pop("windows", {})
    return Scenario.model_validate(
        {
            "name": "tiny",
            "question": "?",
            "architecture": "tiny",
            "load": load,
            "windows": windows,
            "faults": faults or [],
            "objectives": {"during": {"error_ratio": {"max": 1}}},
            **more,
        }
    )


def forecast(said: Scenario, built: Architecture, known: Parameters, deployment: dict[str, Any] | None = None) -> Run:
    """Simulate, on one host with two cores unless said otherwise."""
    placed = Deployment.model_validate(deployment or ONE_HOST)
    return simulate(said, built, placed, known, replay="windtunnel simulate tiny", version="0")


def column(table: pa.Table, name: str, **where: Any) -> list[Any]:
    """The values of a column in the rows that match."""
    return [row[name] for row in table.to_pylist() if all(row[key] == value for key, value in where.items())]


def answer_ms(run: Run) -> list[float]:
    """From intended start to the end, of every request."""
    rows = run.samples.to_pylist()
    return [(row["done_s"] - row["intended_s"]) * 1000 for row in rows]


def outcomes(run: Run) -> list[str]:
    """Of every request."""
    return list(run.samples["outcome"].to_pylist())
