"""How often a request calls each component, by hand."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.sim.parts.worlds import call, compiled, drawn, link, ms
from windtunnel.sim.model import Model
from windtunnel.sim.parts.visits import count_visits

COMPONENTS: dict[str, dict[str, Any]] = {
    "app": {"kind": "service"},
    "db": {"kind": "database"},
    "jobs": {"kind": "queue"},
    "worker": {"kind": "service", "consumes": {"queue": "jobs"}},
}
LINKS = [link(name) for name in ("client->app", "app->db", "app->cache", "worker->db")]
DB = call("db")


def model(steps: list[dict[str, Any]], **cache: Any) -> Model:
    built = drawn(COMPONENTS | {"cache": {"kind": "cache", **cache}}, LINKS, ask=[call("app", steps=steps)])
    return compiled(built, load={"prompts": {"distinct": 10}})


def visits(found: Model, prompts: list[int]) -> dict[str, int]:
    caches = {place: station.cache for place, station in enumerate(found.stations) if station.cache}
    asked = [(0, prompt) for prompt in prompts]
    counted = count_visits(found.seed, asked, found.entries, found.hops, caches, found.prompts)
    return {found.stations[place].name: count for place, count in counted.items()}


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (DB, 1),
        ({"parallel": [[DB], [DB, DB]], "join": 1}, 3),
        ({"repeat": [DB], "times": ms(4)}, 4),
        ({"repeat": [DB], "until": ["ok"], "at_most": 4}, 1),
        ({"repeat": [DB], "until": ["error"], "at_most": 4}, 4),
        ({"repeat": [DB], "times": ms(7), "at_most": 4}, 4),
        ({"repeat": [call("cache", op="get", on={"miss": [DB]})], "until": ["ok"], "at_most": 4}, 1),
        ({"enqueue": "jobs", "steps": [DB, DB]}, 2),
        ({"choose": [{"probability": 1, "steps": [DB]}]}, 1),
        (call("db", on={"ok": [DB], "error": [DB]}), 2),
    ],
)
def test_visits_of_a_request(step: dict[str, Any], expected: int) -> None:
    assert visits(model([step]), [0])["db"] == expected


def test_a_choice_is_made_as_often_as_it_says() -> None:
    ways = [{"probability": 0.25, "steps": [DB]}, {"probability": 0.75, "steps": [DB, DB]}]
    assert visits(model([{"choose": ways}]), [0] * 4000)["db"] / 4000 == pytest.approx(1.75, abs=0.03)


def test_every_iteration_chooses_for_itself() -> None:
    ways = [{"probability": 0.5, "steps": [DB]}, {"probability": 0.5}]
    found = model([{"repeat": [{"choose": ways}], "times": ms(4)}])
    each = [visits(found, [0] * n).get("db", 0) for n in range(60)]
    assert len({after - before for before, after in itertools.pairwise(each)}) >= 4


ASK = call("cache", op="get", on={"miss": [DB, call("cache", op="set")]})


@pytest.mark.parametrize(
    ("cache", "misses"),
    [
        ({}, 3),  # 0, 1, 2 once each
        ({"max_entries": 2}, 4),  # 2 took the place of 1
        ({"max_entries": 1}, 6),
        ({"start": "warm"}, 0),
        ({"start": "warm", "max_entries": 2}, 2),  # 0 and 1 are there; 2 takes the place of 1
        ({"hit_ratio": 1}, 0),
        ({"hit_ratio": 0}, 7),
    ],
)
def test_a_cache_answers_what_it_holds(cache: dict[str, Any], misses: int) -> None:
    assert visits(model([ASK], **cache), [0, 1, 0, 0, 2, 0, 1]).get("db", 0) == misses
