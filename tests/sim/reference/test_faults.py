"""What a fault does beyond the call that it cuts: to zombies, to caches, to connections, to those who hold back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.reference.worlds import World, answer_ms, outcomes, run, series, spans
from windtunnel.sim.faults.registry import imagined
from windtunnel.sim.model import OUTSIDE, FaultWindow
from windtunnel.spec.fault import Bandwidth, Blackhole, Latency, Outage

OUTAGE = Outage(kind="outage", target="client->app", at="during")
HOLE = Blackhole(kind="blackhole", target="app->db", at="during")


def window(fault: Any, begin_s: float, end_s: float, *, index: int = 0, wire: int = 0, **more: Any) -> FaultWindow:
    said, how = imagined(fault)
    known: dict[str, Any] = {"caller_replica": None, "callee_replica": None, "kills": False} | more
    return FaultWindow(index=index, begin_s=begin_s, end_s=end_s, wire=wire, fault=said, imagined=how, **known)


@pytest.mark.parametrize(("kills", "worked_ms"), [(True, 70), (False, 200)])
def test_only_what_kills_the_callee_ends_its_zombies(kills: bool, worked_ms: float) -> None:
    world = World()
    wire = world.wire(OUTSIDE, world.station("app", replicas=2), timeout_s=0.05, survives_timeout=True)
    faults = (window(OUTAGE, 0.07, 0.08, kills=kills, callee_replica=0),)
    tables = run(world.model(world.call(wire, 200), at_s=[0.0, 0.0], faults=faults))
    assert outcomes(tables) == ["timeout", "timeout"]
    assert spans(tables, "duration_ms", kind="server", replica="app.0") == [worked_ms]
    assert spans(tables, "duration_ms", kind="server", replica="app.1") == [200]


def test_what_a_zombie_calls_dies_with_it() -> None:
    world = World()
    app, db = world.station("app"), world.station("db")
    outer = world.wire(OUTSIDE, app, timeout_s=0.05, survives_timeout=True)
    inner = world.wire(app, db)
    faults = (window(OUTAGE, 0.07, 0.08, kills=True),)
    tables = run(world.model(world.call(outer, program=(world.call(inner, 200),)), faults=faults))
    assert spans(tables, "duration_ms", kind="server", callee="db") == [70]


def database(**link: Any) -> tuple[World, Any]:
    """An app with one connection to a database that takes 10 ms; it waits 100 ms for an answer."""
    world = World()
    app, db = world.station("app"), world.station("db")
    inner = world.wire(app, db, timeout_s=0.1, to_database=True, pool=1, **link)
    return world, world.call(world.wire(OUTSIDE, app), program=(world.call(inner, 10),))


@pytest.mark.parametrize("survives", [True, False])
def test_a_connection_that_was_given_up_in_a_black_hole_comes_back_with_the_network(survives: bool) -> None:
    """The only one is lost to the first call, until the heal at 1 s; the call at .5 s waits for it in vain."""
    world, entry = database(survives_timeout=survives)
    faults = (window(HOLE, 0.0, 1.0),)
    tables = run(world.model(entry, at_s=[0.0, 0.5, 1.2], faults=faults, scrape_s=0.5))
    assert outcomes(tables) == ["timeout", "timeout", "ok"]
    assert answer_ms(tables) == [100, 100, 10]
    assert spans(tables, "request", kind="server", callee="db") == [0, 2]
    assert series(tables, "in_use", "app->db")[:2] == [1, 0]
    assert series(tables, "queue", "app->db")[:2] == [1, 0]


def test_a_zombie_gives_its_connection_back_at_once() -> None:
    world, entry = database(survives_timeout=True)
    slow = world.call(0, 300)
    model = world.model(entry, world.call(1, program=(slow,)), at_s=[0.0, 0.05], flow=[1, 0], priorities=(0, 0))
    tables = run(model)
    assert answer_ms(tables) == [100, 60]
    assert spans(tables, "duration_ms", kind="server", callee="db") == [300, 10]


def test_a_pool_that_is_given_up_on_says_how_long_it_was_waited_for() -> None:
    world, entry = database(pool_timeout_s=0.03)
    slow = world.call(0, 80)
    model = world.model(
        entry, world.call(1, program=(slow,)), at_s=[0.0, 0.01, 0.06], flow=[1, 0, 0], priorities=(0, 0)
    )
    tables = run(model)
    assert outcomes(tables) == ["ok", "timeout", "ok"]
    assert spans(tables, "wait_ms", kind="client", callee="db") == [0, 30, 20]


def test_active_faults_act_in_the_order_of_the_model_and_add_up() -> None:
    world = World()
    wire = world.wire(OUTSIDE, world.station("app"))
    late = Latency(kind="latency", target="client->app", at="during", latency_ms=40)
    narrow = Bandwidth(kind="bandwidth", target="client->app", at="during", rate_kb_per_s=10)
    faults = (window(late, 0.0, 1.0), window(narrow, 0.5, 2.0, index=1))
    tables = run(world.model(world.call(wire, 5), at_s=[0.0, 0.6, 1.5, 2.5], faults=faults))
    assert answer_ms(tables) == [45, 55, 15, 5]


def test_what_is_held_back_when_a_fault_heals_arrives_at_once() -> None:
    world = World()
    wire = world.wire(OUTSIDE, world.station("app"))
    late = Latency(kind="latency", target="client->app", at="during", latency_ms=500)
    tables = run(world.model(world.call(wire, 5), at_s=[0.0, 0.3], faults=(window(late, 0.0, 0.2),)))
    assert answer_ms(tables) == [200, 5]
