"""The distributions that the mock LLM's times and token counts are drawn from, as JSON in its environment."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from random import Random
from typing import Any

from windtunnel.reference_service.environment import SettingError

EXPECTED = (
    'a distribution such as {"kind":"constant","value":20}, {"kind":"lognormal","median":200,"sigma":0.5}, '
    '{"kind":"exponential","mean":20} or {"kind":"uniform","low":10,"high":30}'
)
_PARAMETERS = {
    "constant": ("value",),
    "lognormal": ("median", "sigma"),
    "exponential": ("mean",),
    "uniform": ("low", "high"),
}


@dataclass(frozen=True)
class Distribution:
    """One of the four kinds with its parameters, in the order of `_PARAMETERS`; all values are 0 or more."""

    kind: str
    parameters: tuple[float, ...]

    @classmethod
    def from_json(cls, text: str) -> Distribution:
        """Raises `SettingError` (a ValueError) that says what is wrong with the text."""
        try:
            found: Any = json.loads(text)
        except json.JSONDecodeError as error:
            raise SettingError(f"not JSON: {error.msg}") from None
        kind = found.get("kind") if isinstance(found, dict) else None
        if kind not in _PARAMETERS:
            raise SettingError(f"unknown kind {kind!r}")
        names = _PARAMETERS[kind]
        if set(found) != {"kind", *names}:
            raise SettingError(f"{kind} takes {' and '.join(names)}")
        values = tuple(found[name] for name in names)
        for name, value in zip(names, values, strict=True):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise SettingError(f"{name} must be a number of 0 or more")
        if kind == "uniform" and values[0] > values[1]:
            raise SettingError("low is above high")
        return cls(kind, tuple(map(float, values)))

    def draw(self, random: Random) -> float:
        """One value; the lognormal is median * exp(sigma * Z) with Z standard normal."""
        match self.kind:
            case "constant":
                return self.parameters[0]
            case "lognormal":
                median, sigma = self.parameters
                return median * math.exp(sigma * random.gauss(0.0, 1.0))
            case "exponential":
                (mean,) = self.parameters
                return random.expovariate(1.0 / mean) if mean else 0.0
            case _:
                low, high = self.parameters
                return random.uniform(low, high)
