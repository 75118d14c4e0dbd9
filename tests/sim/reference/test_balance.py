"""Which replica is asked: by turn, by chance, by load, by question; and who is left out."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.sim.reference.worlds import World, outcomes, run, series, spans
from windtunnel.sim.draws import Draws, Purpose, mix
from windtunnel.sim.model import OUTSIDE, Ejection, Reign, Sick, Slow
from windtunnel.spec.distribution import Constant


def asked(n: int, replicas: int, *, service_ms: float = 1.0, every_s: float = 0.1, **link: Any) -> list[int]:
    """Which replica each of n requests went to."""
    world = World()
    wire = world.wire(OUTSIDE, world.station("app", replicas=replicas), **link)
    model = world.model(world.call(wire, service_ms), at_s=[every_s * k for k in range(n)], prompt=list(range(n)))
    return [int(name.split(".")[1]) for name in spans(run(model), "replica", kind="server")]


def test_round_robin_takes_turns() -> None:
    assert asked(5, 3) == [0, 1, 2, 0, 1]


def test_random_draws_for_every_attempt() -> None:
    draws = Draws(1)
    expected = [int(draws.uniform(request, 0, 0, Purpose.BALANCE) * 3) for request in range(20)]
    assert asked(20, 3, balance="random") == expected
    assert set(expected) == {0, 1, 2}


def test_least_requests_asks_whoever_has_fewest_and_takes_turns_among_equals() -> None:
    assert asked(4, 3, balance="least_requests") == [0, 1, 2, 0]
    # Nobody answers: one each, then two each.
    assert asked(6, 3, balance="least_requests", service_ms=5000) == [0, 1, 2, 0, 1, 2]


def test_power_of_two_choices_asks_the_less_busy_of_two() -> None:
    draws, load, expected = Draws(1), Counter[int](), []
    for request in range(30):
        first = int(draws.uniform(request, 0, 0, Purpose.BALANCE) * 4)
        second = int(draws.uniform(request, 0, 0, Purpose.BALANCE, 1) * 3)
        second += second >= first
        expected.append(second if load[second] < load[first] else first)
        load[expected[-1]] += 1
    assert asked(30, 4, balance="power_of_two", service_ms=1e6) == expected
    assert asked(3, 1, balance="power_of_two") == [0, 0, 0]


def test_hashing_keeps_a_question_with_its_replica() -> None:
    draws = Draws(1)
    of_three = [max(range(3), key=lambda r: mix(draws.base(prompt) ^ r)) for prompt in range(40)]
    assert asked(40, 3, balance="hash") == of_three
    of_two = asked(40, 2, balance="hash")
    # With a replica less only its own questions move.
    assert all(now == before for now, before in zip(of_two, of_three, strict=True) if before != 2)


def test_the_sick_are_left_out_unless_they_are_the_majority() -> None:
    world = World()
    wire = world.wire(OUTSIDE, world.station("app", replicas=4))
    model = world.model(
        world.call(wire, 1),
        at_s=[0.5 * k for k in range(12)],
        sick=(Sick(0, 1, 1.0, 4.0), Sick(0, 2, 2.0, 4.0), Sick(0, 3, 3.0, 3.6)),
    )
    replicas = [int(name.split(".")[1]) for name in spans(run(model), "replica", kind="server")]
    # Two each: until 1 s of all; until 2 s of 0, 2, 3; until 3 s of 0, 3; then of all, since three of four are out.
    assert replicas == [0, 1, 3, 0, 0, 3, 2, 3, 0, 1, 2, 3]


def test_an_outlier_is_ejected_for_a_while() -> None:
    """Replica 0 times out; after two failures in a row it is not asked for two seconds."""
    world = World()
    wire = world.wire(
        OUTSIDE, world.station("app", replicas=2), timeout_s=0.05, ejection=Ejection(failures=2, for_s=2.0)
    )
    model = world.model(world.call(wire, 1), at_s=[0.25 * k for k in range(14)], slow=(Slow(0, 0, 0.0, 10.0, 1000.0),))
    # Asked at 0 and .5, out from .55 to 2.55; again at 3 (turn 12), since 2.5 still is within.
    assert outcomes(run(model)) == ["timeout", "ok", "timeout", *["ok"] * 9, "timeout", "ok"]


def test_a_health_check_tells_of_a_crash_and_of_the_return() -> None:
    """Two in flight at replica 0 are too many: it is down from 0.6 to 1.6, and left out from 1.0 to 2.0."""
    world = World()
    app = world.station("app", replicas=2, crash_above=1, crash_restart_s=1.0)
    wire = world.wire(OUTSIDE, app, health_interval_s=0.5)
    long, short = world.call(wire, 1000), world.call(wire, 1)
    times_s = [0.5, 0.55, 0.6, 0.7, 0.8, 1.0, 1.2, 1.4, 1.7, 2.0, 2.1]
    model = world.model(long, short, at_s=times_s, flow=[0, 1, 0, *[1] * 8], priorities=(0, 0))
    tables = run(model)
    replicas = [int(name.split(".")[1]) for name in spans(tables, "replica", kind="server")]
    assert replicas == [0, 1, 0, 1, 0, 1, 1, 1, 1, 1, 0]
    assert outcomes(tables) == ["error", "ok", "error", "ok", "error", *["ok"] * 6]


def database(lag_ms: float = 0.0, replicas: int = 3) -> tuple[World, int]:
    world = World()
    reigns = (Reign(0.0, 0), Reign(2.0, 1))
    app = world.station("app")
    db = world.station("db", replicas=replicas, reigns=reigns, lag_ms=Constant(value=lag_ms))
    world.wire(OUTSIDE, app)
    return world, world.wire(app, db)


def test_writes_go_to_the_primary_of_the_time_and_reads_to_the_others() -> None:
    world, wire = database()
    write, read = world.call(wire), world.call(wire, reads=True)
    entry = world.call(0, program=(write, read))
    tables = run(world.model(entry, at_s=[0.0, 1.0, 2.0, 3.0]))
    replicas = spans(tables, "replica", kind="server", callee="db")
    assert replicas[0::2] == ["db.0", "db.0", "db.1", "db.1"]
    # Of two others each: turns 1, 3, 5, 7 are odd.
    assert replicas[1::2] == ["db.2", "db.2", "db.2", "db.2"]


def test_a_primary_that_is_alone_is_read_too() -> None:
    world, wire = database(replicas=1)
    tables = run(world.model(world.call(0, program=(world.call(wire, reads=True),))))
    assert spans(tables, "replica", kind="server", callee="db") == ["db.0"]


@pytest.mark.parametrize(("lag_ms", "stale"), [(21.0, 1), (19.0, 0)])
def test_reads_that_come_before_what_was_written_are_counted(lag_ms: float, stale: int) -> None:
    world, wire = database(lag_ms)
    write, read = world.call(wire, 10), world.call(wire, 20, reads=True)
    tables = run(world.model(world.call(0, program=(write, read)), at_s=[0.5]))
    assert series(tables, "stale_reads", "db")[0] == stale
