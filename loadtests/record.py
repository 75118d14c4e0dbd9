"""What the generator leaves behind: samples, promises, and how well it did its own work; read by the harness."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from windtunnel.loadtests.outcome import Outcome
from windtunnel.spec.load_plan import PROMISES
from windtunnel.spec.run import SAMPLES


@dataclass(frozen=True, slots=True)
class Sample:
    """A row of ``spec.run.SAMPLES``; times in seconds after the run's zero."""

    request: int
    flow: str
    intended_s: float
    sent_s: float
    first_token_s: float | None
    done_s: float
    outcome: Outcome
    status: int | None
    error: str | None
    tokens: int | None

    @property
    def latency_ms(self) -> float:
        """From the intended start, so that a stalled service cannot hide its stall."""
        return (self.done_s - self.intended_s) * 1000


@dataclass(frozen=True, slots=True)
class Promise:
    """A row of ``spec.load_plan.PROMISES``."""

    request: int
    id: str
    path: str


@dataclass(frozen=True)
class GeneratorReport:
    """generator.json: whether the load was delivered as planned. A lag is sent - intended; None without requests."""

    planned: int
    sent: int
    completed: int
    interrupted: bool
    lag_ms_p50: float | None
    lag_ms_p99: float | None
    lag_ms_max: float | None
    cpu_seconds: float
    """Of this process, from the run's zero to its last answer."""
    zero_unix_s: float
    version: str


def as_table(rows: Iterable[Any], schema: pa.Schema) -> pa.Table:
    """Rows in the order of their requests, one column per field."""
    ordered = sorted(rows, key=lambda row: row.request)
    columns = [pa.array([getattr(row, field.name) for row in ordered], field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def write(directory: Path, samples: Sequence[Sample], promises: Sequence[Promise], report: GeneratorReport) -> None:
    """Write all three files; generator.json comes last, so where it stands the others are whole."""
    directory.mkdir(parents=True, exist_ok=True)
    pq.write_table(as_table(samples, SAMPLES), directory / "samples.parquet")
    pq.write_table(as_table(promises, PROMISES), directory / "promises.parquet")
    unfinished = directory / "generator.json.unfinished"
    unfinished.write_text(json.dumps(asdict(report), indent=2) + "\n")
    unfinished.rename(directory / "generator.json")
