"""What becomes of a request that arrives: rate limits, crashes, slowness, warmth, owed processor time, spans."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.reference.worlds import World, answer_ms, outcomes, run, series, spans
from windtunnel.sim.draws import Draws, Purpose
from windtunnel.sim.model import OUTSIDE, Slow, TokenBucket
from windtunnel.spec.distribution import Exponential
from windtunnel.spec.parameters import Warmth


def single(service_ms: Any = 10, *, link: dict[str, Any] | None = None, **station: Any) -> tuple[World, Any]:
    """A client and one component."""
    world = World()
    return world, world.call(world.wire(OUTSIDE, world.station("app", **station), **(link or {})), service_ms)


def test_a_link_is_crossed_twice_by_half_and_times_are_drawn_by_address() -> None:
    world = World()
    wire = world.wire(OUTSIDE, world.station("app"))
    entry = world.call(wire, Exponential(mean_=10), link_ms=Exponential(mean_=4))
    draws = Draws(1)
    expected = [
        Exponential(mean_=10).at(draws.uniform(request, 0, 0, Purpose.SERVICE))
        + Exponential(mean_=4).at(draws.uniform(request, 0, 0, Purpose.LINK))
        for request in range(5)
    ]
    assert answer_ms(run(world.model(entry, at_s=[0.0] * 5))) == pytest.approx(expected, abs=1e-3)


def test_a_rate_limit_lets_a_reserve_through_and_fills_it_again() -> None:
    world, entry = single(rate_limit=TokenBucket(per_s=2.0, burst=2.0))
    tables = run(world.model(entry, at_s=[0.0, 0.0, 0.0, 0.49, 0.5, 5.0, 5.0, 5.0]))
    assert outcomes(tables) == ["ok", "ok", "rejected", "rejected", "ok", "ok", "ok", "rejected"]
    assert answer_ms(tables)[2] == 0


def test_a_rate_limit_per_tenant_is_not_used_up_by_others() -> None:
    world, entry = single(rate_limit=TokenBucket(per_s=1.0, burst=1.0, per_tenant=True))
    tables = run(world.model(entry, at_s=[0.0] * 4, tenant=[0, 0, 1, 1]))
    assert outcomes(tables) == ["ok", "rejected", "ok", "rejected"]


def test_too_many_at_once_crash_a_replica_until_it_is_restarted() -> None:
    world, entry = single(100, crash_above=2, crash_restart_s=0.5)
    tables = run(world.model(entry, at_s=[0.0, 0.01, 0.02, 0.3, 0.52, 0.53]))
    assert outcomes(tables) == ["error", "error", "error", "error", "ok", "ok"]
    assert answer_ms(tables) == [20, 10, 0, 0, 100, 100]
    assert spans(tables, "outcome", kind="server") == ["error"] * 4 + ["ok"] * 2
    assert series(tables, "errors.error")[0] == 4


def test_a_crash_takes_those_along_whom_it_makes_call_elsewhere() -> None:
    """Two replicas that can bear two each: the third at the first one, and a retry is the third at the second one."""
    world = World()
    app = world.station("app", replicas=2, crash_above=2, crash_restart_s=10.0)
    wire = world.wire(OUTSIDE, app, retries=1, backoff_s=0.001)
    tables = run(world.model(world.call(wire, 1000), at_s=[0.0, 0.01, 0.02, 0.03, 0.04]))
    assert outcomes(tables) == ["error"] * 5
    # 0, 2 and 4 meet at replica 0 at 40 ms; a millisecond later the first retry meets 1 and 3 at replica 1.
    assert spans(tables, "duration_ms", kind="client", attempt=0) == [40, 31, 20, 11, 0]
    assert spans(tables, "replica", kind="server", attempt=0) == ["app.0", "app.1", "app.0", "app.1", "app.0"]


def test_a_crash_ends_zombies_and_answers_under_way_too() -> None:
    world = World()
    app = world.station("app", crash_above=2, crash_restart_s=10.0)
    patient = world.wire(OUTSIDE, app)
    hasty = world.wire(OUTSIDE, app, timeout_s=0.05, survives_timeout=True)
    far = world.call(patient, 10, link_ms=200)
    zombie, long = world.call(hasty, 1000), world.call(patient, 1000)
    times_s, flow = [0.0, 0.06, 0.12, 0.13], [0, 1, 2, 2]
    tables = run(world.model(far, zombie, long, at_s=times_s, flow=flow, priorities=(0, 0, 0)))
    # The first has been served at 110 ms, its answer would be there at 210. The second has timed out at 110. At 130
    # three are in flight, the zombie one of them.
    assert outcomes(tables) == ["error", "timeout", "error", "error"]
    assert answer_ms(tables) == [130, 50, 10, 0]
    assert spans(tables, "duration_ms", kind="server") == [10, 70, 10, 0]


def test_own_work_is_slower_while_a_brownout_lasts() -> None:
    slow = (Slow(0, None, 1.0, 3.0, 2.0), Slow(0, None, 2.0, 4.0, 3.0), Slow(0, 1, 0.0, 9.0, 99.0))
    world, entry = single()
    tables = run(world.model(entry, at_s=[0.5, 1.0, 2.0, 3.0, 4.0], slow=slow))
    assert answer_ms(tables) == [10, 20, 60, 30, 10]


def test_idleness_costs_and_a_busy_callers_loop_takes_answers_up_late() -> None:
    world = World()
    app = world.station("app", cpu_s=float("inf"), single_threaded=True, turn_s=0.008)
    warmth = (Warmth(idle_up_to_ms=50, factor=1, n=30), Warmth(idle_up_to_ms=None, factor=1.5, n=30))
    db = world.station("db", traced=False, warmth=warmth)
    inner = world.wire(app, db)
    entry = world.call(world.wire(OUTSIDE, app), 2, (world.call(inner, 10),))
    tables = run(world.model(entry, at_s=[0.0, 0.0165, 0.5], seed=3))
    # The second request's own 2 ms begin as the first one's answer comes, at 17 ms: the loop is busy then.
    late = Draws(3).uniform(0, entry.hop - 1, 0, Purpose.TURN) * 8
    assert answer_ms(tables) == pytest.approx([17 + late, 12, 17], abs=1e-3)


def test_processor_time_beyond_the_own_work_is_owed_and_delays_the_next() -> None:
    """5 of 20 ms are waited for; the other 15 run when the first has its answer, beside what the second needs."""
    world, entry = single(5, cpu_s=0.02, single_threaded=True)
    tables = run(world.model(entry, at_s=[0.0, 0.01]))
    assert answer_ms(tables) == [5, 10]
    assert series(tables, "cpu_share", "app")[0] == pytest.approx(0.04)


def test_processor_time_beside_the_components_takes_its_share() -> None:
    """On one core: the second request's 10 ms share it with what the first has cost the load generator."""
    world, entry = single(10, cpu_s=float("inf"))
    tables = run(world.model(entry, at_s=[0.0, 0.02], cores=(1.0,), beside_s=((0, "generator", 0.5),)))
    assert answer_ms(tables) == [10, 20]
    assert series(tables, "cpu_share", "app")[:2] == pytest.approx([0.02, 0.0])
    assert series(tables, "cpu_share", "generator")[:2] == pytest.approx([0.98, 0.02])
    assert series(tables, "cpu_share", "host")[:2] == pytest.approx([1.0, 0.02])


def test_what_is_done_for_a_client_that_has_gone_is_paid_at_once() -> None:
    world, entry = single(30, cpu_s=0.5, link={"timeout_s": 0.01, "survives_timeout": True})
    tables = run(world.model(entry))
    assert outcomes(tables) == ["timeout"]
    assert series(tables, "cpu_share", "app")[0] == pytest.approx(0.5)


def test_untraced_stations_write_no_spans() -> None:
    world, entry = single(traced=False)
    assert spans(run(world.model(entry)), "kind") == ["client"]
