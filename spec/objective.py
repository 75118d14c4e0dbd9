"""What has to be true, per window. Judged alike on a measured run and on a forecast."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from windtunnel.spec.frozen import Frozen

Metric = Literal[
    "error_ratio",
    "timeout_ratio",
    "throughput_per_s",
    "goodput_per_s",
    "latency_ms_mean",
    "latency_ms_p50",
    "latency_ms_p90",
    "latency_ms_p95",
    "latency_ms_p99",
    "latency_ms_p99_9",
    "latency_ms_max",
    "answer_ms_p50",
    "answer_ms_p90",
    "answer_ms_p95",
    "answer_ms_p99",
    "answer_ms_p99_9",
    "answer_ms_max",
    "first_token_ms_p50",
    "first_token_ms_p90",
    "first_token_ms_p95",
    "first_token_ms_p99",
    "acknowledged_writes_lost",
    "recovery_s",
    "retry_amplification",
    "cost_per_1000",
    "stale_read_ratio",
]
"""latency_ms: requests that succeeded; answer_ms: every request, failed ones too; recovery_s: from the
heal until requests succeed again for good; acknowledged_writes_lost: promised, and not there afterwards;
goodput_per_s: successes no slower than the strictest max of the window's latency_ms_p* objectives, all where it has
none; retry_amplification: attempts per call on the link that has most; cost_per_1000: of so many successes, in the
deployment's currency; stale_read_ratio: reads that were answered by a standby which lacked a write by then."""


class Bound(Frozen):
    """At most ``max``, at least ``min``, or both."""

    max: float | None = None
    """In the metric's unit."""
    min: float | None = None
    """In the metric's unit."""

    @model_validator(mode="after")
    def _says_something(self) -> Bound:
        if self.max is None and self.min is None:
            raise ValueError("found neither max nor min, expected at least one of them")
        return self

    def holds(self, value: float) -> bool:
        """Whether a value is within the bound."""
        return (self.max is None or value <= self.max) and (self.min is None or value >= self.min)

    def __str__(self) -> str:
        """``<= 400``, ``>= 5`` or ``5 .. 400``."""
        if self.min is None:
            return f"<= {self.max:g}"
        return f">= {self.min:g}" if self.max is None else f"{self.min:g} .. {self.max:g}"


Objectives = Annotated[dict[Metric, Bound], Field(min_length=1)]
