"""Random quantities: how long, how many. Read by the mock LLM's settings, the parameters and the simulator.

Every kind is sampled by its inverse distribution function, so that one uniform draw gives one
value: a draw can then be addressed, and two variants can share their randomness.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Annotated, Literal

from pydantic import Field, model_validator

from windtunnel.spec.frozen import Frozen

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]


class Constant(Frozen):
    """Always the same value."""

    kind: Literal["constant"] = "constant"
    value: NonNegative

    def at(self, u: float) -> float:  # noqa: ARG002 (one shape for all kinds)
        """The value below which a share u of the draws lies."""
        return self.value

    def mean(self) -> float:
        """Expected value."""
        return self.value


class Exponential(Frozen):
    """Memoryless, with the given mean."""

    kind: Literal["exponential"] = "exponential"
    mean_: Annotated[float, Field(gt=0, alias="mean")]

    def at(self, u: float) -> float:
        """The value below which a share u of the draws lies."""
        return -self.mean_ * math.log1p(-u)

    def mean(self) -> float:
        """Expected value."""
        return self.mean_


class Lognormal(Frozen):
    """exp of a normal with mean ln(median) and standard deviation sigma."""

    kind: Literal["lognormal"] = "lognormal"
    median: Positive
    sigma: NonNegative

    def at(self, u: float) -> float:
        """The value below which a share u of the draws lies."""
        return self.median * math.exp(self.sigma * NormalDist().inv_cdf(min(max(u, 1e-12), 1 - 1e-12)))

    def mean(self) -> float:
        """Expected value."""
        return self.median * math.exp(self.sigma**2 / 2)


class Uniform(Frozen):
    """Evenly between low and high."""

    kind: Literal["uniform"] = "uniform"
    low: NonNegative
    high: NonNegative

    @model_validator(mode="after")
    def _ordered(self) -> Uniform:
        if self.high < self.low:
            raise ValueError(f"found low {self.low} above high {self.high}, expected low <= high")
        return self

    def at(self, u: float) -> float:
        """The value below which a share u of the draws lies."""
        return self.low + u * (self.high - self.low)

    def mean(self) -> float:
        """Expected value."""
        return (self.low + self.high) / 2


class Empirical(Frozen):
    """Seen, not assumed: values at evenly spaced quantiles 0, 1/(n-1), ..., 1; linear in between."""

    kind: Literal["empirical"] = "empirical"
    quantiles: Annotated[tuple[NonNegative, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _ordered(self) -> Empirical:
        if any(b < a for a, b in zip(self.quantiles, self.quantiles[1:], strict=False)):
            raise ValueError("found quantiles that go down, expected values in ascending order")
        return self

    def at(self, u: float) -> float:
        """The value below which a share u of the draws lies."""
        place = u * (len(self.quantiles) - 1)
        below = min(int(place), len(self.quantiles) - 2)
        part = place - below
        return self.quantiles[below] * (1 - part) + self.quantiles[below + 1] * part

    def mean(self) -> float:
        """Expected value of the piecewise linear quantile function."""
        inner = sum(self.quantiles[1:-1])
        return (inner + (self.quantiles[0] + self.quantiles[-1]) / 2) / (len(self.quantiles) - 1)


Distribution = Annotated[Constant | Exponential | Lognormal | Uniform | Empirical, Field(discriminator="kind")]
