"""Who is served next, who is put back, who is turned away."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.reference.worlds import World, answer_ms, outcomes, run, series, spans
from windtunnel.sim.model import OUTSIDE, Adaptive, CoDel, WaitLimit
from windtunnel.sim.reference.codel import ControlledDelay
from windtunnel.sim.reference.recorder import Tables

PRIORITIES = (0, 1, 2)


def one_place(discipline: str, at_s: list[float], flow: list[int], **more: Any) -> Tables:
    """Flows 0, 1, 2, by urgency, at a station with one place; everybody takes 100 ms."""
    world = World()
    wire = world.wire(OUTSIDE, world.station("app", slots=1, discipline=discipline, **more))
    entries = [world.call(wire, 100) for _ in PRIORITIES]
    return run(world.model(*entries, at_s=at_s, flow=flow, priorities=PRIORITIES))


AT_S = [0.0, 0.01, 0.02, 0.03, 0.04]
FLOW = [1, 2, 1, 0, 1]


def test_first_come_first_served() -> None:
    assert answer_ms(one_place("fifo", AT_S, FLOW)) == [100, 190, 280, 370, 460]


def test_the_most_urgent_goes_first_but_nobody_is_interrupted() -> None:
    # 0 until 100 ms; then the urgent 3 until 200; then 2, 4; the unimportant 1 last.
    assert answer_ms(one_place("priority", AT_S, FLOW)) == [100, 490, 280, 170, 360]


def test_the_urgent_interrupt_and_the_interrupted_resume_what_was_left() -> None:
    tables = one_place("preemptive", AT_S, FLOW)
    # 0 works for 30 ms, 3 takes its place until 130; 0 resumes before 2, since it came first, until 200; 2; 4; 1.
    assert answer_ms(tables) == [200, 490, 280, 100, 360]
    assert spans(tables, "wait_ms", kind="server", request=0) == [0]  # until it was first admitted


def test_the_least_urgent_is_interrupted_and_of_equals_the_latest() -> None:
    world = World()
    wire = world.wire(OUTSIDE, world.station("app", slots=3, discipline="preemptive"))
    entries = [world.call(wire, 100) for _ in PRIORITIES]
    model = world.model(*entries, at_s=[0.0, 0.01, 0.02, 0.03, 0.05], flow=[2, 2, 1, 0, 0], priorities=PRIORITIES)
    # 3 interrupts 1, the later one of the two least urgent; 4 interrupts 0. Places are free at 120 (2), 130, 150:
    # 0, which came before 1, resumes its 50 ms at 120, 1 its 80 at 130.
    assert answer_ms(run(model)) == [170, 200, 100, 100, 100]


def test_one_who_was_interrupted_and_cancelled_leaves_the_line() -> None:
    world = World()
    wire = world.wire(OUTSIDE, world.station("app", slots=1, discipline="preemptive"), timeout_s=0.12)
    entries = [world.call(wire, 100) for _ in PRIORITIES]
    model = world.model(*entries, at_s=[0.0, 0.05, 0.14], flow=[1, 0, 1], priorities=PRIORITIES)
    tables = run(model)
    assert outcomes(tables) == ["timeout", "ok", "ok"]
    assert answer_ms(tables) == [120, 100, 110]


def test_a_line_has_an_end() -> None:
    tables = one_place("fifo", [0.0, 0.01, 0.02, 0.11], [0] * 4, queue_limit=1)
    assert outcomes(tables) == ["ok", "ok", "rejected", "ok"]
    assert answer_ms(tables) == [100, 190, 0, 190]


def test_who_has_waited_too_long_is_refused() -> None:
    tables = one_place("fifo", [0.0, 0.01, 0.02, 0.03], [0] * 4, shed=WaitLimit(0.15))
    # At 100 ms 1 is served, after 90; at 200 ms 2 is refused after 180, and 3 after 170.
    assert outcomes(tables) == ["ok", "ok", "rejected", "rejected"]
    assert answer_ms(tables) == [100, 190, 180, 170]
    assert spans(tables, "wait_ms", kind="server") == [0, 90, None, None]


def test_codel_drops_when_the_wait_stays_above_its_target() -> None:
    """All at once, target 50 ms, interval 200 ms: by hand from the pseudocode.

    At 100 1 is served (above its target: may drop from 300 on), at 200 2. At 300 3 is dropped (next: 500), 4 served; at
    400 5. At 500 6 is dropped (next: 200/sqrt 2 later, 641), 7 served; at 600 8. At 700 9 is dropped (next: 757), 10
    served. At 800 11 is dropped, and 12, who is alone in line then, served.
    """
    tables = one_place("fifo", [0.0] * 13, [0] * 13, shed=CoDel(target_s=0.05, interval_s=0.2))
    refused = [request for request, outcome in enumerate(outcomes(tables)) if outcome == "rejected"]
    assert refused == [3, 6, 9, 11]
    assert [answer_ms(tables)[request] for request in refused] == [300, 500, 700, 800]


def test_codel_forgets_when_the_wait_is_short_again() -> None:
    policy = ControlledDelay(CoDel(target_s=0.05, interval_s=0.2))
    assert not policy.drops(0.0, 0.1, alone=False)
    assert not policy.drops(0.1, 0.01, alone=False)  # below: starts anew
    assert not policy.drops(0.2, 0.1, alone=False)
    assert not policy.drops(0.39, 0.1, alone=False)
    assert policy.drops(0.4, 0.1, alone=False)
    assert not policy.drops(0.41, 0.1, alone=True)  # alone in line: no harm is done


def test_codel_takes_up_where_it_left_off_when_it_was_dropping_a_moment_ago() -> None:
    """An eighth of a second, looked at 128 times a second: drops an eighth, then an eighth / sqrt n further each."""

    def looks(from_: int, n: int) -> list[int]:
        return [k for k in range(n) if policy.drops((from_ + k) / 128, 1.0, alone=False)]

    policy = ControlledDelay(CoDel(target_s=0.05, interval_s=0.125))
    assert looks(0, 59) == [16, 32, 44, 53]  # due at .125, .25, .338, .411; the next one would be at .473
    assert not policy.drops(59 / 128, 0.0, alone=False)
    # Above again from 60/128 on, for an eighth: that is .121 after the drop that was due, so that it goes on with two
    # drops less: the next ones come an eighth / sqrt 2 and / sqrt 3 later.
    assert looks(60, 40) == [16, 28, 37]


def test_an_adaptive_limit_grows_with_success_and_shrinks_with_failure() -> None:
    """From 2: each answer in time adds 1/limit, each late one halves it."""
    world = World()
    shed = Adaptive(latency_s=0.2, minimum=1.0, maximum=10.0, initial=2.0, backoff=0.5)
    wire = world.wire(OUTSIDE, world.station("app", shed=shed))
    short, long = world.call(wire, 100), world.call(wire, 300)
    model = world.model(short, long, at_s=[0.0] * 5 + [1.5, 2.5], flow=[0] * 5 + [1, 1], priorities=(0, 0))
    tables = run(model)
    # Two at a time until 100 ms; both end: 2.5, then 2.9; two more, at 200 ms 3.24 and 3.55: the third place.
    assert answer_ms(tables) == [100, 100, 200, 200, 300, 300, 300]
    limit = 2.0
    for _ in range(5):
        limit += 1 / limit
    assert series(tables, "limit", "app")[:3] == pytest.approx([limit, limit / 2, 1.0], abs=1e-6)


def test_an_adaptive_limit_stays_between_its_bounds() -> None:
    world = World()
    shed = Adaptive(latency_s=0.2, minimum=1.0, maximum=2.2, initial=2.0, backoff=0.5)
    wire = world.wire(OUTSIDE, world.station("app", shed=shed))
    short, long = world.call(wire, 100), world.call(wire, 300)
    tables = run(world.model(short, long, at_s=[0.0, 1.1, 1.5, 2.1], flow=[0, 1, 1, 1], priorities=(0, 0)))
    assert series(tables, "limit", "app")[:3] == [2.2, 1.0, 1.0]


def test_gauges_of_places_and_lines() -> None:
    tables = one_place("fifo", [0.95, 0.96, 0.97], [0] * 3)
    assert series(tables, "in_use", "app")[:2] == [1, 0]
    assert series(tables, "queue", "app")[:2] == [2, 0]
