"""What happens inside a request: every way to put calls together, and every way to get that wrong."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from windtunnel.spec.architecture import Architecture, Call, Choose, Enqueue, Parallel, Repeat, Step, walk
from windtunnel.spec.distribution import Constant
from windtunnel.spec.reading import parse

from .sentences import line_of, sentences
from .worlds import ARCHITECTURE

STEPS: TypeAdapter[tuple[Step, ...]] = TypeAdapter(tuple[Step, ...])
AT = "flows.chat.steps[0].steps[0].steps"
AGAIN = "{call: search, op: again}"
TIMES = "times: {kind: uniform, low: 1, high: 3}"


def test_the_key_tells_which_step_it_is() -> None:
    steps = STEPS.validate_python(
        [
            {"call": "a"},
            {"choose": [{"probability": 1, "steps": [{"call": "b"}]}]},
            {"parallel": [[{"call": "c"}], [{"call": "d"}]], "join": 1},
            {"repeat": [{"call": "e"}], "times": 3},
            {"enqueue": "q", "steps": [{"call": "f"}]},
        ]
    )
    assert [type(step) for step in steps] == [Call, Choose, Parallel, Repeat, Enqueue]
    calls = [(caller, call.call) for caller, call in walk("me", steps, {"q": "worker"})]
    assert calls == [("me", "a"), ("me", "b"), ("me", "c"), ("me", "d"), ("me", "e"), ("worker", "f")]
    with pytest.raises(KeyError, match="q"):
        list(walk("me", steps))


def test_a_number_is_a_constant() -> None:
    (step,) = STEPS.validate_python([{"call": "a", "service_ms": 2.5}])
    assert isinstance(step, Call)
    assert step.service_ms == Constant(value=2.5)


def test_all_of_a_parallel_are_needed_unless_it_says_how_many() -> None:
    assert Parallel.model_validate({"parallel": [[{"call": "a"}], [{"call": "b"}]]}).need == 2
    assert Parallel.model_validate({"parallel": [[{"call": "a"}], [{"call": "b"}]], "join": 1}).need == 1


@pytest.mark.parametrize(
    ("old", "new", "at", "sentence"),
    [
        ("probability: 0.3", "probability: 0.4", "[2].choose", "found probabilities that sum to 1.1, expected a sum"),
        ("probability: 0.3", "probability: 1.3", "[2].choose[1].probability", "found 1.3, expected a number of at"),
        ("probability: 0.3", "probability: -0.3", "[2].choose[1].probability", "found -0.3, expected a number of at"),
        ("probability: 0.3", "probabilty: 0.3", "[2].choose[1].probabilty", "did you mean 'probability'?"),
        ("join: 2", "join: 4", "[1].join", "found 4, expected at most 3, the number of branches"),
        ("join: 2", "join: 0", "[1].join", "found 0, expected all, or how many (at least 1) have to end well"),
        ("join: 2", "join: true", "[1].join", "found True, expected all, or how many (at least 1) have to end well"),
        ("join: 2", "join: al", "[1].join", "found 'al', expected all, or how many (at least 1) have to end well"),
        (f"[{AGAIN}]", "[]", "[1].parallel[1]", "found an empty list, expected at least 1 of them"),
        (AGAIN, "{cal: search}", "[1].parallel[1][0]", "found keys cal, expected a step with one of call, choose,"),
        (AGAIN, "{cal: search}", "[1].parallel[1][0]", "did you mean 'call'?"),
        (AGAIN, "{}", "[1].parallel[1][0]", "found nothing, expected a step with one of call, choose, parallel,"),
        (AGAIN, "search", "[1].parallel[1][0]", "found 'search', expected the keys and values of a step"),
        (AGAIN, "{call: sarch}", "[1].parallel[1][0].call", "found 'sarch', expected a declared component; did you"),
        (AGAIN, "{call: gateway}", "[1].parallel[1][0]", "found a call from app to gateway, expected a link"),
        (AGAIN, "{call: search, repeat: []}", "[1].parallel[1][0].repeat", "found an unknown key, expected one of"),
        (AGAIN, "{call: search, reads: true}", "[1].parallel[1][0].reads", "found it on a call to the service"),
        (AGAIN, "{call: search, service_ms: -1}", "[1].parallel[1][0].service_ms", "found -1, expected a number of"),
        (AGAIN, "{call: search, service_ms: fast}", "[1].parallel[1][0].service_ms", "found 'fast', expected a"),
        (AGAIN, "{call: jobs}", "[1].parallel[1][0].call", "found a call to the queue jobs, expected enqueue: jobs"),
        (TIMES, "until: [hit]", "[3].repeat", "found a cycle without an end, expected at_most: N beside until"),
        (TIMES, "at_most: 3", "[3].repeat", "found a cycle without an end, expected times: N, or until: [outcomes]"),
        (TIMES, "times: -1", "[3].times", "found -1, expected a number of at least 0"),
        (TIMES, "times: 1e9", "[3].times", "found 1e+09 times, expected at most 10,000 on average"),
        (TIMES, "times: {kind: uniform, low: 3, high: 1}", "[3].times", "found low 3.0 above high 1.0, expected low"),
        ("at_most: 4", "at_most: 0", "[4].at_most", "found 0, expected a number of at least 1"),
        ("until: [hit]", "until: [hitt]", "[4].until[0]", "did you mean 'hit'?"),
        ("enqueue: jobs", "enqueue: job", "[5].enqueue", "found 'job', expected a component of kind queue; did you"),
        ("enqueue: jobs", "enqueue: db", "[5].enqueue", "found 'db', expected a component of kind queue"),
        ("{call: llm, op: summary}", "{call: search}", "[5].steps[0]", "found a call from worker to search, expected"),
    ],
)  # fmt: skip
def test_a_mistake_names_its_place(old: str, new: str, at: str, sentence: str) -> None:
    found = [each for each in sentences(ARCHITECTURE, old, new, Architecture) if f": {AT}{at}: " in each]
    assert len(found) == 1
    assert sentence in found[0]


@pytest.mark.parametrize(
    ("old", "new", "at"),
    [
        ("- [{call: search}]", "- &loop [{repeat: *loop, times: 2}]", "[1].parallel[0][0].repeat"),
        (AGAIN, "&loop {call: search, steps: [*loop]}", "[1].parallel[1][0].steps[0]"),
    ],
)
def test_an_alias_to_itself_is_a_cycle_without_an_end(old: str, new: str, at: str) -> None:
    (only,) = sentences(ARCHITECTURE, old, new, Architecture)
    assert only.startswith(f"x.yaml:{line_of(ARCHITECTURE, old)}: {AT}{at}: ")
    assert "a cycle without an end" in only


def test_nobody_writes_what_nobody_can_read() -> None:
    deep = "{call: search}"
    for _ in range(100):
        deep = f"{{repeat: [{deep}], times: 1}}"
    (only,) = sentences(ARCHITECTURE, AGAIN, deep, Architecture)
    assert "found steps within 64 others, expected a flow that a person can read" in only


def repeats(count: int, inner: str = "{call: search}", times: float = 1) -> str:
    for _ in range(count):
        inner = f"{{repeat: [{inner}], times: {times}}}"
    return inner


def test_repeats_stand_in_each_other_four_times_in_one_strand() -> None:
    (only,) = sentences(ARCHITECTURE, AGAIN, repeats(5), Architecture)
    assert "found a repeat within 4 others, expected fewer" in only
    apart = repeats(4, f"{{parallel: [[{repeats(4)}]]}}")
    parse(ARCHITECTURE.replace(AGAIN, apart, 1), Architecture)


def test_repeats_in_each_other_come_to_an_end() -> None:
    parse(ARCHITECTURE.replace(AGAIN, repeats(2, times=100), 1), Architecture)
    (only,) = sentences(ARCHITECTURE, AGAIN, repeats(2, times=101), Architecture)
    assert "[1].parallel[1][0].repeat[0].repeat: found 10,201 iterations with those around it, expected at" in only
    (only,) = sentences(
        ARCHITECTURE, AGAIN, repeats(1, f"{{parallel: [[{repeats(1, times=101)}]]}}", 101), Architecture
    )
    assert "[0].parallel[0][0].repeat: found 10,201 iterations" in only


names = st.sampled_from(["app", "db", "cache"])
outcomes = st.sampled_from(["ok", "hit", "miss", "timeout", "error", "rejected", "open"])


def branches(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    steps = st.lists(inner, min_size=1, max_size=3)
    shares = st.lists(st.integers(1, 9), min_size=1, max_size=3)
    return st.one_of(
        st.builds(lambda call, then, on: {"call": call, "steps": then, "on": on}, names, steps,
                  st.dictionaries(outcomes, steps, max_size=2)),
        shares.flatmap(lambda parts: st.lists(steps, min_size=len(parts), max_size=len(parts)).map(
            lambda ways: {"choose": [{"probability": part / sum(parts), "steps": way}
                                     for part, way in zip(parts, ways, strict=True)]})),
        st.lists(steps, min_size=1, max_size=3).map(lambda ways: {"parallel": ways, "join": len(ways)}),
        st.builds(lambda body, times: {"repeat": body, "times": times}, steps, st.integers(0, 5)),
        st.builds(lambda body, until: {"repeat": body, "until": until, "at_most": 3}, steps,
                  st.lists(outcomes, min_size=1, max_size=2)),
        steps.map(lambda body: {"enqueue": "q", "steps": body}),
    )  # fmt: skip


def count(steps: Any) -> int:
    """Calls in plain data, told by their key."""
    if isinstance(steps, dict):
        return ("call" in steps) + sum(count(value) for value in steps.values())
    return sum(count(step) for step in steps) if isinstance(steps, list) else 0


@given(st.lists(st.recursive(names.map(lambda name: {"call": name}), branches, max_leaves=8), max_size=3))
def test_steps_are_the_same_after_their_text_and_every_call_is_walked(written: list[Any]) -> None:
    steps = STEPS.validate_python(written)
    assert STEPS.validate_json(STEPS.dump_json(steps, by_alias=True)) == steps
    assert len(list(walk("me", steps, {"q": "worker"}))) == count(written)


def test_everything_is_the_same_after_its_text() -> None:
    everything = parse(ARCHITECTURE, Architecture)
    assert parse(everything.model_dump_json(by_alias=True), Architecture) == everything
