"""Random quantities: how long, how many. Read by the mock LLM's settings, the parameters and the simulator.

Every kind is sampled from addressed uniform draws, so that a draw depends on its address alone and two variants can
share their randomness; almost all by the inverse distribution function, where one uniform gives one value.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from statistics import NormalDist
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from windtunnel.spec.frozen import SUM_TOLERANCE, Frozen, NonNegative, Positive
from windtunnel.spec.incomplete_gamma import inverse_lower_share
from windtunnel.spec.problem import problem_at

Uniforms = Callable[[int], float]
"""The n-th number above 0 and below 1 that belongs to a draw."""

_NORMAL = NormalDist()


class _Quantity(Frozen, ABC):
    """What all kinds can do."""

    @abstractmethod
    def at(self, u: float) -> float:
        """The value below which a share u (0 <= u < 1) of the draws lies."""

    def sample(self, uniform: Uniforms) -> float:
        """One draw."""
        return self.at(uniform(0))


class Constant(_Quantity):
    """Always the same value."""

    kind: Literal["constant"] = "constant"
    value: NonNegative
    """In the unit of the key that it stands under."""

    def at(self, u: float) -> float:  # noqa: ARG002 (one shape for all kinds)
        """The value below which a share u of the draws lies."""
        return self.value

    def mean(self) -> float:
        """Expected value."""
        return self.value

    def second_moment(self) -> float:
        """Expected value of the square."""
        return self.value**2


class Exponential(_Quantity):
    """Memoryless, with the given mean."""

    kind: Literal["exponential"] = "exponential"
    mean_: Annotated[Positive, Field(alias="mean")]
    """Expected value."""

    def at(self, u: float) -> float:
        """The value below which a share u of the draws lies."""
        return -self.mean_ * math.log1p(-u)

    def mean(self) -> float:
        """Expected value."""
        return self.mean_

    def second_moment(self) -> float:
        """Expected value of the square."""
        return 2 * self.mean_**2


class Lognormal(_Quantity):
    """exp of a normal with mean ln(median) and standard deviation sigma."""

    kind: Literal["lognormal"] = "lognormal"
    median: Positive
    """Half of the draws lie below."""
    sigma: Annotated[float, Field(ge=0, le=10)]
    """Standard deviation of the logarithm."""

    def at(self, u: float) -> float:
        """The value below which a share u of the draws lies."""
        return self.median * math.exp(self.sigma * NormalDist().inv_cdf(min(max(u, 1e-12), 1 - 1e-12)))

    def mean(self) -> float:
        """Expected value."""
        return self.median * math.exp(self.sigma**2 / 2)

    def second_moment(self) -> float:
        """Expected value of the square."""
        return self.median**2 * math.exp(2 * self.sigma**2)


class Uniform(_Quantity):
    """Evenly between low and high."""

    kind: Literal["uniform"] = "uniform"
    low: NonNegative
    """The smallest value."""
    high: NonNegative
    """The largest value."""

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

    def second_moment(self) -> float:
        """Expected value of the square."""
        return _mean_square(self.low, self.high)


class Empirical(_Quantity):
    """Seen, not assumed: values at evenly spaced quantiles 0, 1/(n-1), ..., 1; linear in between."""

    kind: Literal["empirical"] = "empirical"
    quantiles: Annotated[tuple[NonNegative, ...], Field(min_length=2)]
    """Ascending, from the smallest to the largest value."""

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

    def second_moment(self) -> float:
        """Expected value of the square of the piecewise linear quantile function."""
        pieces = list(zip(self.quantiles, self.quantiles[1:], strict=False))
        return sum(_mean_square(low, high) for low, high in pieces) / len(pieces)


class Gamma(_Quantity):
    """The sum of ``shape`` exponentials, where that is a whole number; the larger, the more even."""

    kind: Literal["gamma"] = "gamma"
    mean_: Annotated[Positive, Field(alias="mean")]
    """Expected value."""
    shape: Annotated[float, Field(ge=1e-3, le=1e6)]
    """1: exponential. Its squared coefficient of variation is 1 / shape."""

    def at(self, u: float) -> float:
        """The value below which a share u of the draws lies."""
        return inverse_lower_share(self.shape, u) * (self.mean_ / self.shape)

    def mean(self) -> float:
        """Expected value."""
        return self.mean_

    def second_moment(self) -> float:
        """Expected value of the square."""
        return self.mean_**2 * (1 + 1 / self.shape)

    def sample(self, uniform: Uniforms) -> float:
        """One draw, by rejection; it uses uniforms 0 (never), 1 (shape < 1), 2 and 3, and pairs more until one fits.

        G. Marsaglia, W. W. Tsang, "A Simple Method for Generating Gamma Variables", ACM TOMS 26(3), 2000.
        """
        lifted = self.shape + 1 if self.shape < 1 else self.shape
        d = lifted - 1 / 3
        c = 1 / math.sqrt(9 * d)
        n = 2
        while True:
            x = _NORMAL.inv_cdf(uniform(n))
            u = uniform(n + 1)
            n += 2
            t = 1 + c * x
            v = t * t * t
            if t > 0 and math.log(u) < 0.5 * x * x + d - d * v + d * math.log(v):
                value = d * v
                break
        if self.shape < 1:
            value *= uniform(1) ** (1 / self.shape)
        return value * (self.mean_ / self.shape)


class Weibull(_Quantity):
    """Lifetimes whose hazard grows (shape above 1) or falls (below 1) with age."""

    kind: Literal["weibull"] = "weibull"
    scale: Positive
    """About 63 % of the draws lie below."""
    shape: Annotated[float, Field(ge=0.05, le=1e6)]
    """1: exponential."""

    def at(self, u: float) -> float:
        """The value below which a share u of the draws lies."""
        return self.scale * math.pow(-math.log1p(-u), 1 / self.shape)

    def mean(self) -> float:
        """Expected value."""
        return self.scale * math.gamma(1 + 1 / self.shape)

    def second_moment(self) -> float:
        """Expected value of the square."""
        return self.scale**2 * math.gamma(1 + 2 / self.shape)


class Pareto(_Quantity):
    """A heavy tail: P(X > x) = (scale / x)^shape from scale on."""

    kind: Literal["pareto"] = "pareto"
    scale: Positive
    """The smallest value."""
    shape: Annotated[float, Field(gt=1, le=1e6)]
    """Above 1, or there is no mean; up to 2 the variance is infinite."""

    def at(self, u: float) -> float:
        """The value below which a share u of the draws lies."""
        return self.scale * math.exp(-math.log1p(-u) / self.shape)

    def mean(self) -> float:
        """Expected value."""
        return self.scale * self.shape / (self.shape - 1)

    def second_moment(self) -> float:
        """Expected value of the square; infinite where shape is at most 2."""
        return self.scale**2 * self.shape / (self.shape - 2) if self.shape > 2 else math.inf


class Hyperexponential(_Quantity):
    """One of several exponentials, by chance: many short and a few long."""

    kind: Literal["hyperexponential"] = "hyperexponential"
    probabilities: Annotated[tuple[NonNegative, ...], Field(min_length=1)]
    """Of each exponential; they add up to 1."""
    means: Annotated[tuple[Positive, ...], Field(min_length=1)]
    """Of each exponential, in the same order."""

    @model_validator(mode="after")
    def _matched(self) -> Hyperexponential:
        if len(self.probabilities) != len(self.means):
            raise problem_at(
                "means", f"{len(self.means)} of them", f"{len(self.probabilities)}, as many as probabilities"
            )
        total = sum(self.probabilities)
        if abs(total - 1) > SUM_TOLERANCE:
            raise problem_at("probabilities", f"probabilities that sum to {total:.12g}", "a sum of 1")
        return self

    def at(self, u: float) -> float:
        """The value below which a share u of the draws lies, by bisection: it has no closed form."""
        low, high = 0.0, -max(self.means) * math.log1p(-u)
        while True:
            middle = (low + high) / 2
            if not low < middle < high:
                return high
            if self._below(middle) < u:
                low = middle
            else:
                high = middle

    def mean(self) -> float:
        """Expected value."""
        return sum(p * mean for p, mean in zip(self.probabilities, self.means, strict=True))

    def second_moment(self) -> float:
        """Expected value of the square."""
        return sum(p * 2 * mean**2 for p, mean in zip(self.probabilities, self.means, strict=True))

    def sample(self, uniform: Uniforms) -> float:
        """One draw: uniform 0 says which exponential, uniform 1 the value."""
        reached = itertools.accumulate(self.probabilities)
        chosen = next((n for n, share in enumerate(reached) if uniform(0) < share), len(self.means) - 1)
        return -self.means[chosen] * math.log1p(-uniform(1))

    def _below(self, value: float) -> float:
        """The share of the draws below a value."""
        return sum(-p * math.expm1(-value / mean) for p, mean in zip(self.probabilities, self.means, strict=True))


def _mean_square(low: float, high: float) -> float:
    """Of what is even between two values."""
    return (low * low + low * high + high * high) / 3


def _short(value: Any) -> Any:
    """A bare number is a constant."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return {"kind": "constant", "value": value}
    if isinstance(value, (str, bool, list, tuple)):
        shown = repr(value) if isinstance(value, (str, bool)) else f"a list of {len(value)}"
        raise problem_at("", shown, "a number, or a distribution with its kind")
    return value


class _AsWritten:
    """In the JSON Schema a number stands for a constant, as in the files."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "number", "minimum": 0}, handler(core)]}


Distribution = Annotated[
    Annotated[
        Constant | Exponential | Lognormal | Uniform | Empirical | Gamma | Weibull | Pareto | Hyperexponential,
        Field(discriminator="kind"),
    ],
    BeforeValidator(_short),
    _AsWritten,
]
"""In a file a bare number means that it is always this value."""


MOST_TOKENS = 100_000_000
"""Of a request or an answer: no model takes or gives more, and sums of some of them still are numbers of 32 bits."""


def _countable(tokens: Distribution) -> Distribution:
    if tokens.mean() > MOST_TOKENS:
        raise problem_at("", f"{tokens.mean():g} tokens on average", f"at most {MOST_TOKENS:,}")
    return tokens


Tokens = Annotated[Distribution, AfterValidator(_countable)]
"""How many of them."""
