"""What calibration learns from measured runs: times per call, processor time, and where they come from.

Generated, never hand-written. Keys: a call is ``caller->callee:op``, a component's own work on it is
``callee:op``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, model_validator

from windtunnel.spec.distribution import MOST_TOKENS, Distribution
from windtunnel.spec.frozen import Count, Frozen, NonNegative, Positive
from windtunnel.spec.problem import problem_at


class Estimate(Frozen):
    """A distribution of milliseconds (or tokens) with what it rests on."""

    distribution: Distribution
    n: Count
    """Observations."""
    median_low: float
    median_high: float
    """95 % interval of the median (order statistics)."""


class CallParameters(Frozen):
    """One operation on one link, at a load so low that nobody queues."""

    link_ms: Estimate | None = None
    """What the wire, the proxy and both ends' input and output add around the callee's own work.
    None where the callee is not traced: then its ``service_ms`` holds all."""
    service_ms: Estimate
    """The callee's own work: its time without the calls that it makes. For a streaming LLM, 0 beyond the
    two below."""
    first_token_ms: Estimate | None = None
    token_ms: Estimate | None = None
    output_tokens: Estimate | None = None
    """A streaming callee: from admission to the first token; per further token; how many."""

    @model_validator(mode="after")
    def _countable(self) -> CallParameters:
        if self.output_tokens is not None and self.output_tokens.distribution.mean() > MOST_TOKENS:
            found = f"{self.output_tokens.distribution.mean():g} tokens on average"
            raise problem_at("output_tokens", found, f"at most {MOST_TOKENS:,}")
        return self


class Warmth(Frozen):
    """What it costs to call a component that has been idle: its caches and its core have turned to others."""

    idle_up_to_ms: NonNegative | None
    """Since the end of the last call to it, whoever called; None: any longer."""
    factor: Positive
    """Of its service time."""
    n: Count
    """Observations."""


def factor_of(classes: Sequence[Warmth], idle_ms: float) -> float:
    """The factor of a service time after this idleness; 1 where nothing is known."""
    return next((w.factor for w in classes if w.idle_up_to_ms is None or idle_ms < w.idle_up_to_ms), 1.0)


class Provenance(Frozen):
    """Where the numbers come from."""

    runs: tuple[str, ...]
    """Ids of the runs they were fitted to; validation refuses these."""
    rate_per_s: float
    measured_at: str
    host: str
    cores: int
    backend: str
    version: str


class Parameters(Frozen):
    """All that a forecast needs beside architecture and deployment."""

    architecture: str
    calls: Annotated[dict[str, CallParameters], Field(min_length=1)]
    cpu_ms: dict[str, NonNegative] = {}
    """Processor time per request of the whole flow mix, by component; the load generator is ``client``."""
    warmth: dict[str, tuple[Warmth, ...]] = {}
    """By component, shortest idleness first; of those whose callers alone are traced (database, cache)."""
    provenance: Provenance

    def call(self, caller: str, callee: str, op: str) -> CallParameters:
        """The parameters of one call. KeyError where calibration has not seen it."""
        return self.calls[f"{caller}->{callee}:{op}"]
