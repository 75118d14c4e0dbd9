"""The ground that every spec stands on: frozen values that refuse unknown keys."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from windtunnel.spec.problem import problem_at


class Frozen(BaseModel):
    """A value that cannot change and has no key that we do not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


LARGEST = 1e12
"""No time, size or number in a file is larger: 30 years of milliseconds. Sums of them stay finite and exact enough."""

SMALLEST = 1e-9
"""Nothing that has to be above 0 is smaller: a billionth of a second, or of a request a second."""


def _noticeable(value: float) -> float:
    if value < SMALLEST:
        raise problem_at("", f"{value:g}", f"a number of at least {SMALLEST:g}")
    return value


MANY = 1_000_000_000
"""Nothing that is counted in a file is more: a billion replicas, places, bytes, tokens a minute."""

Count = Annotated[int, Field(ge=1, le=MANY)]
Whole = Annotated[int, Field(ge=0, le=MANY)]
AtLeastOne = Annotated[float, Field(ge=1, le=LARGEST)]
Positive = Annotated[float, Field(gt=0, le=LARGEST), AfterValidator(_noticeable)]
NonNegative = Annotated[float, Field(ge=0, le=LARGEST)]
Milliseconds = NonNegative
PositiveMilliseconds = Positive
Seconds = NonNegative
Ratio = Annotated[float, Field(ge=0, le=1)]

SUM_TOLERANCE = 1e-9
"""Probabilities that add up to 1 within this much do: they are written in decimals."""

NAME = r"^[a-z][a-z0-9_]*$"
COMPONENT = r"^[a-z][a-z0-9_]*(\.\d+)?$"
LINK = r"^[a-z][a-z0-9_]*(\.\d+)?->[a-z][a-z0-9_]*(\.\d+)?$"
PATH = r"^/"
CURRENCY = r"^[A-Z]{3}$"
PATTERNS = {
    NAME: "a name of lower-case letters, digits and _",
    COMPONENT: "a component such as db, or one replica of it such as db.0",
    LINK: "a link such as app->llm, or one replica's such as app.0->llm",
    CURRENCY: "three capital letters such as USD",
    PATH: "a path that begins with /",
}
"""What a pattern asks for, in words."""

Name = Annotated[str, Field(pattern=NAME, max_length=40)]
LinkName = Annotated[str, Field(pattern=LINK)]
ComponentName = Annotated[str, Field(pattern=COMPONENT)]
