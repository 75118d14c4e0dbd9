"""The cases as an architect would draw them, through the compiler and both of our engines. Nothing is wired by hand."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from benchmarks.cases import PARTS, Answer, Case, Stop
from windtunnel.sim import compiled
from windtunnel.sim.compiler import compile_model
from windtunnel.sim.model import Model
from windtunnel.sim.reference.engine import execute
from windtunnel.spec.architecture import Architecture
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.scenario import Scenario

SCRAPE_S = 15.0
"""How often the forecast's time series is read: Prometheus' usual interval, instead of a short test's half second."""
CORES = 64
"""More than enough: no case computes."""


def compiled_counted(case: Case, requests: int, seed: int) -> Answer:
    """The compiled engine as for long runs: answers are counted in sketches, in as many windows as scenarios have."""
    model = _model(case, requests, seed)
    ends_s = [model.duration_s * part / PARTS for part in range(PARTS + 1)]
    run = compiled.Compiled(model, samples=False, spans=False, windows=tuple(pairwise(ends_s)))
    run.run()
    counted = run.counted()
    answers = [counted.subjects[part, "answers"].sketch for part in range(PARTS)]
    return Answer(sum(part.total for part in answers), tuple(part.mean() for part in answers))


def compiled_sampled(case: Case, requests: int, seed: int) -> Answer:
    """The compiled engine with a sample of every request."""
    run = compiled.Compiled(_model(case, requests, seed), samples=True, spans=False)
    run.run()
    samples = run.samples()
    return Answer.of((samples["done"] - samples["intended"]) * 1000)


def readable(case: Case, requests: int, seed: int) -> Answer:
    """The reference engine, with samples and spans."""
    samples = execute(_model(case, requests, seed)).samples
    sojourns_s = samples["done_s"].to_numpy() - samples["intended_s"].to_numpy()
    return Answer.of(sojourns_s * 1000)


def _model(case: Case, requests: int, seed: int) -> Model:
    """About so many requests of a case."""
    deployment = Deployment.model_validate({"name": "roomy", "hosts": {"host": {"cores": CORES}}})
    scenario = Scenario.model_validate(
        {
            "question": "How fast are the engines?",
            "architecture": "drawn_here",
            "seed": seed,
            "load": {"rate_per_s": case.rate_per_s, "flows": {"ask": 1}, "prompts": {"distinct": 1}},
            "windows": {"warm_up_s": 0, "during_s": requests / case.rate_per_s},
            "scrape_s": SCRAPE_S,
            "objectives": {"during": {"error_ratio": {"max": 1}}},
        }
    )
    return compile_model(scenario, drawn(case), deployment, None)


def drawn(case: Case) -> Architecture:
    """A case as a drawing. The stops of several are called one after the other by an edge that takes no time, since a
    caller holds its own place while it calls."""
    parts = {stop.name: _component(stop) for stop in case.stops}
    patience: dict[str, Any] = {"timeout_ms": "never"}
    if case.timeout_ms is not None:
        retries = {"max": 1, "backoff_ms": case.backoff_ms, "jitter": "full"}
        patience = {"timeout_ms": case.timeout_ms, "retries": retries}
    calls = [_call(stop) for stop in case.stops]
    if len(calls) == 1:
        links, entry = [{"from": "client", "to": case.stops[0].name, **patience}], calls[0]
    else:
        parts["edge"] = {"kind": "service"}
        links = [{"from": "client", "to": "edge", **patience}]
        links += [{"from": "edge", "to": stop.name, "timeout_ms": "never", **_pool(stop)} for stop in case.stops]
        entry = {"call": "edge", "service_ms": 0, "steps": calls}
    return Architecture.model_validate(
        {"name": "drawn_here", "components": parts, "links": links, "flows": {"ask": {"steps": [entry]}}}
    )


def _component(stop: Stop) -> dict[str, Any]:
    match stop.name:
        case "llm":  # whose whole answer is its first token
            return {
                "kind": "llm",
                "slots": stop.servers,
                "first_token_ms": _time(stop),
                "token_ms": 0,
                "output_tokens": 1,
            }
        case "db":
            return {"kind": "database"}
        case "app":
            return {"kind": "service", "max_concurrency": stop.servers, "queue_limit": 1_000_000}
    return {"kind": "gateway", "max_concurrency": stop.servers}


def _pool(stop: Stop) -> dict[str, Any]:
    """A database's servers are the connections to it, and what nobody waits for is cancelled, as elsewhere."""
    return {"pool": stop.servers, "on_timeout": "cancel"} if stop.name == "db" else {}


def _call(stop: Stop) -> dict[str, Any]:
    return {"call": stop.name, "service_ms": 0 if stop.name == "llm" else _time(stop)}


def _time(stop: Stop) -> dict[str, Any]:
    if stop.sigma:
        return {"kind": "lognormal", "median": stop.median_ms, "sigma": stop.sigma}
    return {"kind": "exponential", "mean": stop.mean_ms}
