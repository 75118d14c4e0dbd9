"""What is said of a text that has been changed in one place; used by the tables of mistakes."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from windtunnel.spec.problem import SpecError
from windtunnel.spec.reading import parse


def sentences(text: str, old: str, new: str, model: type[BaseModel], file: str = "x.yaml") -> list[str]:
    """Every sentence about a text in which ``old``, which must be there, has become ``new``."""
    assert old in text
    changed = text.replace(old, new, 1)
    with pytest.raises(SpecError) as caught:
        parse(changed, model, file)
    return [str(problem) for problem in caught.value.problems]


def line_of(text: str, part: str) -> int:
    """The line in which a part of a text stands."""
    return text[: text.index(part)].count("\n") + 1
