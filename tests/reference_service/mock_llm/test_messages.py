"""The Messages API through Anthropic's own client: blocks, tools, shapes, thinking, cache, limits, models, versions."""

from __future__ import annotations

import asyncio
import json
import time

import anthropic
import httpx
import pytest
from pydantic import BaseModel

from windtunnel.reference_service.mock_llm.validation import VERSIONS

from .conftest import BODY

WEATHER = {
    "name": "get_weather",
    "description": "The weather of a place.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 5}},
        "required": ["city"],
    },
}
LONG = "A long and boring document about wind tunnels. " * 150


class Report(BaseModel):
    place: str
    wind_m_s: float
    gusts: list[int]


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_is_called_with_an_input_of_its_schema_and_takes_a_result(client, stream):
    body = BODY | {"tools": [WEATHER]}
    if stream:
        with client.messages.stream(**body) as events:
            message = events.get_final_message()
    else:
        message = client.messages.create(**body)
    (call,) = message.content
    assert (message.stop_reason, call.type, call.name) == ("tool_use", "tool_use", "get_weather")
    assert 1 <= call.input["days"] <= 5
    said = [
        *BODY["messages"],
        {"role": "assistant", "content": [call.model_dump(exclude_none=True)]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "calm"}]},
    ]
    answered = client.messages.create(**body | {"messages": said})
    assert (answered.stop_reason, answered.content[0].type) == ("end_turn", "text")


def test_stream_and_message_are_the_same_call(client):
    body = BODY | {"tools": [WEATHER]}
    whole = client.messages.create(**body)
    with client.messages.stream(**body) as events:
        streamed = events.get_final_message()
    assert (streamed.content[0].input, streamed.usage) == (whole.content[0].input, whole.usage)


@pytest.mark.parametrize(
    ("choice", "types"),
    [({"type": "none"}, ["text"]), ({"type": "any"}, ["tool_use"]), ({"type": "tool", "name": "other"}, ["tool_use"])],
)
def test_the_choice_of_a_tool_is_obeyed(client, choice, types):
    tools = [WEATHER, WEATHER | {"name": "other"}]
    message = client.messages.create(**BODY, tools=tools, tool_choice=choice)
    assert [block.type for block in message.content] == types
    if "name" in choice:
        assert message.content[0].name == choice["name"]


def test_json_has_the_shape_that_was_asked_for(client):
    schema = Report.model_json_schema()
    message = client.messages.create(**BODY, output_config={"format": {"type": "json_schema", "schema": schema}})
    assert Report.model_validate_json(message.content[0].text)
    parsed = client.messages.parse(**BODY, output_format=Report)
    assert isinstance(parsed.parsed_output, Report)


def test_thoughts_come_before_the_answer_and_are_signed_and_counted(client):
    body = BODY | {"max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": 1024}}
    whole = client.messages.create(**body)
    thought, text = whole.content
    assert (thought.type, text.type) == ("thinking", "text")
    assert thought.signature
    tokens = whole.usage.output_tokens_details.thinking_tokens
    assert tokens == len(thought.thinking.split())
    assert whole.usage.output_tokens == tokens + len(text.text.split())
    with client.messages.stream(**body) as events:
        streamed = events.get_final_message()
    assert [block.to_dict() for block in streamed.content] == [block.to_dict() for block in whole.content]
    assert streamed.usage == whole.usage


def test_a_script_an_echo_and_a_call_are_said_as_they_are_told(mock_llm, client):
    mock_llm.answers(
        {"when": {"prompt": "^echo"}, "echo": True},
        {"when": {"prompt": "tool"}, "tool": {"name": "get_weather", "input": {"city": "Oslo"}}},
        {"say": ["first", "second"]},
    )

    def said(text: str, **fields: object) -> anthropic.types.Message:
        return client.messages.create(**BODY | {"messages": [{"role": "user", "content": text}]}, **fields)

    assert said("echo: naïve  text\n with 🙂 everything").content[0].text == "echo: naïve  text\n with 🙂 everything"
    assert said("use a tool", tools=[WEATHER]).content[0].input == {"city": "Oslo"}
    assert [said("other").content[0].text for _ in range(3)] == ["first", "second", "second"]


def test_the_prompt_cache_shows_in_usage_and_in_latency(start_mock_llm, connect):
    mock = start_mock_llm(PREFILL_MS_PER_TOKEN="0.2")
    client = connect(mock)
    body = BODY | {"system": [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}]}
    counted = client.messages.count_tokens(model=BODY["model"], messages=body["messages"], system=body["system"])
    took_s, usages = [], []
    for _ in range(2):
        began_s = time.monotonic()
        usages.append(client.messages.create(**body).usage)
        took_s.append(time.monotonic() - began_s)
    cold, warm = usages
    for usage in usages:
        parts = (usage.input_tokens, usage.cache_creation_input_tokens, usage.cache_read_input_tokens)
        assert sum(parts) == counted.input_tokens
    assert (cold.cache_read_input_tokens, warm.cache_creation_input_tokens) == (0, 0)
    assert cold.cache_creation_input_tokens == warm.cache_read_input_tokens > 1024
    assert took_s[0] - took_s[1] >= 0.2  # about 350 ms of prefill


def test_limits_are_told_truthfully_and_max_tokens_is_reserved(start_mock_llm, connect):
    mock = start_mock_llm(REQUESTS_PER_MINUTE="3", INPUT_TOKENS_PER_MINUTE="10000", OUTPUT_TOKENS_PER_MINUTE="1000")
    client = connect(mock)
    response = client.messages.with_raw_response.create(**BODY)
    used = response.parse().usage.output_tokens
    told = {
        name.removeprefix("anthropic-ratelimit-"): value
        for name, value in response.headers.items()
        if name.startswith("anthropic-ratelimit-")
    }
    assert len(told) == 4 * 3
    assert (told["requests-limit"], told["requests-remaining"]) == ("3", "2")
    # the answer is over: what it did not use of its 100 is not given back before it was sent
    assert 900 <= int(told["output-tokens-remaining"]) <= 1000 - used
    assert told["tokens-limit"] == told["output-tokens-limit"] == "1000"
    assert told["requests-reset"].endswith("Z")
    with pytest.raises(anthropic.RateLimitError) as refused:
        client.messages.create(**BODY | {"max_tokens": 1001})
    assert refused.value.response.headers["x-should-retry"] == "false"
    for _ in range(2):
        client.messages.create(**BODY)
    with pytest.raises(anthropic.RateLimitError, match="requests per minute") as refused:
        client.messages.create(**BODY)
    assert 0 < int(refused.value.response.headers["retry-after"]) <= 20


def test_a_batch_of_many_is_slower_than_one_alone(start_mock_llm):
    mock = start_mock_llm(TOKEN_MS='{"kind":"constant","value":10}', BATCH_SLOWDOWN="1")
    mock.answers({"say": " ".join(["word"] * 20)})

    async def together(count: int) -> float:
        async with anthropic.AsyncAnthropic(base_url=mock.url, api_key="k", max_retries=0) as client:
            began_s = time.monotonic()
            await asyncio.gather(*(client.messages.create(**BODY) for _ in range(count)))
            return time.monotonic() - began_s

    asyncio.run(together(1))  # opens connections
    assert asyncio.run(together(3)) - asyncio.run(together(1)) >= 0.25  # 190 ms become 570


def test_models_are_listed_and_found(client):
    listed = [model.id for model in client.models.list(limit=5)]
    assert "claude-haiku-4-5" in listed
    assert len(listed) == len(set(listed)) > 5
    model = client.models.retrieve("claude-haiku-4-5")
    assert (model.type, model.line, model.lifecycle) == ("model", "haiku", "active")
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("claude-none")


def test_more_models_can_be_named(start_mock_llm, connect):
    client = connect(start_mock_llm(MODELS="mine-1, mine-2"))
    assert client.messages.create(**BODY | {"model": "mine-2"}).model == "mine-2"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("key", [{"x-api-key": "k"}, {"authorization": "Bearer k"}])
def test_both_versions_answer_with_either_key(mock_llm, version, key):
    response = httpx.post(f"{mock_llm.url}/v1/messages", json=BODY, headers={"anthropic-version": version} | key)
    assert (response.status_code, response.json()["type"]) == (200, "message")
    assert response.headers["request-id"].startswith("req_")
    assert response.headers["anthropic-organization-id"]


def test_what_a_beta_adds_is_let_pass(client):
    message = client.beta.messages.create(**BODY, betas=["some-2026-01-01"], extra_body={"novelty": {"on": True}})
    assert message.stop_reason == "end_turn"
    with pytest.raises(anthropic.BadRequestError, match="novelty"):
        client.messages.create(**BODY, extra_body={"novelty": {"on": True}})


def test_counting_agrees_with_usage_whatever_is_in_a_request(client):
    asked = {
        "model": BODY["model"],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
            {"role": "assistant", "content": "three"},
            {"role": "user", "content": "four" * 50},
        ],
        "system": "Be brief.",
        "tools": [WEATHER],
    }
    counted = client.messages.count_tokens(**asked).input_tokens
    assert client.messages.create(**asked, max_tokens=10).usage.input_tokens == counted
    with client.messages.stream(**asked, max_tokens=10) as stream:
        assert stream.get_final_message().usage.input_tokens == counted


def test_idempotent_and_traced_retries_are_one_intent_and_two_bills_are_seen(mock_llm, client):
    for _ in range(2):
        client.messages.create(**BODY, extra_headers={"idempotency-key": "mine"})
    for _ in range(2):
        client.messages.create(**BODY)  # the same question, asked twice
    ledger = mock_llm.ledger()
    assert (ledger["attempts"], ledger["intents"], ledger["duplicate_completions"]) == (4, 3, 1)
    assert ledger["billed_output_tokens"] == ledger["delivered_output_tokens"]


def test_who_does_not_wait_as_told_is_found_out(mock_llm, client):
    with mock_llm.fault("rate_limit", retry_after_s=30, first=1), pytest.raises(anthropic.RateLimitError):
        client.messages.create(**BODY)
    client.messages.create(**BODY)
    assert mock_llm.ledger()["retry_after_ignored"] == 1


def test_rules_of_headers_and_numbers_strike_through_the_api(mock_llm, client):
    mock_llm.faults(
        {"when": {"header": {"x-team": "blue"}}, "fault": {"kind": "server_error"}},
        {"when": {"requests": [2]}, "fault": {"kind": "overloaded"}},
    )
    client.messages.create(**BODY)
    with pytest.raises(anthropic.OverloadedError):
        client.messages.create(**BODY)
    with pytest.raises(anthropic.InternalServerError):
        client.messages.create(**BODY, extra_headers={"x-team": "blue"})
    client.messages.create(**BODY)
    assert mock_llm.ledger()["faults"] == {"server_error": 1, "overloaded": 1}


def test_the_wire_of_a_tool_call_begins_with_an_empty_piece(mock_llm):
    mock_llm.answers({"tool": {"name": "get_weather", "input": {}}})
    headers = {"x-api-key": "k", "anthropic-version": VERSIONS[0]}
    body = BODY | {"stream": True, "tools": [WEATHER]}
    lines = httpx.post(f"{mock_llm.url}/v1/messages", json=body, headers=headers).text.splitlines()
    data = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    pieces = [one["delta"]["partial_json"] for one in data if one["type"] == "content_block_delta"]
    assert pieces == ["", "{", "}"]
