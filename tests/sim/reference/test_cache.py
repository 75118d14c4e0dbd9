"""What a cache keeps, and for how long."""

from __future__ import annotations

from typing import Any

from tests.sim.reference.worlds import World, run, series, spans
from windtunnel.sim.draws import Draws, Purpose
from windtunnel.sim.faults.registry import imagined
from windtunnel.sim.model import OUTSIDE, CachePolicy, FaultWindow, Model, Outcome
from windtunnel.spec.fault import Outage


def cached(prompts: list[int], *, every_s: float = 1.0, policy: dict[str, Any], **more: Any) -> Model:
    """A question every second: looked up, and stored a moment later where it was missed."""
    world = World()
    cache = world.station("cache", cache=CachePolicy(**({"ttl_s": 100.0} | policy)))
    app = world.station("app")
    wire = world.wire(app, cache)
    store = world.call(wire, op="set", role="store")
    lookup = world.call(wire, op="get", role="lookup", on={Outcome.MISS: (store,)})
    entry = world.call(world.wire(OUTSIDE, app), program=(lookup,))
    at_s = [every_s * n for n in range(len(prompts))]
    return world.model(entry, at_s=at_s, prompt=prompts, duration_s=20.0, **more)


def found(model: Model) -> str:
    """h or m, lookup by lookup."""
    return "".join(outcome[0] for outcome in spans(run(model), "outcome", kind="client", op="get"))


def test_what_was_stored_is_found_until_its_time_is_up() -> None:
    assert found(cached([1, 1, 2, 1, 2, 1], policy={"ttl_s": 3.0})) == "mhmmhh"


def test_a_hit_may_put_the_end_off() -> None:
    assert found(cached([1, 1, 1, 1, 1], policy={"ttl_s": 1.5})) == "mhmhm"
    assert found(cached([1, 1, 1, 1, 1], policy={"ttl_s": 1.5, "reset_on_hit": True})) == "mhhhh"


def test_the_least_recently_used_leaves_when_it_is_full() -> None:
    model = cached([1, 2, 1, 3, 1, 2], policy={"max_entries": 2})
    assert found(model) == "mmhmhm"  # 3 takes the place of 2, since 1 was asked for in between
    assert series(run(model), "evictions", "cache")[:6] == [0, 0, 1, 1, 2, 2]


def test_a_warm_cache_begins_with_the_most_popular() -> None:
    policy = {"max_entries": 3, "warm": True}
    assert found(cached([0, 1, 2, 3], policy=policy)) == "hhhm"
    # 2 was the least recent of them, and leaves for 3.
    assert found(cached([3, 0, 1, 2], policy=policy)) == "mhhm"
    assert found(cached([0, 9, 0], policy={"warm": True, "ttl_s": 1.5})) == "hhm"


def test_a_hit_ratio_decides_by_chance() -> None:
    drawn = [Draws(1).uniform(request, 1, 0, Purpose.HIT) < 0.5 for request in range(20)]
    model = cached([1] * 20, policy={"hit_ratio": 0.5})
    assert found(model) == "".join("h" if hit else "m" for hit in drawn)
    assert set(drawn) == {True, False}


def test_a_killed_cache_comes_back_empty() -> None:
    window = (1.5, 1.9, 0, None, 0)
    outage, how = imagined(Outage(kind="outage", target="app->cache", at="during"))
    killed = FaultWindow(0, *window, kills=True, fault=outage, imagined=how)
    cut = FaultWindow(0, *window, kills=False, fault=outage, imagined=how)
    assert found(cached([1, 1, 1, 1], policy={}, faults=(killed,))) == "mhmh"
    assert found(cached([1, 1, 1, 1], policy={}, faults=(cut,))) == "mhhh"
