"""Pairs as JSON, for programs. Used by ``--json`` of every command that answers something."""

from __future__ import annotations

from typing import Any

from windtunnel.harness.report import alerting, capacity
from windtunnel.harness.report.pair import Judged, Pair


def as_data(pair: Pair) -> dict[str, Any]:
    """Plain data for ``json.dumps``: the verdict, the rulings, the comparison (None where there is nothing to compare),
    the runs' digests."""
    typical = pair.typical_error
    return {
        "scenario": pair.scenario.name,
        "question": pair.scenario.question,
        "seed": pair.scenario.seed,
        "verdict": str(pair.verdict),
        "measured": _judged(pair.measured_judged),
        "forecast": _judged(pair.forecast_judged),
        "comparison": pair.comparison.model_dump(mode="json") if pair.comparison else None,
        "typical_error": {"median": typical[0], "figures": typical[1]} if typical else None,
        "answer": capacity.as_data(pair.answer) if pair.answer else None,
        "replications": [str(verdict) for verdict in pair.replicated],
        "alerts": alerting.as_data(pair),
    }


def _judged(judged: Judged | None) -> dict[str, Any] | None:
    if judged is None:
        return None
    record = judged.run.record
    return {
        "ruling": judged.ruling.model_dump(mode="json"),
        "exit_code": judged.ruling.exit_code,
        "digest": judged.run.digest(),
        "requests": len(judged.run.samples),
        "created_at": record.created_at,
        "backend": record.backend,
        "parameters": record.parameters,
        "replay": record.replay,
        "version": record.version,
        "injections": [one.model_dump(mode="json") | {"proven": one.proven} for one in record.injections],
        "checks": [one.model_dump(mode="json") for one in record.checks],
        "unmodelled": list(record.unmodelled),
    }
