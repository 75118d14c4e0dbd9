"""Quotas, prefill, prefix cache, and batches whose members slow each other down."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.reference.worlds import World, answer_ms, outcomes, run, series, spans
from windtunnel.sim.draws import Draws, Purpose
from windtunnel.sim.model import OUTSIDE, LLMPolicy, Model, Slow
from windtunnel.spec.distribution import Uniform

PACE: dict[str, Any] = {"first_token_ms": 100, "token_ms": 10, "output_tokens": 11, "streams": True}


def llm(policy: LLMPolicy, at_s: list[float], *, hop: dict[str, Any] | None = None, **more: Any) -> Model:
    """Answers of 11 tokens: the first after 100 ms, the last 100 ms later."""
    world = World()
    station = world.station("llm", llm=policy, slots=more.pop("slots", None))
    entry = world.call(world.wire(OUTSIDE, station, **more.pop("link", {})), **(PACE | (hop or {})))
    return world.model(entry, at_s=at_s, **more)


def firsts_ms(tables: Any) -> list[float]:
    rows = tables.samples.to_pylist()
    return [round((row["first_token_s"] - row["intended_s"]) * 1000, 3) for row in rows]


def test_tokens_come_one_after_the_other() -> None:
    tables = run(llm(LLMPolicy(), [0.0, 0.0]))
    assert (firsts_ms(tables), answer_ms(tables)) == ([100, 100], [200, 200])
    assert tables.samples["tokens"].to_pylist() == [11, 11]
    assert series(tables, "tokens_out", "llm")[0] == 22


def test_a_batch_slows_its_members_down_from_the_moment_they_share() -> None:
    """With half a member's weight for each other one: two take 1.5 times as long.

    0 alone until 50 ms: half of its prefill. Then both: 0's first token needs 75 ms more, at 125; 1 has done 50 by
    then. 1's first token at 200; 0's decoding at 275, when 1 has half of its own left, alone: 325.
    """
    tables = run(llm(LLMPolicy(batch_slowdown=0.5), [0.0, 0.05]))
    assert firsts_ms(tables) == [125, 150]
    assert answer_ms(tables) == [275, 275]


def test_a_member_who_is_cancelled_no_longer_slows_the_others() -> None:
    """The second one gives up 100 ms after it came: 100 ms of its work were shared, at two thirds of the speed."""
    world = World()
    station = world.station("llm", llm=LLMPolicy(batch_slowdown=0.5))
    patient, hasty = world.wire(OUTSIDE, station), world.wire(OUTSIDE, station, timeout_s=0.09)
    flows = world.call(patient, **PACE), world.call(hasty, **PACE)
    tables = run(world.model(*flows, at_s=[0.0, 0.0], flow=[0, 1], priorities=(0, 0)))
    assert answer_ms(tables) == [90 + (200 - 60), 90]


def test_an_answer_of_one_token_is_through_with_its_first() -> None:
    tables = run(llm(LLMPolicy(batch_slowdown=0.5), [0.0], hop={"output_tokens": 1}))
    assert (firsts_ms(tables), answer_ms(tables)) == ([100], [100])


def test_prefill_grows_with_what_is_asked_and_a_prefix_saves_its_share() -> None:
    policy = LLMPolicy(prefill_s_per_token=0.001, prefix_hit_ratio=0.5, prefix_share=0.8)
    tables = run(llm(policy, [float(n) for n in range(8)], hop={"input_tokens": 200}))
    draws = Draws(1)
    hits = [draws.uniform(request, 0, 0, Purpose.PREFIX) < 0.5 for request in range(8)]
    assert len(set(hits)) == 2
    assert firsts_ms(tables) == [140 if hit else 300 for hit in hits]
    assert series(tables, "tokens_in", "llm")[:2] == [400, 600]


def test_a_brownout_slows_the_tokens_too() -> None:
    tables = run(llm(LLMPolicy(), [0.0], slow=(Slow(0, None, 0.0, 9.0, 2.0),)))
    assert (firsts_ms(tables), answer_ms(tables)) == ([200], [400])


def test_equal_questions_have_answers_of_equal_length_and_a_trace_goes_before() -> None:
    hop = {"output_tokens": Uniform(low=1, high=1000)}
    tables = run(llm(LLMPolicy(), [0.0] * 4, hop=hop, prompt=[3, 4, 3, 4], output_tokens=[-1, -1, -1, 7]))
    tokens = tables.samples["tokens"].to_pylist()
    drawn = [
        int(Uniform(low=1, high=1000).at(Draws(1).uniform(prompt, 0, 0, Purpose.OUTPUT_TOKENS)) + 0.5)
        for prompt in (3, 4)
    ]
    assert tokens == [*drawn, drawn[0], 7]


@pytest.mark.parametrize(("tokens_per_minute", "rejected"), [(640, []), (600, [2]), (400, [1, 2]), (200, [0, 1, 2])])
def test_tokens_per_minute_are_charged_for_what_is_asked_and_answered(
    tokens_per_minute: int, rejected: list[int]
) -> None:
    """Each request needs 200 + 11 tokens; one second is a sixtieth of the reserve."""
    policy = LLMPolicy(tokens_per_minute=tokens_per_minute)
    tables = run(llm(policy, [0.0, 0.0, 1.0], hop={"input_tokens": 200}))
    assert [request for request, outcome in enumerate(outcomes(tables)) if outcome == "rejected"] == rejected


def test_places_in_the_batch_are_limited_by_slots() -> None:
    tables = run(llm(LLMPolicy(), [0.0, 0.0], slots=1))
    assert answer_ms(tables) == [200, 400]
    assert spans(tables, "wait_ms", kind="server") == [0, 200]
    assert spans(tables, "first_token_ms", kind="server") == [100, 100]
