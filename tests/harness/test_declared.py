"""How often calls may and must be made, through every kind of step."""

from __future__ import annotations

from typing import Any

import pytest

from windtunnel.harness.declared import ANY, declared
from windtunnel.spec.architecture import Architecture
from windtunnel.spec.reading import validate

A, B, C = ({"call": "db", "op": op} for op in "abc")


def world(*steps: dict[str, Any]) -> Architecture:
    return validate(
        {
            "name": "small",
            "components": {
                "app": {"kind": "service"},
                "worker": {"kind": "service", "consumes": {"queue": "jobs"}},
                "db": {"kind": "database"},
                "jobs": {"kind": "queue"},
            },
            "links": [
                {"from": "client", "to": "app", "timeout_ms": 100},
                {"from": "app", "to": "db", "timeout_ms": 100},
                {"from": "worker", "to": "db", "timeout_ms": 100},
            ],
            "flows": {"ask": {"steps": [{"call": "app", "steps": list(steps)}]}},
        },
        Architecture,
    )


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([A, B, A], {"a": (2, 2), "b": (1, 1)}),
        ([A | {"on": {"ok": [B], "error": [B, C]}}], {"a": (1, 1), "b": (0, 1), "c": (0, 1)}),
        (
            [{"choose": [{"probability": 0.5, "steps": [A, B]}, {"probability": 0.5, "steps": [A]}]}],
            {"a": (1, 1), "b": (0, 1)},
        ),
        ([{"choose": [{"probability": 0.5, "steps": [A]}, {"probability": 0.5}]}], {"a": (0, 1)}),
        ([{"parallel": [[A], [B, A]]}], {"a": (2, 2), "b": (1, 1)}),
        ([{"parallel": [[A], [B]], "join": 1}], {"a": (0, 1), "b": (0, 1)}),
        ([{"repeat": [A, B, A], "times": 3}], {"a": (6, 6), "b": (3, 3)}),
        ([{"repeat": [A], "times": 3, "until": ["hit"]}], {"a": (0, 3)}),
        ([{"repeat": [A], "until": ["hit"], "at_most": 5}], {"a": (0, 5)}),
        ([{"repeat": [A, A], "times": {"kind": "exponential", "mean": 2}}], {"a": (0, ANY)}),
    ],
)
def test_calls_are_counted(steps: list[dict[str, Any]], expected: dict[str, tuple[int, int]]) -> None:
    assert declared(world(*steps), "ask") == {f"app->db:{op}": counts for op, counts in expected.items()}


def test_a_worker_may_make_its_calls_as_often_as_it_is_handed_the_message() -> None:
    assert declared(world({"enqueue": "jobs", "steps": [A]}), "ask") == {"worker->db:a": (0, ANY)}
