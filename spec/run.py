"""The record in which a measured run and a forecast both end. Everything after asks it only what it observes.

Columns (Arrow tables, one row each):

samples   a request, as its client saw it
spans     a call between two components, as the caller saw it (kind client) or the callee (kind server)
writes    a promised write: was it acknowledged, was it found afterwards
series    a gauge over time: processor share of a component, requests in a queue
sketches  of a forecast of very many requests, instead of samples and spans: how many times fell into which bucket
subjects  the same: how many ended how, by window and subject
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Annotated, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from windtunnel.spec.architecture import Architecture
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.frozen import Frozen
from windtunnel.spec.scenario import Scenario

SAMPLES = pa.schema(
    [
        pa.field("request", pa.int64(), nullable=False),
        pa.field("flow", pa.string(), nullable=False),
        pa.field("intended_s", pa.float64(), nullable=False),
        pa.field("sent_s", pa.float64(), nullable=False),
        pa.field("first_token_s", pa.float64()),  # null: not streamed, or never came
        pa.field("done_s", pa.float64(), nullable=False),
        pa.field("outcome", pa.string(), nullable=False),  # ok, timeout, error, rejected
        pa.field("status", pa.int16()),  # HTTP status; null: none came, or simulated
        pa.field("error", pa.string()),  # code or exception in words; null: ok
        pa.field("tokens", pa.int32()),  # deltas that arrived; null: not streamed
    ]
)
"""All times in seconds after the run's zero. latency = done_s - intended_s: no coordinated omission."""

SPANS = pa.schema(
    [
        pa.field("request", pa.int64(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),  # client, server
        pa.field("caller", pa.string(), nullable=False),  # component; of a server span: its caller if known, else ""
        pa.field("callee", pa.string(), nullable=False),
        pa.field("op", pa.string(), nullable=False),
        pa.field("replica", pa.string(), nullable=False),  # whose clock and process: app.0
        pa.field("attempt", pa.int16(), nullable=False),
        pa.field("start_s", pa.float64(), nullable=False),
        pa.field("duration_ms", pa.float64(), nullable=False),
        pa.field("outcome", pa.string(), nullable=False),  # spec.architecture.Outcome
        pa.field("wait_ms", pa.float64()),  # for a slot, a pool, a queue
        pa.field("first_token_ms", pa.float64()),
        pa.field("tokens", pa.int32()),
    ]
)

WRITES = pa.schema(
    [
        pa.field("request", pa.int64(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("found", pa.bool_()),  # null: could not be looked up
    ]
)
"""One row per id that a successful answer promised."""

SERIES = pa.schema(
    [
        pa.field("name", pa.string(), nullable=False),  # cpu_share, queue, in_use
        pa.field("component", pa.string(), nullable=False),
        pa.field("at_s", pa.float64(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
    ]
)

SKETCHES = pa.schema(
    [
        pa.field("window", pa.string(), nullable=False),
        pa.field("subject", pa.string(), nullable=False),  # of SUBJECTS
        pa.field("bucket", pa.int32(), nullable=False),  # of sim.answers.sketch
        pa.field("count", pa.int64(), nullable=False),
    ]
)

SUBJECTS = pa.schema(
    [
        pa.field("window", pa.string(), nullable=False),
        pa.field("subject", pa.string(), nullable=False),  # latency, answer, first_token, flow:chat, hop:app->db
        pa.field("ok", pa.int64(), nullable=False),
        pa.field("timeout", pa.int64(), nullable=False),
        pa.field("error", pa.int64(), nullable=False),
        pa.field("rejected", pa.int64(), nullable=False),
        pa.field("open", pa.int64(), nullable=False),
        pa.field("sum_ms", pa.float64(), nullable=False),
        pa.field("low_ms", pa.float64(), nullable=False),
        pa.field("high_ms", pa.float64(), nullable=False),
        pa.field("wait_ms", pa.float64(), nullable=False),  # in all, for places and connections
        pa.field("first", pa.int64(), nullable=False),  # of a hop: how many were the first exchange of their call
    ]
)
"""Subjects: latency (of requests that succeeded), answer (of all), first_token; then latencies of each flow and hop."""

SLICES = pa.schema(
    [
        pa.field("begin_s", pa.float64(), nullable=False),
        pa.field("requests", pa.int64(), nullable=False),  # that were due in it
        pa.field("ok", pa.int64(), nullable=False),  # of them
        pa.field("good", pa.int64(), nullable=False),  # of these: as quick as the objectives after the faults demand
    ]
)
"""A counted run in short stretches of equal length, from its beginning to its end."""

Observable = Literal["samples", "first_token", "spans", "writes", "series", "sketches"]


class Event(Frozen):
    """Something that happened to the run as a whole."""

    at_s: float
    what: Literal["zero", "window", "injected", "healed", "end", "note"]
    detail: str


class Evidence(Frozen):
    """One look at whether a fault did what it says."""

    proven: bool
    what: str
    """In words, with figures: ``canary 0.4 ms before, 503.2 ms during``."""


class Injection(Frozen):
    """A fault as it was carried out."""

    fault: str
    """``latency app->llm``."""
    injected_at_s: float
    healed_at_s: float
    evidence: tuple[Evidence, ...]

    @property
    def proven(self) -> bool:
        """Every look confirmed it, and there was at least one."""
        return bool(self.evidence) and all(item.proven for item in self.evidence)


class Check(Frozen):
    """Whether the run itself can be trusted: load delivered, host not saturated, nobody around a proxy, ..."""

    name: str
    ok: bool
    detail: str


class RunRecord(Frozen):
    """All of a run but its columns."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]
    kind: Literal["measured", "forecast"]
    scenario: Scenario
    architecture: Architecture
    deployment: Deployment
    backend: str
    """embedded, containers; simpy."""
    created_at: str | None
    """UTC, ISO 8601; None for a forecast, which is the same whenever it is made."""
    version: str
    replay: str
    """The command that does it again."""
    host: str = ""
    parameters: str | None = None
    """Id (digest) of the parameters a forecast used."""
    observes: tuple[Observable, ...]
    events: tuple[Event, ...] = ()
    injections: tuple[Injection, ...] = ()
    """Of a measured run."""
    unmodelled: tuple[str, ...] = ()
    """Of a forecast: faults or parts that the model does not know, in words."""
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class Run:
    """The record and its columns. Tables of what is not observed are empty."""

    record: RunRecord
    samples: pa.Table
    spans: pa.Table
    writes: pa.Table
    series: pa.Table
    sketches: pa.Table = field(default_factory=SKETCHES.empty_table)
    subjects: pa.Table = field(default_factory=SUBJECTS.empty_table)
    slices: pa.Table = field(default_factory=SLICES.empty_table)

    def __post_init__(self) -> None:
        """Hold every table to its schema. ValueError on another one."""
        for table, schema in (
            (self.samples, SAMPLES),
            (self.spans, SPANS),
            (self.writes, WRITES),
            (self.series, SERIES),
            (self.sketches, SKETCHES),
            (self.subjects, SUBJECTS),
            (self.slices, SLICES),
        ):
            if not table.schema.equals(schema):
                raise ValueError(f"found columns {table.schema.names}, expected {schema.names} with their types")

    def digest(self) -> str:
        """SHA-256 over the values of the samples, or of the sketches in their place: equal for equal seeds of a
        simulation."""
        table = self.sketches if "sketches" in self.record.observes else self.samples
        sink = pa.BufferOutputStream()
        # what lies in memory where a value is null is anything, and differs from engine to engine
        parts = {f"{name} is null": pc.is_null(table[name]) for name in table.schema.names}
        parts |= {name: pc.fill_null(table[name], _nothing(table[name].type)) for name in table.schema.names}
        told = pa.table(parts).combine_chunks()
        with pa.ipc.new_stream(sink, told.schema) as writer:
            writer.write_table(told)
        return hashlib.sha256(sink.getvalue()).hexdigest()


def _nothing(kind: pa.DataType) -> pa.Scalar:
    return pa.scalar("" if pa.types.is_string(kind) else 0, kind)
