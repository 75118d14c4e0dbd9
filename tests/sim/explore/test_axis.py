"""Values and ranges of a key, as they are written on a command line."""

from __future__ import annotations

from typing import Any

import pytest

from windtunnel.sim.explore.axis import parse_axis
from windtunnel.spec.problem import SpecError


@pytest.mark.parametrize(
    ("said", "values"),
    [
        ("1,2,4", (1, 2, 4)),
        ("0.5,poisson,true,~", (0.5, "poisson", True, None)),
        ("1..4", (1, 2, 3, 4)),
        ("10..35/10", (10, 20, 30)),
        ("10..100*2", (10, 20, 40, 80)),
        ("0.1..0.3/0.1", (0.1, 0.2, 0.3)),
        ("1,10..12,20", (1, 10, 11, 12, 20)),
        ("-2..2/2", (-2, 0, 2)),
        ("{chat: 1},{chat: 3, history: 1}", ({"chat": 1}, {"chat": 3, "history": 1})),
        ("007", (7,)),
    ],
)
def test_values(said: str, values: tuple[Any, ...]) -> None:
    axis = parse_axis(f"load.rate_per_s={said}")
    assert axis.key == "load.rate_per_s"
    assert axis.values == values
    assert [type(value) for value in axis.values] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("load.rate_per_s", "found 'load.rate_per_s', expected KEY=V1,V2"),
        ("=3", "found '=3', expected KEY=V1,V2"),
        ("a=5..1", "found '5..1', expected an end of at least 5"),
        ("a=1..5/0", "found '1..5/0', expected a step above 0"),
        ("a=1..5*1", "expected a start above 0 and a factor above 1"),
        ("a=1..x", "expected FROM..TO"),
        ("a=..5", "expected FROM..TO"),
        ("a=1..10000000", "found 10,000,000 values, expected at most 10,000"),
        ("a=1,2,1", "found 1 twice, expected each value once"),
        ("a=[1", r"found '\[1', expected a value as in YAML"),
    ],
)
def test_what_is_no_axis_is_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        parse_axis(text)
