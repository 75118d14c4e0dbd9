"""Callers: backoff, budgets, deadlines, hedges, what a cancelled caller leaves behind."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.reference.worlds import World, answer_ms, outcomes, run, series, spans
from windtunnel.sim.draws import Draws, Purpose
from windtunnel.sim.model import OUTSIDE, Breaker, Invoke, LLMPolicy, Outcome, RetryBudget, Slow
from windtunnel.sim.reference.recorder import Tables


def failing(**link: Any) -> tuple[World, Invoke]:
    """A client whose callee never answers in the 10 ms that it waits."""
    world = World()
    return world, world.call(world.wire(OUTSIDE, world.station("app"), timeout_s=0.01, **link), 1000)


@pytest.mark.parametrize("jitter", ["none", "full", "equal", "decorrelated"])
def test_pauses_grow_up_to_their_largest_and_are_jittered(jitter: str) -> None:
    world, entry = failing(retries=3, backoff_s=0.1, max_backoff_s=0.25, jitter=jitter)
    tables = run(world.model(entry))
    u = [Draws(1).uniform(0, 0, attempt, Purpose.BACKOFF) for attempt in range(3)]
    whole = [0.1, 0.2, 0.25]
    decorrelated = [0.1]
    for each in u:
        decorrelated.append(min(0.25, 0.1 + each * (3 * decorrelated[-1] - 0.1)))
    pauses_s = {
        "none": whole,
        "full": [each * most for each, most in zip(u, whole, strict=True)],
        "equal": [most / 2 + each * most / 2 for each, most in zip(u, whole, strict=True)],
        "decorrelated": decorrelated[1:],
    }[jitter]
    starts = spans(tables, "start_s", kind="client")
    assert starts == pytest.approx([sum(pauses_s[:n]) + 0.01 * n for n in range(4)], abs=1e-6)
    assert outcomes(tables) == ["timeout"]
    assert series(tables, "attempts", "client->app")[0] == 4
    assert series(tables, "retries", "client->app")[0] == 3


def test_only_what_is_worth_it_is_retried() -> None:
    world, entry = failing(retries=3, retry_on=frozenset({Outcome.ERROR}))
    assert spans(run(world.model(entry)), "attempt", kind="client") == [0]


def test_a_budget_stops_a_storm_of_retries() -> None:
    """Two retries at once, then one for every four calls."""
    world, entry = failing(retries=1, budget=RetryBudget(ratio=0.25, burst=2.0))
    tables = run(world.model(entry, at_s=[float(n) for n in range(10)], duration_s=20.0))
    retried = [request for request, attempt in _attempts(tables) if attempt == 1]
    # Tokens after each call's share: 2, 1.25, .5, .75, 1 (spent), .25, .5, .75, 1 (spent), .25
    assert retried == [0, 1, 4, 8]


def test_a_deadline_that_has_passed_is_not_even_tried() -> None:
    """The app's own 30 ms use up the 20 that its caller waits; the zombie's call is not made."""
    world = World()
    app, db = world.station("app"), world.station("db")
    outer = world.wire(OUTSIDE, app, timeout_s=0.02, propagates_deadline=True, survives_timeout=True)
    inner = world.wire(app, db)
    tables = run(world.model(world.call(outer, 30, (world.call(inner, 1),))))
    assert outcomes(tables) == ["timeout"]
    assert spans(tables, "outcome", kind="server", callee="app") == ["timeout"]
    assert spans(tables, "duration_ms", kind="server", callee="app") == [30]
    assert spans(tables, "outcome", callee="db") == []


def test_a_deadline_is_handed_down_and_shortens_the_calls_below() -> None:
    world = World()
    app, db = world.station("app"), world.station("db")
    outer = world.wire(OUTSIDE, app, timeout_s=0.05, propagates_deadline=True, survives_timeout=True)
    inner = world.wire(app, db, timeout_s=1.0)
    tables = run(world.model(world.call(outer, 30, (world.call(inner, 100),))))
    assert spans(tables, "duration_ms", kind="client", callee="db") == [20]
    assert spans(tables, "outcome", kind="client", callee="db") == ["timeout"]


def hedged(*slow: float, **link: Any) -> tuple[World, Invoke, tuple[Slow, ...]]:
    """Two replicas in turn, each with 10 ms of work times a factor; a second one is asked after 50 ms."""
    world = World()
    wire = world.wire(OUTSIDE, world.station("app", replicas=2), **{"hedge_after_s": 0.05, **link})
    factors = tuple(Slow(0, replica, 0.0, 10.0, factor) for replica, factor in enumerate(slow))
    return world, world.call(wire, 10), factors


def test_a_hedge_wins_and_the_first_is_cancelled() -> None:
    world, entry, slow = hedged(30, 1)
    tables = run(world.model(entry, slow=slow))
    assert (outcomes(tables), answer_ms(tables)) == (["ok"], [60])
    assert spans(tables, "outcome", kind="client") == ["error", "ok"]
    assert spans(tables, "duration_ms", kind="server") == [60, 10]


def test_the_first_wins_and_its_hedge_is_cancelled() -> None:
    world, entry, slow = hedged(8, 5)
    tables = run(world.model(entry, slow=slow))
    assert answer_ms(tables) == [80]
    assert spans(tables, "duration_ms", kind="server") == [80, 30]
    assert spans(tables, "outcome", kind="server") == ["ok", "error"]


def test_who_answers_in_time_is_not_hedged() -> None:
    world, entry, slow = hedged(1, 1)
    assert spans(run(world.model(entry, slow=slow)), "attempt", kind="client") == [0]
    world, entry, slow = hedged(5, 1)  # at the very instant: an end comes before a timer
    assert spans(run(world.model(entry, slow=slow)), "attempt", kind="client") == [0]


def test_hedged_calls_fail_when_both_have_failed() -> None:
    world, entry, slow = hedged(30, 30, timeout_s=0.07)
    tables = run(world.model(entry, slow=slow))
    assert (outcomes(tables), answer_ms(tables)) == (["timeout"], [120])


def test_a_failed_first_attempt_is_not_hedged_but_retried() -> None:
    world, entry, slow = hedged(30, 1, timeout_s=0.02, retries=1, backoff_s=0.005)
    tables = run(world.model(entry, slow=slow))
    assert (spans(tables, "attempt", kind="client"), answer_ms(tables)) == ([0, 1], [20 + 5 + 10])


def test_the_loser_goes_on_where_nobody_can_tell_it() -> None:
    world, entry, slow = hedged(30, 1, survives_cancel=True)
    tables = run(world.model(entry, slow=slow))
    assert answer_ms(tables) == [60]
    assert spans(tables, "outcome", kind="server") == ["ok", "ok"]
    assert spans(tables, "duration_ms", kind="client") == [300, 10]


def test_an_open_breaker_allows_no_hedge() -> None:
    """The first request's failures open it while the second request waits for its only answer."""
    breaker = Breaker(failures=1, ratio=0.0, calls=1, open_s=5.0, probes=1)
    world, entry, slow = hedged(30, 30, timeout_s=0.25, breaker=breaker)
    # The first request has asked twice by 50 ms; the second, at 230 ms, once. The first failure, at 250 ms, comes
    # before the second one's hedge would, at 280.
    tables = run(world.model(entry, at_s=[0.0, 0.23], slow=slow))
    assert _attempts(tables) == [(0, 0), (0, 1), (1, 0)]


@pytest.mark.parametrize(("survives", "expected"), [(True, ("ok", 50)), (False, ("error", 20))])
def test_what_becomes_of_a_cancelled_callers_call(survives: bool, expected: tuple[str, float]) -> None:
    world = World()
    app, db = world.station("app"), world.station("db")
    inner = world.wire(app, db, survives_cancel=survives)
    entry = world.call(world.wire(OUTSIDE, app, timeout_s=0.02), program=(world.call(inner, 50),))
    tables = run(world.model(entry))
    assert answer_ms(tables) == [20]
    [outcome] = spans(tables, "outcome", kind="server", callee="db")
    [duration_ms] = spans(tables, "duration_ms", kind="client", callee="db")
    assert (outcome, duration_ms) == expected


@pytest.mark.parametrize(("survives", "duration_ms"), [(True, 50), (False, 20)])
def test_who_stops_waiting_leaves_a_zombie_or_not(survives: bool, duration_ms: float) -> None:
    """The callee has one place: the second request, at 30 ms, has to wait for the zombie that holds it."""
    world = World()
    wire = world.wire(OUTSIDE, world.station("app", slots=1), timeout_s=0.02, survives_timeout=survives)
    tables = run(world.model(world.call(wire, 50), at_s=[0.0, 0.03]))
    assert outcomes(tables) == ["timeout", "timeout"]
    assert spans(tables, "duration_ms", kind="server", request=0) == [duration_ms]
    assert spans(tables, "wait_ms", kind="server", request=1) == ([20] if survives else [0])


def test_retry_after_is_heeded() -> None:
    """One request a minute: the one that comes a second after another is told to come back in 59."""
    world = World()
    llm = world.station("llm", llm=LLMPolicy(requests_per_minute=1))
    entry = world.call(world.wire(OUTSIDE, llm, retries=1, backoff_s=0.1), 10)
    tables = run(world.model(entry, at_s=[0.0, 1.0]))
    assert (outcomes(tables), answer_ms(tables)) == (["ok", "ok"], [10, 59_010])
    assert spans(tables, "outcome", kind="client", request=1) == ["rejected", "ok"]


def _attempts(tables: Tables) -> list[tuple[int, int]]:
    rows = tables.spans.to_pylist()
    return [(row["request"], row["attempt"]) for row in rows if row["kind"] == "client"]
