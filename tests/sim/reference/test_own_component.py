"""A user's own component: a vector index that takes longer, the more entries earlier requests have added.

It is the documented example of ``windtunnel.sim.reference.component``.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import pytest
from simpy.events import Event
from simpy.exceptions import Interrupt

from tests.sim.reference.worlds import World, answer_ms, outcomes, run, spans
from windtunnel.sim.model import OUTSIDE, Choose
from windtunnel.sim.reference.engine import Engine
from windtunnel.sim.reference.exchange import Exchange


class VectorIndex:
    """Searches in a time that grows with the logarithm of its entries, and adds them one by one."""

    def __init__(self, capacity: int = 1000) -> None:
        """Empty."""
        self.entries = 0
        self.capacity = capacity

    def serve(self, engine: Engine, exchange: Exchange) -> Generator[Event, Any, str]:
        """``add`` takes a millisecond of a core and is refused when it is full; ``search`` waits for the disk."""
        if exchange.hop.op == "add":
            if self.entries == self.capacity:
                return "rejected"
            yield from engine.computes(exchange, 0.001)
            self.entries += 1
        else:
            yield engine.after(exchange, 0.001 * math.log2(2 + self.entries))
        return "ok"


def searching() -> tuple[World, Any, Any]:
    """A client that adds and searches by turns, through an app that waits 100 ms for its index."""
    world = World()
    app, index = world.station("app"), world.station("index", slots=1)
    outer, inner = world.wire(OUTSIDE, app), world.wire(app, index, timeout_s=0.1)
    add = world.call(outer, program=(world.call(inner, op="add"),))
    search = world.call(outer, program=(world.call(inner, op="search"),))
    return world, add, search


def test_a_search_takes_longer_the_more_has_been_added() -> None:
    world, add, search = searching()
    at_s, flow = [0.1 * n for n in range(17)], [1] + [0] * 6 + [1] + [0] * 8 + [1]
    index = VectorIndex()
    tables = run(world.model(add, search, at_s=at_s, flow=flow, priorities=(0, 0)), {"index": index})
    expected = [math.log2(2), *[1.0] * 6, math.log2(2 + 6), *[1.0] * 8, math.log2(2 + 14)]
    assert answer_ms(tables) == pytest.approx(expected, abs=1e-3)
    assert index.entries == 14


def test_places_lines_and_failures_are_those_of_any_station() -> None:
    world, add, _ = searching()
    tables = run(world.model(add, at_s=[0.0, 0.0, 0.0]), {"index": VectorIndex(capacity=2)})
    assert answer_ms(tables) == [1, 2, 2]
    assert outcomes(tables) == ["ok", "ok", "rejected"]
    assert spans(tables, "wait_ms", kind="server", callee="index") == [0, 1, 2]


class Forwarder:
    """Does nothing of its own but what the flow has here, and counts who was cancelled."""

    def __init__(self) -> None:
        """Nobody yet."""
        self.cancelled = 0

    def serve(self, engine: Engine, exchange: Exchange) -> Generator[Event, Any, str]:
        """The flow's calls."""
        try:
            outcome = yield from engine.runs_program(exchange)
        except Interrupt:
            self.cancelled += 1
            raise
        return outcome.name.lower()


def test_it_can_make_the_flows_calls_and_may_be_cancelled() -> None:
    world = World()
    app, db = world.station("app"), world.station("db")
    outer, inner = world.wire(OUTSIDE, app, timeout_s=0.05), world.wire(app, db)
    quick, slow = world.call(inner, 10), world.call(inner, 1000)
    entry = world.call(outer, program=(Choose(9, (0.5, 1.0), ((quick,), (slow,))),))
    forwarder = Forwarder()
    tables = run(world.model(entry, at_s=[0.1 * n for n in range(10)]), {"app": forwarder})
    assert set(outcomes(tables)) == {"ok", "timeout"}
    assert forwarder.cancelled == outcomes(tables).count("timeout")


def test_a_computing_component_that_is_cancelled_leaves_the_processor() -> None:
    class Cruncher:
        """Needs a second of a core."""

        def serve(self, engine: Engine, exchange: Exchange) -> Generator[Event, Any, str]:
            """No end within reach."""
            yield from engine.computes(exchange, 1.0)
            return "ok"

    world = World()
    app = world.station("app")
    other = world.station("other", cpu_s=math.inf)
    hasty, patient = world.wire(OUTSIDE, app, timeout_s=0.1), world.wire(OUTSIDE, other)
    entries = world.call(hasty), world.call(patient, 100)
    model = world.model(*entries, at_s=[0.0, 0.0], flow=[0, 1], priorities=(0, 0), cores=(1.0,))
    # One core: shared until 100 ms, then the other's alone.
    assert answer_ms(run(model, {"app": Cruncher()})) == [100, 150]


def test_a_component_of_another_name_is_told() -> None:
    world, add, _ = searching()
    with pytest.raises(ValueError, match="found a component 'indx', expected one of the stations app, index"):
        run(world.model(add), {"indx": VectorIndex()})
