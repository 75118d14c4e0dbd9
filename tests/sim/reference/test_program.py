"""Steps: choices, forks, repeats, what is optional, and one fetch for all who ask the same."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.reference.worlds import World, answer_ms, outcomes, run, spans
from windtunnel.sim.draws import Draws, Purpose, at, mix
from windtunnel.sim.model import OUTSIDE, CachePolicy, Choose, Fork, Invoke, Outcome, Repeat, Slow
from windtunnel.spec.distribution import Uniform

FAILS_MS = 1000.0
"""Longer than anybody here waits."""


class Calls(World):
    """A client, an app, and a db that the app waits 100 ms for."""

    def __init__(self) -> None:
        super().__init__()
        self.app, self.db = self.station("app"), self.station("db")
        self.outer, self.inner = self.wire(OUTSIDE, self.app), self.wire(self.app, self.db, timeout_s=0.1)

    def db_call(self, ms: float, **more: Any) -> Invoke:
        return self.call(self.inner, ms, **more)


def test_what_is_optional_may_fail_and_what_is_not_ends_it() -> None:
    world = Calls()
    steps = world.db_call(FAILS_MS, optional=True), world.db_call(10), world.db_call(FAILS_MS), world.db_call(10)
    tables = run(world.model(world.call(world.outer, program=steps)))
    assert (outcomes(tables), answer_ms(tables)) == (["timeout"], [210])
    assert spans(tables, "outcome", kind="client", callee="db") == ["timeout", "ok", "timeout"]


def test_the_end_of_a_branch_for_an_outcome_is_the_end() -> None:
    world = Calls()
    falls_back = world.db_call(FAILS_MS, on={Outcome.TIMEOUT: (world.db_call(5),)})
    fails_twice = world.db_call(FAILS_MS, on={Outcome.TIMEOUT: (world.db_call(FAILS_MS),)}, optional=True)
    tables = run(world.model(world.call(world.outer, program=(falls_back, fails_twice, world.db_call(1)))))
    assert (outcomes(tables), answer_ms(tables)) == (["timeout"], [105 + 200])


def test_a_choice_is_drawn_by_its_own_address() -> None:
    world = Calls()
    choose = Choose(7, (0.2, 0.7, 1.0), ((world.db_call(10),), (world.db_call(20),), ()))
    tables = run(world.model(world.call(world.outer, program=(choose,)), at_s=[0.0] * 30))
    drawn = [Draws(1).uniform(request, 7, 0, Purpose.CHOICE) for request in range(30)]
    assert answer_ms(tables) == [10 if u < 0.2 else 20 if u < 0.7 else 0 for u in drawn]
    assert len(set(answer_ms(tables))) == 3


@pytest.mark.parametrize(
    ("need", "times_ms", "outcome", "expected_ms"),
    [
        (3, (10, 30, 20), "ok", 30),
        (1, (10, 30, 20), "ok", 10),
        (2, (10, FAILS_MS, 20), "ok", 20),
        (3, (10, FAILS_MS, 200), "timeout", 100),
        (2, (10, FAILS_MS, FAILS_MS), "timeout", 100),
    ],
)
def test_a_fork_goes_on_when_enough_have_ended_well_or_no_longer_can(
    need: int, times_ms: tuple[float, ...], outcome: str, expected_ms: float
) -> None:
    world = Calls()
    fork = Fork(tuple((world.db_call(ms),) for ms in times_ms), need)
    tables = run(world.model(world.call(world.outer, program=(fork,))))
    assert (outcomes(tables), answer_ms(tables)) == ([outcome], [expected_ms])
    assert max(spans(tables, "duration_ms", kind="server", callee="db")) == expected_ms  # the others are cancelled


def test_a_cancelled_fork_cancels_its_branches() -> None:
    world = World()
    app, db = world.station("app"), world.station("db")
    outer, inner = world.wire(OUTSIDE, app, timeout_s=0.02), world.wire(app, db)
    fork = Fork(((world.call(inner, 50),), (world.call(inner, 10), world.call(inner, 50))), 2)
    tables = run(world.model(world.call(outer, program=(fork,))))
    assert spans(tables, "duration_ms", kind="server", callee="db") == [20, 10, 10]


def test_iterations_draw_for_themselves_and_what_follows_as_if_there_were_none() -> None:
    world = Calls()
    drawn = Uniform(low=0, high=50)
    body, after = world.call(world.inner, drawn), world.call(world.inner, drawn)
    repeat = Repeat(9, (body,), None, frozenset(), at_most=3)
    tables = run(world.model(world.call(world.outer, program=(repeat, after))))
    base = Draws(1).base(0)
    addresses = [(base, body), (mix(base ^ 1), body), (mix(base ^ 2), body), (base, after)]
    expected = [drawn.at(at(where, call.hop, 0, Purpose.SERVICE)) for where, call in addresses]
    assert spans(tables, "duration_ms", kind="server", callee="db") == pytest.approx(expected, abs=1e-3)


def test_the_visit_itself_draws_as_ever_whatever_was_repeated_within_it() -> None:
    """From 80 ms on the database is too slow: the third iteration ends it, and the answer takes the way it came."""
    world = Calls()
    repeat = Repeat(9, (world.db_call(50),), None, frozenset(), at_most=5)
    link = Uniform(low=0, high=10)
    entry = world.call(world.outer, program=(repeat,), link_ms=link)
    tables = run(world.model(entry, slow=(Slow(1, None, 0.08, 9.0, 1000.0),)))
    assert outcomes(tables) == ["timeout"]
    there_and_back_ms = link.at(Draws(1).uniform(0, entry.hop, 0, Purpose.LINK))
    assert answer_ms(tables) == pytest.approx([there_and_back_ms + 50 + 50 + 100], abs=1e-3)


def test_how_often_may_be_drawn() -> None:
    world = Calls()
    times = Uniform(low=0, high=5)
    repeat = Repeat(9, (world.db_call(10),), times, frozenset(), at_most=4)
    tables = run(world.model(world.call(world.outer, program=(repeat,)), at_s=[0.0] * 20))
    drawn = [times.at(Draws(1).uniform(request, 9, 0, Purpose.TIMES)) for request in range(20)]
    assert answer_ms(tables) == [10 * min(4, int(value + 0.5)) for value in drawn]
    assert {0, 40} <= set(answer_ms(tables))


def test_polling_goes_on_until_the_last_call_of_an_iteration_has_ended_as_hoped() -> None:
    """Until 250 ms the database is too slow: polls at 0, 110 and 220 (which ends at 320) time out, the next is ok."""
    world = Calls()
    poll = world.db_call(5, optional=True)
    repeat = Repeat(9, (poll, Fork(((world.db_call(10),),), 1)), None, frozenset({Outcome.OK}), at_most=10)
    model = world.model(world.call(world.outer, program=(repeat,)), slow=(Slow(1, None, 0.0, 0.25, 1000.0),))
    tables = run(model)
    # The fork's own calls do not decide; its failure ends it all.
    assert (outcomes(tables), answer_ms(tables)) == (["timeout"], [200])
    world = Calls()
    repeat = Repeat(9, (world.db_call(5, optional=True),), None, frozenset({Outcome.OK}), at_most=10)
    model = world.model(world.call(world.outer, program=(repeat,)), slow=(Slow(1, None, 0.0, 0.25, 1000.0),))
    tables = run(model)
    assert (outcomes(tables), answer_ms(tables)) == (["ok"], [305])
    assert spans(tables, "outcome", kind="client", callee="db") == ["timeout"] * 3 + ["ok"]


def shared(llm_ms: float, **link: float) -> tuple[World, Invoke]:
    """An app that fetches answers from an LLM, once for all who ask the same question at the same time."""
    world = World()
    app = world.station("app")
    cache = world.station("cache", cache=CachePolicy(ttl_s=100.0, singleflight=True))
    model_server = world.station("llm")
    outer, inner = world.wire(OUTSIDE, app, **link), world.wire(app, cache)
    fetch = world.call(world.wire(app, model_server, timeout_s=0.1), llm_ms)
    store = world.call(inner, op="set", role="store")
    lookup = world.call(inner, 1, op="get", role="lookup", on={Outcome.MISS: (fetch, store)})
    return world, world.call(outer, program=(lookup,), streams=True)


def test_one_fetches_and_all_who_wait_have_it() -> None:
    world, entry = shared(50)
    tables = run(world.model(entry, at_s=[0.0, 0.01, 0.02, 0.03], prompt=[1, 1, 2, 1]))
    assert spans(tables, "request", kind="server", callee="llm") == [0, 2]
    assert answer_ms(tables) == [51, 41, 51, 21]
    assert tables.samples["tokens"].to_pylist() == [1, 1, 1, 1]


def test_when_the_fetcher_fails_the_next_one_fetches() -> None:
    world, entry = shared(50)
    model = world.model(entry, at_s=[0.0, 0.01, 0.02], prompt=[1] * 3, slow=(Slow(2, None, 0.0, 0.05, 1000.0),))
    tables = run(model)
    assert outcomes(tables) == ["timeout", "ok", "ok"]
    # 0 gives up at 101 ms; 1 fetches until 151, and 2 has it then.
    assert answer_ms(tables) == [101, 141, 131]
    assert spans(tables, "request", kind="server", callee="llm") == [0, 1]


def test_when_the_fetcher_is_cancelled_the_next_one_fetches_and_who_waits_may_leave() -> None:
    world, entry = shared(70, timeout_s=0.06)
    tables = run(world.model(entry, at_s=[0.0, 0.03, 0.035, 0.055], prompt=[1] * 4))
    # 0 is cancelled at 60 ms; 1 fetches and is cancelled at 90; 2 fetches and is cancelled at 95; so is 3, at 115.
    assert outcomes(tables) == ["timeout"] * 4
    assert spans(tables, "start_s", kind="server", callee="llm") == [0.001, 0.06, 0.09, 0.095]
    assert spans(tables, "duration_ms", kind="server", callee="llm") == [59, 30, 5, 20]
