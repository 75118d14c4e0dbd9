"""The ways through a small flow, counted by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.answers.drawings import drawn
from windtunnel.sim.answers.paths import caught, extremes, visits
from windtunnel.sim.compiler import compile_model
from windtunnel.sim.model import Model
from windtunnel.spec.problem import Problem

READ = {"call": "db", "op": "read", "service_ms": 1}


def model(*steps: dict[str, Any]) -> Model:
    """An app that takes these steps."""
    parts = drawn(
        {
            "app": {"kind": "service"},
            "db": {"kind": "database"},
            "cache": {"kind": "cache", "hit_ratio": 0.75},
            "jobs": {"kind": "queue"},
            "worker": {"kind": "service", "consumes": {"queue": "jobs"}},
        },
        {"ask": {"steps": [{"call": "app", "service_ms": 1, "steps": list(steps)}]}},
        [{"from": "client", "to": "app"}, {"from": "app", "to": "db"}, {"from": "app", "to": "cache"}],
        load={"rate_per_s": 1},
    )
    return compile_model(*parts, None)


LOOKUP = {"call": "cache", "op": "get", "service_ms": 1, "on": {"miss": [READ]}}
HALF = {"choose": [{"probability": 0.5, "steps": [READ]}, {"probability": 0.5, "steps": [READ, READ]}]}
THRICE = {"repeat": [READ], "times": 3}


@pytest.mark.parametrize(
    ("steps", "mean", "least", "most"),
    [((READ,), 1, 1, 1), ((LOOKUP,), 0.25, 0, 1), ((HALF,), 1.5, 1, 2), ((THRICE, LOOKUP), 3.25, 3, 4), ((), 0, 0, 0)],
)
def test_how_often_the_database_is_read(steps: tuple[dict[str, Any], ...], mean: float, least: int, most: int) -> None:
    drawing = model(*steps)
    problems: list[Problem] = []
    found = visits(drawing, drawing.entries[0], problems)
    reads = [number for number, hop in enumerate(drawing.hops) if drawing.stations[hop.callee].name == "db"]
    assert sum(found.get(hop, 0.0) for hop in reads) == pytest.approx(mean)
    assert extremes(drawing, drawing.entries, reads) == (least, most)
    assert problems == []


@pytest.mark.parametrize(
    ("step", "what"),
    [
        ({"parallel": [[READ], [READ]]}, "parallel steps"),
        ({"enqueue": "jobs"}, "a message to a queue"),
        ({"repeat": [READ], "times": {"kind": "uniform", "low": 1, "high": 3}}, "a repeat of no fixed number"),
        ({"repeat": [READ], "until": ["ok"], "at_most": 3}, "a repeat of no fixed number"),
    ],
)
def test_steps_without_a_formula(step: dict[str, Any], what: str) -> None:
    drawing = model(step)
    problems: list[Problem] = []
    visits(drawing, drawing.entries[0], problems)
    assert [problem.found for problem in problems] == [what]


def test_who_goes_on_after_a_rejection() -> None:
    assert not caught(model(READ, HALF, THRICE).entries, model(READ, HALF, THRICE))
    optional = READ | {"optional": True}
    for step in (optional, READ | {"on": {"rejected": []}}, {"repeat": [optional], "times": 2}):
        drawing = model(step)
        assert caught(drawing.entries, drawing)
