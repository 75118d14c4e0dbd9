"""What a stretch of a run cost: replicas, tokens, bytes. Used by answers and by objectives of cost_per_1000."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from windtunnel.sim.answers.readings import Readings
from windtunnel.spec.run import RunRecord
from windtunnel.spec.scenario import Window

HOURS_PER_MONTH = 730.0
"""As clouds bill: a twelfth of 365 days."""


@dataclass(frozen=True)
class Cost:
    """Of a window, in one currency."""

    currency: str
    """ISO 4217."""
    replicas: float
    input_tokens: float
    output_tokens: float
    traffic: float
    """Of the answers' bytes."""
    seconds: float
    successes: float

    @property
    def whole(self) -> float:
        """Everything together."""
        return self.replicas + self.input_tokens + self.output_tokens + self.traffic

    @property
    def per_1000(self) -> float | None:
        """For a thousand requests that succeeded; None where none did."""
        return self.whole / self.successes * 1000 if self.successes else None

    @property
    def per_month(self) -> float:
        """If every hour of 730 went like this."""
        return self.whole * HOURS_PER_MONTH * 3600 / self.seconds


def cost(record: RunRecord, window: Window, answered: Mapping[str, int], readings: Readings) -> Cost | None:
    """What a window cost, by the deployment's prices; None without prices, or where replicas were not observed.

    Replica hours and tokens are those that were counted in the window, bytes those of the answers to its requests;
    ``answered``: how many of these succeeded, by flow.
    """
    prices = record.deployment.costs
    components = list(record.architecture.components)
    if prices is None or not any(readings.has("replicas", name) for name in components):
        return None
    seconds = window.end_s - window.start_s
    per_hour = sum(
        price * (readings.mean("replicas", name, window) or 0.0) for name, price in prices.replica_hour.items()
    )
    tokens_in, tokens_out = (readings.total(name, components, window) for name in ("tokens_in", "tokens_out"))
    flows = record.architecture.flows
    answer_bytes = sum(count * flows[flow].steps[0].response_bytes for flow, count in answered.items())
    return Cost(
        currency=prices.currency,
        replicas=per_hour * seconds / 3600,
        input_tokens=tokens_in / 1e6 * prices.input_tokens_million,
        output_tokens=tokens_out / 1e6 * prices.output_tokens_million,
        traffic=answer_bytes / 1e9 * prices.gigabyte,
        seconds=seconds,
        successes=float(sum(answered.values())),
    )
