"""Alert rules, evaluated on the time series that monitoring would scrape: of a measured run and a forecast alike."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from windtunnel.spec.frozen import Frozen, Name, Seconds
from windtunnel.spec.problem import problem_at

AlertMetric = Literal[
    "error_ratio",
    "rate_per_s",
    "latency_ms_p50",
    "latency_ms_p95",
    "latency_ms_p99",
    "queue",
    "in_use",
    "cpu_share",
    "tokens_per_s",
]
"""Each over one scrape interval: of answers the share that failed, their number a second and their latency; requests
that wait; requests that are worked on; the share of its host's processor that it uses; tokens of language models."""

OF_COMPONENTS = frozenset({"queue", "in_use", "cpu_share"})
"""What only a component has, and the whole service has not."""


class Alert(Frozen):
    """Fires when the metric has been beyond the threshold at every scrape for so long."""

    metric: AlertMetric
    """What is looked at."""
    of: Name | None = None
    """A component. None: the service as its client sees it."""
    above: float | None = None
    """In the metric's unit: a share, a number a second, milliseconds, requests."""
    below: float | None = None
    """In the metric's unit."""
    for_s: Seconds = 0
    """0: the first scrape that shows it."""

    @model_validator(mode="after")
    def _one_threshold(self) -> Alert:
        if (self.above is None) == (self.below is None):
            found = "neither above nor below" if self.above is None else "above and below"
            raise problem_at("", found, "one of above and below")
        if self.of is None and self.metric in OF_COMPONENTS:
            raise problem_at("of", "nothing", f"a component: {self.metric} is a component's")
        return self
