"""Answers and their pace depend on the seed and the request, and on nothing else."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windtunnel.reference_service.mock_llm.answer import Line, compose, digest_of, pace, refused
from windtunnel.reference_service.mock_llm.anthropic_wire import Messages, message
from windtunnel.reference_service.mock_llm.distributions import Distribution
from windtunnel.reference_service.mock_llm.openai_wire import ChatCompletions
from windtunnel.reference_service.mock_llm.reply import Reply
from windtunnel.reference_service.mock_llm.tokens import input_tokens

LENGTH = Distribution("uniform", (5.0, 50.0))
FIRST = Distribution("lognormal", (200.0, 0.4))
NEXT = Distribution("exponential", (20.0,))


def request(text: str = "hi", **fields: object) -> dict:
    message = {"role": "user", "content": text}
    return {"model": "claude-haiku-4-5", "max_tokens": 1000, "messages": [message], **fields}


def answer(seed: int, req: dict):
    return compose(seed, digest_of(req), req, LENGTH)


def test_the_same_seed_and_prompt_give_the_same_answer_and_pace():
    req = request()
    assert answer(7, req) == answer(7, request())
    assert pace(7, digest_of(req), 3, 20, FIRST, NEXT) == pace(7, digest_of(request()), 3, 20, FIRST, NEXT)


def test_seed_and_every_part_of_the_prompt_matter():
    variants = [
        request(),
        request("ho"),
        request(model="claude-opus-5"),
        request(system="Be brief."),
        request(messages=[*request()["messages"], {"role": "assistant", "content": "ho"}]),
    ]
    answers = [answer(7, req).text for req in variants] + [answer(8, request()).text]
    assert len(set(answers)) == len(answers)


def test_a_repeated_prompt_keeps_its_text_but_not_its_times():
    digest = digest_of(request())
    assert pace(7, digest, 0, 20, FIRST, NEXT) != pace(7, digest, 1, 20, FIRST, NEXT)


def test_the_pace_is_the_sum_of_its_draws():
    steady = pace(7, digest_of(request()), 0, 4, Distribution("constant", (100.0,)), Distribution("constant", (10.0,)))
    assert steady.token_at_s == pytest.approx((0.1, 0.11, 0.12, 0.13))
    assert (steady.first_token_s, steady.end_s) == pytest.approx((0.1, 0.13))


def test_max_tokens_cuts_the_answer_to_its_beginning():
    whole = answer(7, request())
    cut = answer(7, request(max_tokens=3))
    assert (whole.stop_reason, cut.stop_reason) == ("end_turn", "max_tokens")
    assert cut.tokens == whole.tokens[:3]
    exact = answer(7, request(max_tokens=len(whole.tokens)))
    assert exact == whole
    assert answer(7, request(max_tokens=0)).tokens == ()


def test_a_stop_sequence_ends_the_answer_before_it():
    whole = answer(7, request())
    stop = whole.tokens[2].strip()
    cut = answer(7, request(stop_sequences=["not in there", stop]))
    assert (cut.stop_reason, cut.stop_sequence) == ("stop_sequence", stop)
    assert cut.text == whole.text[: whole.text.index(stop)]


def test_prompts_are_measured_in_tokens_of_about_four_characters():
    blocks = [{"type": "text", "text": "x" * 40}]
    assert (
        input_tokens(request("x" * 40)) == input_tokens(request(messages=[{"role": "user", "content": blocks}])) == 13
    )
    assert input_tokens(request("x" * 40, system="y" * 8)) == 15


WEATHER = {
    "name": "f",
    "input_schema": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}},
}
FORMS = [
    {},
    {"tools": [WEATHER]},
    {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    {"thinking": {"type": "adaptive"}, "tools": [WEATHER]},
    {"output_config": {"format": {"type": "json_schema", "schema": WEATHER["input_schema"]}}},
]
LINES = [None, Line(text="a scripted answer of some length"), Line(tool="f", tool_input={"a": "x" * 40}), Line(text="")]


@settings(max_examples=200, deadline=None)
@given(
    limit=st.integers(0, 60),
    form=st.sampled_from(FORMS),
    line=st.sampled_from(LINES),
    runaway=st.booleans(),
    stops=st.lists(st.sampled_from(["air", "flow", " ", "script"]), max_size=2),
    prompt=st.integers(0, 50),
)
def test_no_answer_is_larger_than_max_tokens_and_all_agree_on_its_size(limit, form, line, runaway, stops, prompt):
    asked = request(f"q {prompt}", max_tokens=limit, stop_sequences=stops, **form)
    found = compose(7, digest_of(asked), asked, LENGTH, line, runaway=runaway)
    assert found.size == len(found.tokens) <= limit
    assert found.thinking_tokens <= found.size
    assert all(block.tokens for block in found.blocks), "a block without tokens is not sent"
    if found.stop_reason == "max_tokens":
        assert found.size == limit
    if found.stop_reason == "stop_sequence":
        assert found.stop_sequence in stops
        assert found.stop_sequence not in found.text
    if found.stop_reason == "tool_use":
        assert json.loads(found.blocks[-1].text) is not None
    reply = Reply("x", "m", 10, found)
    whole = message(reply)
    assert whole["usage"]["output_tokens"] == found.size
    assert len(Messages({}).stream(reply, asked).token_events) == found.size
    assert len(ChatCompletions({}).stream(reply, asked).token_events) == found.size
    for after in (0, 3, 100):
        assert refused(found, after).size == min(after, found.size)
