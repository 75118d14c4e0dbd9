"""Open loops with what a trace knows, closed loops with users who think."""

from __future__ import annotations

import numpy as np
import pytest

from tests.sim.reference.worlds import World, answer_ms, run
from windtunnel.sim.draws import Draws, Purpose, at
from windtunnel.sim.model import OUTSIDE, ClosedLoop, Model
from windtunnel.spec.distribution import Constant, Exponential


def closed(users: int, think: Constant | Exponential, service_ms: float = 100.0) -> Model:
    world = World()
    wire = world.wire(OUTSIDE, world.station("app", slots=1))
    entries = world.call(wire, service_ms), world.call(wire, service_ms)
    loop = ClosedLoop(users, think, flows=np.array([0.3, 1.0]), prompts=np.array([0.5, 1.0]), tenants=np.array([1.0]))
    return world.model(*entries, priorities=(0, 0), closed=loop, prompts=2, tenants=1, duration_s=2.0)


def test_users_think_before_every_question_and_stop_at_the_end() -> None:
    """Two users, 400 ms apart from their answers; one place: the second one waits for the first at first only."""
    tables = run(closed(2, Constant(value=400)))
    rows = {row["request"]: row["intended_s"] for row in tables.samples.to_pylist()}
    assert {n: round(at_s, 6) for n, at_s in rows.items()} == {0: 0.4, 1: 0.4, 2: 0.9, 3: 1.0, 4: 1.4, 5: 1.5, 6: 1.9}
    assert answer_ms(tables) == [100, 200, 100, 100, 100, 100, 100]


def test_what_they_ask_is_drawn_by_the_number_of_the_request() -> None:
    tables = run(closed(3, Exponential(mean_=50)))
    draws = Draws(1)
    for row in tables.samples.to_pylist():
        flow = 0 if at(draws.base(row["request"]), 0, 0, Purpose.FLOW) < 0.3 else 1
        assert row["flow"] == f"flow-{flow}"
    firsts = [row["intended_s"] for row in tables.samples.to_pylist() if row["request"] < 3]
    think = Exponential(mean_=50)
    assert firsts == pytest.approx([think.at(at(draws.base(n), 0, 0, Purpose.THINK)) / 1000 for n in range(3)])
    assert {row["flow"] for row in tables.samples.to_pylist()} == {"flow-0", "flow-1"}


def test_the_same_model_gives_the_same_answer() -> None:
    first, second = run(closed(5, Exponential(mean_=50))), run(closed(5, Exponential(mean_=50)))
    assert first == second
