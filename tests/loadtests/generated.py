"""Runs the generator as the harness does, as a process of its own, and reads what it left."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from windtunnel.spec.load_plan import PROMISES, LoadPlan
from windtunnel.spec.run import SAMPLES


@dataclass(frozen=True)
class Generated:
    """All files and lines of one run."""

    samples: list[dict[str, Any]]
    promises: list[dict[str, Any]]
    report: dict[str, Any]
    lines: list[dict[str, Any]]

    def by_flow(self, flow: str) -> list[dict[str, Any]]:
        found = [sample for sample in self.samples if sample["flow"] == flow]
        assert found, f"no sample of {flow}"
        return found


def flow(path: str, **more: Any) -> dict[str, Any]:
    """A flow whose inside does not matter here."""
    acknowledges = more.pop("acknowledges", None)
    return {"request": {"path": path, **more}, "acknowledges": acknowledges, "steps": [{"call": "app"}]}


def plan(directory: Path, url: str, flows: dict[str, Any], **more: Any) -> LoadPlan:
    """A plan with a plain load of 20 requests per second for a second, flows alike."""
    load = {"arrivals": "constant", "rate_per_s": 20, "flows": dict.fromkeys(flows, 1)} | more.pop("load", {})
    defaults = {"duration_s": 1, "seed": 7, "timeout_ms": 5000, "nonce": "00112233aabbccdd", "zero_unix_s": None}
    values = defaults | {"entry_url": url, "load": load, "flows": flows, "output": str(directory)} | more
    return LoadPlan.model_validate(values)


def start(plan: LoadPlan, program: Sequence[str] = ("-m", "windtunnel.loadtests")) -> subprocess.Popen[str]:
    """The process; its standard streams are pipes."""
    plan.output.mkdir(parents=True)
    file = plan.output / "plan.json"
    file.write_text(plan.model_dump_json(by_alias=True))
    command = [sys.executable, *program, str(file)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str], plan: LoadPlan, before: str = "") -> Generated:
    """Wait for a good end; ``before`` is what was read of its output already."""
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, err) == (0, "")
    samples = pq.read_table(plan.output / "samples.parquet")
    promises = pq.read_table(plan.output / "promises.parquet")
    assert samples.schema.equals(SAMPLES)
    assert promises.schema.equals(PROMISES)
    return Generated(
        samples.to_pylist(),
        promises.to_pylist(),
        json.loads((plan.output / "generator.json").read_text()),
        [json.loads(line) for line in (before + out).splitlines()],
    )


def generate(plan: LoadPlan) -> Generated:
    """One run from start to end."""
    return finish(start(plan), plan)
