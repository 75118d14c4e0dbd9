"""Flows become programs: what is called where, and under which number."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.parts.worlds import call, compiled, drawn, link, ms
from windtunnel.sim.model import Choose, Enqueue, Fork, Hop, Invoke, Model, Outcome, Program, Repeat
from windtunnel.sim.parts.programs import ANY_NUMBER_OF_TIMES

COMPONENTS: dict[str, dict[str, Any]] = {
    "app": {"kind": "service"},
    "db": {"kind": "database"},
    "cache": {"kind": "cache"},
    "jobs": {"kind": "queue"},
    "worker": {"kind": "service", "consumes": {"queue": "jobs"}},
}
LINKS = [link(name) for name in ("client->app", "app->db", "app->cache", "worker->db")]


def model(*steps: dict[str, Any]) -> Model:
    """What the app does."""
    return compiled(drawn(COMPONENTS, LINKS, ask=[call("app", steps=list(steps))]))


def invoked(found: Model, program: Program) -> list[Hop]:
    """The calls of a program that is a sequence of calls."""
    hops = []
    for step in program:
        assert isinstance(step, Invoke)
        hops.append(found.hops[step.hop])
    return hops


def app_steps(found: Model) -> Program:
    return found.hops[found.entries[0].hop].program


def test_a_call_and_what_follows_from_its_outcome() -> None:
    miss = [call("db", op="read", reads=True), call("cache", op="set", optional=True)]
    found = model(call("cache", op="get", on={"miss": miss, "open": [call("db")]}), call("db", op="write"))
    assert [(hop.index, hop.op, hop.role, hop.reads) for hop in found.hops] == [
        (0, "call", "work", False),
        (1, "get", "lookup", False),
        (2, "read", "work", True),
        (3, "set", "store", False),
        (4, "call", "work", False),
        (5, "write", "work", False),
    ]
    get, write = app_steps(found)
    assert isinstance(get, Invoke)
    assert isinstance(write, Invoke)
    assert {outcome: [hop.op for hop in invoked(found, then)] for outcome, then in get.on.items()} == {
        Outcome.MISS: ["read", "set"],
        Outcome.OPEN: ["call"],
    }
    store = get.on[Outcome.MISS][1]
    assert isinstance(store, Invoke)
    assert (get.optional, store.optional, write.on) == (False, True, {})


def test_choices_and_repeats_are_numbered_like_calls() -> None:
    found = model(
        call("db", op="a"),
        {"choose": [{"probability": 0.3, "steps": [call("db", op="b")]}, {"probability": 0.7}]},
        {"repeat": [call("db", op="c")], "times": ms(3)},
        call("db", op="d"),
    )
    assert [(hop.op, hop.index) for hop in found.hops] == [("call", 0), ("a", 1), ("b", 3), ("c", 5), ("d", 6)]
    _, choose, repeat, last = app_steps(found)
    assert isinstance(choose, Choose)
    assert choose.index == 2
    assert choose.cumulative == pytest.approx((0.3, 1.0))
    assert [len(branch) for branch in choose.branches] == [1, 0]
    assert isinstance(repeat, Repeat)
    assert (repeat.index, repeat.until, repeat.at_most) == (4, frozenset(), ANY_NUMBER_OF_TIMES)
    assert repeat.times is not None
    assert repeat.times.mean() == 3
    assert [hop.op for hop in invoked(found, (last,))] == ["d"]


def test_a_repeat_until_an_outcome() -> None:
    (repeat,) = app_steps(model({"repeat": [call("cache", op="get")], "until": ["hit", "error"], "at_most": 5}))
    assert isinstance(repeat, Repeat)
    assert (repeat.times, repeat.at_most) == (None, 5)
    assert repeat.until == {Outcome.HIT, Outcome.ERROR}


@pytest.mark.parametrize(("join", "need"), [("all", 3), (2, 2)])
def test_branches_at_once(join: Any, need: int) -> None:
    branches = [[call("db", op="a")], [call("db", op="b"), call("db", op="c")], [call("cache", op="get")]]
    found = model({"parallel": branches, "join": join})
    (fork,) = app_steps(found)
    assert isinstance(fork, Fork)
    assert fork.need == need
    assert [[hop.op for hop in invoked(found, branch)] for branch in fork.branches] == [["a"], ["b", "c"], ["get"]]
    assert [hop.index for hop in found.hops] == [0, 1, 2, 3, 4]


def test_the_worker_makes_the_calls_of_a_message() -> None:
    found = model({"enqueue": "jobs", "optional": True, "steps": [call("db", op="later")]}, call("db", op="now"))
    enqueue, _ = app_steps(found)
    assert isinstance(enqueue, Enqueue)
    assert (found.stations[enqueue.queue].name, enqueue.optional) == ("jobs", True)
    (later,) = invoked(found, enqueue.program)
    assert (found.stations[later.caller].name, found.wires[later.wire].name) == ("worker", "worker->db")


def test_flows_come_with_their_priorities_in_the_order_of_the_load() -> None:
    built = drawn(COMPONENTS, LINKS, ask=[call("app", op="ask")], look=[call("app", op="look")])
    urgent = built.model_copy(
        update={"flows": built.flows | {"look": built.flows["look"].model_copy(update={"priority": 7})}}
    )
    found = compiled(urgent, load={"flows": {"look": 1, "ask": 2}})
    assert (found.flows, found.priorities) == (("look", "ask"), (7, 0))
    assert [found.hops[entry.hop].op for entry in found.entries] == ["look", "ask"]


def test_times_of_a_call_are_its_own_and_those_of_a_language_model_the_components() -> None:
    llm = {"kind": "llm", "slots": 1, "first_token_ms": ms(200), "token_ms": ms(10), "output_tokens": ms(30)}
    built = drawn(
        {"app": {"kind": "service"}, "llm": llm | {"input_tokens": ms(500)}},
        [link("client->app"), link("app->llm")],
        ask=[call("app", link_ms=ms(3), steps=[{"call": "llm", "streams": True, "link_ms": ms(4)}])],
    )
    app, ask = compiled(built).hops

    def means(hop: Hop) -> dict[str, float | None]:
        keys = ("link_ms", "service_ms", "first_token_ms", "token_ms", "output_tokens", "input_tokens")
        times = {key: getattr(hop, key) for key in keys}
        return {key.removesuffix("_ms"): None if time is None else time.mean() for key, time in times.items()}

    nothing = dict.fromkeys(("first_token", "token", "output_tokens", "input_tokens"))
    assert means(app) == {"link": 3, "service": 1, **nothing}
    assert means(ask) == {
        "link": 4, "service": 0, "first_token": 200, "token": 10, "output_tokens": 30, "input_tokens": 500
    }  # fmt: skip
