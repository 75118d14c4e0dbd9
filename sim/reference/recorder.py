"""Rows of a simulated run, collected one by one and ordered at the end, and what is counted. Used by the engine."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pyarrow as pa

from windtunnel.sim.model import SUCCESSFUL, Outcome
from windtunnel.spec.run import SAMPLES, SERIES, SPANS, WRITES


@dataclass(frozen=True)
class Sample:
    """A row of spec.run.SAMPLES."""

    request: int
    flow: str
    intended_s: float
    sent_s: float
    first_token_s: float | None
    done_s: float
    outcome: str
    status: int | None
    error: str | None
    tokens: int | None


@dataclass(frozen=True)
class Span:
    """A row of spec.run.SPANS."""

    request: int
    kind: str
    caller: str
    callee: str
    op: str
    replica: str
    attempt: int
    start_s: float
    duration_ms: float
    outcome: str
    wait_ms: float | None
    first_token_ms: float | None
    tokens: int | None


@dataclass(frozen=True)
class Reading:
    """A row of spec.run.SERIES."""

    name: str
    component: str
    at_s: float
    value: float


@dataclass(frozen=True)
class Tables:
    """What an engine hands back."""

    samples: pa.Table
    spans: pa.Table
    writes: pa.Table
    series: pa.Table


class Recorder:
    """Collects."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.samples: list[Sample] = []
        self.spans: list[Span] = []
        self.series: list[Reading] = []
        self.ended: Counter[Outcome] = Counter()
        """Requests, by how they ended for the client; every success is OK."""

    def sample(
        self, *, request: int, flow: str, intended_s: float, done_s: float, outcome: Outcome, heard: Heard
    ) -> None:
        """A request has ended."""
        known = Outcome.OK if outcome in SUCCESSFUL else outcome
        self.ended[known] += 1
        self.samples.append(
            Sample(
                request=request,
                flow=flow,
                intended_s=intended_s,
                sent_s=intended_s,
                first_token_s=heard.first_s,
                done_s=done_s,
                outcome=word(known),
                status=None,
                error=None if known is Outcome.OK else word(known),
                tokens=heard.tokens,
            )
        )

    def tables(self) -> Tables:
        """Samples by request; spans by request, then start, a caller before its callee."""
        self.samples.sort(key=lambda row: row.request)
        self.spans.sort(key=lambda row: (row.request, row.start_s, -row.duration_ms, row.kind, row.callee, row.op))
        return Tables(
            _table(self.samples, SAMPLES), _table(self.spans, SPANS), WRITES.empty_table(), _table(self.series, SERIES)
        )


@dataclass(frozen=True)
class Heard:
    """What a caller has heard of a streamed answer."""

    first_s: float | None = None
    tokens: int | None = None


def word(outcome: Outcome) -> str:
    """An outcome as the tables say it."""
    return outcome.name.lower()


def _table(rows: list[Sample] | list[Span] | list[Reading], schema: pa.Schema) -> pa.Table:
    columns = zip(*(tuple(vars(row).values()) for row in rows), strict=True) if rows else ((),) * len(schema)
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema)
