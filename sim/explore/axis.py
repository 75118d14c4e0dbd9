"""``KEY=VALUES`` as a list of values: 1,2,4 or a range 10..100/10 (steps) or 10..1000*2 (factors). Used by the CLI.

Values are those of YAML, so that ``load.arrivals=poisson,constant`` and ``load.flows={chat: 1},{chat: 3, history: 1}``
are lists of two. A range without a step goes by ones; it ends where the next value would exceed its end.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import yaml

from windtunnel.spec.problem import Problem, SpecError
from windtunnel.spec.reading import CoreLoader

MOST_VALUES = 10_000
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER}?)\.\.({_NUMBER})(?:([/*])({_NUMBER}))?")


@dataclass(frozen=True)
class Axis:
    """A key and the values that it takes in turn."""

    key: str
    values: tuple[Any, ...]


def parse_axis(text: str, option: str = "--set-axis") -> Axis:
    """From ``KEY=V1,V2,...``. SpecError, naming the option, for what cannot be read."""
    key, equals, said = text.partition("=")
    if not equals or not key.strip() or not said.strip():
        expected = "KEY=V1,V2,... or KEY=FROM..TO, FROM..TO/STEP, FROM..TO*FACTOR, such as load.rate_per_s=10..100/10"
        raise SpecError([Problem(option, repr(text), expected)])
    values = tuple(value for word in _words(said) for value in _values(word.strip(), f"{option} {key}"))
    shown = [repr(value) for value in values]
    twice = next((word for word in shown if shown.count(word) > 1), None) if len(shown) <= MOST_VALUES else None
    if twice is not None:
        raise SpecError([Problem(f"{option} {key}", f"{twice} twice", "each value once")])
    return Axis(key.strip(), values)


def _words(text: str) -> list[str]:
    """Split at commas that stand in no bracket."""
    words, depth = [""], 0
    for letter in text:
        depth += (letter in "[{(") - (letter in "]})")
        if letter == "," and depth <= 0:
            words.append("")
        else:
            words[-1] += letter
    return words


def _values(word: str, where: str) -> list[Any]:
    if ".." in word:
        return _range(word, where)
    try:
        value = yaml.load(word, CoreLoader)
    except yaml.YAMLError:
        raise SpecError([Problem(where, repr(word), "a value as in YAML")]) from None
    return [value]


def _range(word: str, where: str) -> list[Any]:
    match = _RANGE.fullmatch(word)
    if not match or not match[1]:
        raise SpecError([Problem(where, repr(word), "FROM..TO, FROM..TO/STEP or FROM..TO*FACTOR, with numbers")])
    numbers = [part for part in (match[1], match[2], match[4]) if part is not None]
    first, last = float(match[1]), float(match[2])
    step = float(match[4] or 1)
    factors = match[3] == "*"
    bad = None
    if last < first:
        bad = f"an end of at least {first:g}"
    elif factors and (step <= 1 or first <= 0):
        bad = "a start above 0 and a factor above 1"
    elif not factors and step <= 0:
        bad = "a step above 0"
    if bad:
        raise SpecError([Problem(where, repr(word), bad)])
    span = math.log(last / first, step) if factors else (last - first) / step
    count = math.floor(span + 1e-9) + 1
    if count > MOST_VALUES:
        raise SpecError([Problem(where, f"{count:,} values", f"at most {MOST_VALUES:,}")])
    values = [first * step**n if factors else first + step * n for n in range(count)]
    if all(re.fullmatch(r"[-+]?\d+", part) for part in numbers):
        return [round(value) for value in values]
    return [float(f"{value:.12g}") for value in values]  # 0.1 + 0.1 + 0.1 is 0.3 to whoever wrote it
