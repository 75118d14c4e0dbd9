"""Findings as JSON, for programs. Used by ``--json`` of every command that answers something."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from windtunnel.harness.report.finding import Finding, Judged


def as_json(findings: Sequence[Finding]) -> str:
    """A JSON array with an object per finding; its keys are those of Ruling and Comparison."""
    return json.dumps([finding_as_dict(finding) for finding in findings], indent=1, ensure_ascii=False)


def finding_as_dict(finding: Finding) -> dict[str, Any]:
    """Plain data: the verdict, the rulings, the comparison (None without a forecast), the runs' digests."""
    typical = finding.typical_error
    return {
        "scenario": finding.scenario.name,
        "question": finding.scenario.question,
        "seed": finding.scenario.seed,
        "verdict": str(finding.verdict),
        "measured": _judged(finding.measured),
        "forecast": _judged(finding.forecast),
        "comparison": finding.comparison.model_dump(mode="json") if finding.comparison else None,
        "typical_error": {"median": typical[0], "figures": typical[1]} if typical else None,
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
