"""What was in use, of series written by hand."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tests.harness import worlds
from tests.sim.answers.drawings import Parts, drawn, simulated
from windtunnel.sim.answers.readings import Readings
from windtunnel.sim.answers.uses import Use, uses
from windtunnel.spec.scenario import Window

AT_S = [1.0, 2.0, 3.0, 4.0]
WINDOW = Window("during", 0.0, 4.0)


def parts() -> Parts:
    return drawn(
        {
            "app": {"kind": "service", "max_concurrency": 20, "rate_limit": {"per_s": 50, "burst": 5}},
            "db": {"kind": "database"},
            "llm": {
                "kind": "llm",
                "slots": 4,
                "requests_per_minute": 600,
                "tokens_per_minute": 60_000,
                "first_token_ms": 100,
                "token_ms": 1,
                "output_tokens": 10,
            },
        },
        {
            "ask": {
                "steps": [{"call": "app", "service_ms": 1, "steps": [{"call": "db", "service_ms": 1}, {"call": "llm"}]}]
            }
        },
        [{"from": "client", "to": "app"}, {"from": "app", "to": "db", "pool": 3}, {"from": "app", "to": "llm"}],
        load={"rate_per_s": 40},
        place={"app": {"replicas": 2}},
        windows={"warm_up_s": 0, "during_s": 4},
    )


def seen(*tables: pa.Table) -> dict[tuple[str, str], Use]:
    readings = Readings(pa.concat_tables(tables))
    record = worlds.run(parts()[0], kind="forecast", architecture=parts()[1], deployment=parts()[2]).record
    return {(use.name, use.kind): use for use in uses(record, readings, WINDOW)}


def test_places_lines_and_limits() -> None:
    found = seen(
        worlds.series("app", AT_S, [2, 2, 2, 2], "replicas"),
        worlds.series("app", AT_S, [10, 20, 30, 40], "in_use"),
        worlds.series("app", AT_S, [0, 0, 0, 8], "queue"),
        worlds.series("client->app", AT_S, [40, 80, 120, 160], "attempts"),
        worlds.series("app->db", AT_S, [6, 6, 6, 6], "in_use"),
        worlds.series("app->db", AT_S, [4, 4, 4, 4], "queue"),
        worlds.series("app->db", AT_S, [20, 40, 60, 80], "attempts"),
        worlds.series("llm", AT_S, [1, 1, 1, 1], "replicas"),
        worlds.series("app->llm", AT_S, [12, 24, 36, 48], "attempts"),
        worlds.series("llm", AT_S, [100, 200, 300, 400], "tokens_in"),
        worlds.series("llm", AT_S, [300, 600, 900, 1200], "tokens_out"),
        worlds.series("host", AT_S, [6, 6, 6, 6]),
        worlds.series("app", AT_S, [1, 1, 1, 1]),
    )
    assert found["app", "slots"] == Use("app", "slots", 25, 40, 2, 50.0), "Little: 2 wait, 40 a second come"
    assert found["app->db", "connections"] == Use("app->db", "connections", 6, 6, 4, 200.0)
    assert found["host", "cores"].utilisation == 0.75
    assert found["app", "own cores"].utilisation == 0.5, "two event loops use two of the eight cores at most"
    assert found["app", "requests per second"].utilisation == 0.4, "40 of 2 times 50"
    assert found["llm", "requests per second"].utilisation == 1.2, "12 a second where 10 are let pass"
    assert found["llm", "tokens per second"] == Use("llm", "tokens per second", 400, 1000)


def test_nothing_was_looked_at() -> None:
    assert seen(worlds.series("app", [9.0], [1], "replicas")) == {}


def test_an_engine_says_what_is_read_here() -> None:
    run = simulated(parts())
    found = {(use.name, use.kind): use for use in uses(run.record, Readings(run.series), WINDOW)}
    assert {name for name, _ in found} == {"app", "llm", "app->db"}
    llm = found["llm", "slots"]
    assert llm.utilisation == pytest.approx(1.0, abs=0.1), "40 a second for 109 ms are more than 4 slots"
    assert llm.wait_ms
    assert llm.wait_ms > 10
