"""Runs made of arrays: the worlds in which the harness's tests take place. No server, no simulator, valid records.

``run(...)`` takes what a test is about and fills in the rest. A scenario of 1 s warm-up, 10 s before, 10 s during and
10 s after, with whatever faults and objectives are asked for; client -> app -> db and app -> llm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from windtunnel.spec.architecture import Architecture
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.run import SAMPLES, SERIES, SPANS, WRITES, Check, Evidence, Injection, Run, RunRecord
from windtunnel.spec.scenario import Scenario

ARCHITECTURE = Architecture.model_validate(
    {
        "name": "toy",
        "components": {
            "app": {"kind": "service", "module": "toy.app"},
            "db": {"kind": "database"},
            "llm": {
                "kind": "llm",
                "slots": 4,
                "first_token_ms": {"kind": "constant", "value": 100},
                "token_ms": {"kind": "constant", "value": 10},
                "output_tokens": {"kind": "constant", "value": 20},
            },
        },
        "links": [
            {"from": "client", "to": "app", "timeout_ms": 5000},
            {"from": "app", "to": "db", "timeout_ms": 1000},
            {"from": "app", "to": "llm", "timeout_ms": 2000},
        ],
        "flows": {
            "chat": {
                "request": {"method": "POST", "path": "/chat", "response": "sse"},
                "steps": [
                    {"call": "app", "steps": [{"call": "db"}, {"call": "llm", "streams": True}], "streams": True}
                ],
            }
        },
    }
)
DEPLOYMENT = Deployment.model_validate({"name": "laptop", "hosts": {"laptop": {"cores": 2}}})
PROVEN = Evidence(proven=True, what="canary 0.4 ms before, 503.2 ms during")
UNPROVEN = Evidence(proven=False, what="canary 0.4 ms before, 0.4 ms during")


def scenario(
    objectives: Mapping[str, Mapping[str, Any]] | None = None, faults: Sequence[Mapping[str, Any]] = (), **changes: Any
) -> Scenario:
    """One question about the toy; windows of 1 (warm-up), 10, 10 and 10 s unless told otherwise."""
    return Scenario.model_validate(
        {
            "name": "toy_question",
            "question": "Does the toy hold?",
            "architecture": "toy",
            "seed": 7,
            "load": {"rate_per_s": 40, "flows": {"chat": 1}},
            "windows": {"warm_up_s": 1, "before_s": 10, "during_s": 10, "after_s": 10},
            "faults": list(faults),
            "objectives": objectives or {"during": {"error_ratio": {"max": 0.01}}},
        }
        | changes
    )


def samples(
    intended_s: Iterable[float],
    latency_ms: float | Iterable[float] = 100.0,
    outcome: str | Sequence[str] = "ok",
    first_token_ms: float | Iterable[float] | None = None,
) -> pa.Table:
    """A row per request; a scalar holds for all. A first token that comes after the end never came."""
    at_s = np.fromiter(intended_s, float)
    latency_s = np.broadcast_to(np.asarray(latency_ms, float), at_s.shape) / 1000
    outcomes = [outcome] * len(at_s) if isinstance(outcome, str) else list(outcome)
    first: list[float | None] = [None] * len(at_s)
    if first_token_ms is not None:
        first_s = np.broadcast_to(np.asarray(first_token_ms, float), at_s.shape) / 1000
        first = [
            float(at + early) if early <= late else None
            for at, early, late in zip(at_s, first_s, latency_s, strict=True)
        ]
    return pa.table(
        {
            "request": np.arange(len(at_s)),
            "flow": ["chat"] * len(at_s),
            "intended_s": at_s,
            "sent_s": at_s,
            "first_token_s": pa.array(first, pa.float64()),
            "done_s": at_s + latency_s,
            "outcome": outcomes,
            "status": pa.array([{"ok": 200, "timeout": 504}.get(word, 503) for word in outcomes], pa.int16()),
            "error": pa.array([None if word == "ok" else word for word in outcomes], pa.string()),
            "tokens": pa.nulls(len(at_s), pa.int32()),
        },
        schema=SAMPLES,
    )


def spans(
    requests: Iterable[int],
    hop: str = "app->db",
    duration_ms: float | Iterable[float] = 10.0,
    outcome: str | Sequence[str] = "ok",
    first_token_ms: float | Iterable[float] | None = None,
    kind: Literal["client", "server"] = "client",
) -> pa.Table:
    """A call on one hop for each of these requests."""
    request = np.fromiter(requests, np.int64)
    caller, _, callee = hop.partition("->")
    first = pa.nulls(len(request), pa.float64())
    if first_token_ms is not None:
        first = pa.array(np.broadcast_to(np.asarray(first_token_ms, float), request.shape))
    return pa.table(
        {
            "request": request,
            "kind": [kind] * len(request),
            "caller": [caller] * len(request),
            "callee": [callee] * len(request),
            "op": ["call"] * len(request),
            "replica": [f"{caller}.0"] * len(request),
            "attempt": pa.array(np.zeros(len(request)), pa.int16()),
            "start_s": request / 40,
            "duration_ms": np.broadcast_to(np.asarray(duration_ms, float), request.shape),
            "outcome": [outcome] * len(request) if isinstance(outcome, str) else list(outcome),
            "wait_ms": pa.nulls(len(request), pa.float64()),
            "first_token_ms": first,
            "tokens": pa.nulls(len(request), pa.int32()),
        },
        schema=SPANS,
    )


def writes(found: Mapping[int, bool | None]) -> pa.Table:
    """By request: was its one promised write found afterwards?"""
    return pa.table(
        {
            "request": list(found),
            "id": [f"m{request}" for request in found],
            "found": pa.array(list(found.values()), pa.bool_()),
        },
        schema=WRITES,
    )


def series(component: str, at_s: Sequence[float], value: Sequence[float], name: str = "cpu_share") -> pa.Table:
    """One gauge."""
    return pa.table(
        {"name": [name] * len(at_s), "component": [component] * len(at_s), "at_s": at_s, "value": value}, schema=SERIES
    )


def injection(
    fault: str = "outage app->db", *evidence: Evidence, at_s: tuple[float, float] = (11.0, 21.0)
) -> Injection:
    """A fault that was carried out in the window ``during``; proven unless other evidence is given."""
    return Injection(fault=fault, injected_at_s=at_s[0], healed_at_s=at_s[1], evidence=evidence or (PROVEN,))


def run(
    asked: Scenario | None = None,
    table: pa.Table | None = None,
    *,
    kind: Literal["measured", "forecast"] = "measured",
    found: Mapping[int, bool | None] | None = None,
    calls: Sequence[pa.Table] = (),
    gauges: Sequence[pa.Table] = (),
    **changes: Any,
) -> Run:
    """A run of a scenario. It observes what it is given tables of; ``changes`` go into the record."""
    table = samples(np.arange(0, 31, 0.025)) if table is None else table
    observes = ["samples"]
    observes += ["first_token"] if table["first_token_s"].null_count < len(table) else []
    observes += [word for word, given in (("spans", calls), ("writes", found is not None), ("series", gauges)) if given]
    record: dict[str, Any] = {
        "id": f"{kind}-1",
        "kind": kind,
        "scenario": asked or scenario(),
        "architecture": ARCHITECTURE,
        "deployment": DEPLOYMENT,
        "backend": "embedded" if kind == "measured" else "simpy",
        "created_at": "2026-03-01T12:00:00Z" if kind == "measured" else None,
        "version": "0.1.0",
        "replay": "windtunnel run toy_question.yaml --set seed=7",
        "observes": observes,
    }
    return Run(
        RunRecord.model_validate(record | changes),
        table,
        pa.concat_tables([SPANS.empty_table(), *calls]).combine_chunks(),
        writes(found or {}),
        pa.concat_tables([SERIES.empty_table(), *gauges]).combine_chunks(),
    )


def lively(
    kind: Literal["measured", "forecast"] = "measured", seed: int = 1, slower: float = 1.0, **changes: Any
) -> Run:
    """A run with a bit of everything: a database outage from 11 s to 21 s, hops, first tokens, writes, gauges."""
    draw = np.random.default_rng(seed)
    asked = scenario(
        {
            "before": {"error_ratio": {"max": 0.01}, "latency_ms_p90": {"max": 800}},
            "during": {"answer_ms_p90": {"max": 600}, "acknowledged_writes_lost": {"max": 0}},
            "after": {"recovery_s": {"max": 3}, "latency_ms_p99": {"max": 900}},
        },
        [{"outage": "app->db"}],
        question="When the database cannot be reached, is every caller told in time, and does the service come back?",
    )
    at_s = np.sort(draw.uniform(0, 31, 31 * 40))
    down = (at_s >= 11.0) & (at_s < 21.6)
    llm_ms = draw.lognormal(np.log(320), 0.35, len(at_s)) * slower
    db_ms = draw.lognormal(np.log(4), 0.5, len(at_s)) * slower
    failed = down & (draw.random(len(at_s)) < 0.9)
    outcome = np.where(failed, np.where(draw.random(len(at_s)) < 0.2, "timeout", "error"), "ok")
    total_ms = np.where(failed, draw.uniform(2, 300, len(at_s)), llm_ms + db_ms + 3)
    good = np.flatnonzero(~failed)
    clock = np.arange(0, 31, 0.5)
    details: dict[str, Any] = {}
    if kind == "measured":
        details |= {
            "found": {int(request): True for request in good},
            "injections": [injection(at_s=(11.02, 21.05))],
            "checks": [
                Check(name="load delivered", ok=True, detail="1,240 of 1,240 requests, lag p99 1.9 ms"),
                Check(name="host not saturated", ok=True, detail="38 % of 2 cores on average"),
            ],
            "host": "2 cores",
        }
    else:
        details |= {"parameters": "3f9c2a71", "replay": "windtunnel simulate toy_question.yaml --set seed=7"}
    return run(
        asked,
        samples(at_s, total_ms, outcome.tolist(), llm_ms * 0.4),
        kind=kind,
        calls=[
            spans(np.arange(len(at_s)), "client->app", total_ms, outcome.tolist()),
            spans(np.arange(len(at_s)), "app->db", np.where(failed, 2.0, db_ms), outcome.tolist()),
            spans(good, "app->llm", llm_ms[good], "ok", llm_ms[good] * 0.4),
        ],
        gauges=[
            series(name, clock.tolist(), (share * slower * (1 + 0.2 * draw.random(len(clock)))).tolist())
            for name, share in (("host", 0.8), ("app", 0.35), ("db", 0.12), ("llm", 0.2))
        ],
        **details | changes,
    )
