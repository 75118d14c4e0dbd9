"""Exact answers, printed and as data."""

from __future__ import annotations

import io
import json

from tests.harness import worlds
from windtunnel.harness.report.console import console
from windtunnel.harness.report.exact import exact_as_data, print_exact
from windtunnel.sim.analytic.demand import Saturated
from windtunnel.sim.answers.exact import Exact, ExactStation

SCENARIO = worlds.scenario()
FOUND = Exact(
    kind="M/M/8",
    throughput_per_s=150,
    mean_ms=54.13957,
    mean_ms_by_flow={"ask": 60.0, "look": 40.0},
    quantiles_ms={0.99: 203.5},
    lost_ratio=0.125,
    stations=(ExactStation("db", 8, 0.75, 1.071, 47.1), ExactStation("app", None, 0.0, 0.0, 5.0)),
    assumptions=("steady state",),
)


def printed(found: Exact | Saturated) -> str:
    stream = io.StringIO()
    print_exact(SCENARIO, found, console(stream))
    return stream.getvalue()


def test_every_figure_is_there() -> None:
    text = printed(FOUND)
    for words in (
        "EXACT",
        "M/M/8",
        "150 /s",
        "12.5 %",
        "54.1396 ms",
        "  look",
        "p99",
        "203.5 ms",
        "75 %",
        "any number",
    ):
        assert words in text
    assert "taken for granted: steady state" in text


def test_saturated_is_an_answer() -> None:
    text = printed(Saturated("db", 9.0, 8))
    assert text.startswith("SATURATED")
    assert "found work for 9 servers" in text


def test_data() -> None:
    data = json.loads(json.dumps(exact_as_data(SCENARIO, FOUND)))
    assert data["exact"]["quantiles_ms"] == {"p99": 203.5}
    assert data["exact"]["stations"][1]["servers"] is None
    assert exact_as_data(SCENARIO, Saturated("db", 9.0, 8))["exact"] is None
