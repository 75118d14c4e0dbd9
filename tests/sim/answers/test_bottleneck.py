"""What gives way, and how that is said."""

from __future__ import annotations

import math

from windtunnel.sim.answers.bottleneck import bottleneck
from windtunnel.sim.answers.uses import Use
from windtunnel.spec.architecture import Architecture

DRAWING = Architecture.model_validate(
    {
        "name": "d",
        "components": {
            "app": {"kind": "service", "max_concurrency": 64},
            "db": {"kind": "database", "max_concurrency": 8},
        },
        "links": [
            {"from": "client", "to": "app", "timeout_ms": 9},
            {"from": "app", "to": "db", "timeout_ms": 9, "pool": 10},
        ],
        "flows": {"ask": {"steps": [{"call": "app", "steps": [{"call": "db"}]}]}},
    }
)
APP, POOL = Use("app", "slots", 64, 64, 90, 1200.0), Use("app->db", "connections", 10, 10, 54, 800.0)
DB, HOST = Use("db", "slots", 7.9, 8, 2, 12.0), Use("laptop", "cores", 1.97, 2)
IDLE = Use("db", "slots", 0.5, 8, 0, 0.0)


def name(*uses: Use, mean_ms: float = 100) -> tuple[str, bool]:
    found = bottleneck(uses, DRAWING, mean_ms)
    assert found
    return found.use.name, found.scarce


def test_whoever_waits_for_another_is_not_the_cause() -> None:
    assert name(APP, POOL, DB, HOST) == ("laptop", True)
    assert name(APP, POOL, DB) == ("db", True)
    assert name(APP, POOL, IDLE) == ("app->db", True)
    assert name(APP, IDLE) == ("app", True)


def test_a_long_wait_counts_where_nothing_is_busy_on_average() -> None:
    bursty = Use("app", "slots", 20, 64, 3, 30.0)
    busier = Use("laptop", "cores", 1.2, 2)
    assert name(bursty, busier) == ("app", True)
    assert name(bursty, busier, mean_ms=1000) == ("laptop", False), "the busiest, with room left"
    assert name(bursty, busier, mean_ms=math.nan) == ("laptop", False)


def test_in_words() -> None:
    words = [found.words for use in (POOL, HOST, IDLE) if (found := bottleneck([use], DRAWING, 100))]
    assert words == [
        "app->db: 10 of 10 connections busy, calls wait 800 ms on average for one",
        "laptop: 1.97 of 2 cores busy",
        "db: 0.5 of 8 slots busy",
    ]
    assert bottleneck([], DRAWING, 100) is None


def test_calls_in_a_circle_have_an_end() -> None:
    circle = DRAWING.model_copy(
        update={"links": (*DRAWING.links, DRAWING.links[1].model_copy(update={"caller": "db", "callee": "app"}))}
    )
    found = bottleneck([APP, DB], circle, 100)
    assert found
    assert found.use.name == "db"
