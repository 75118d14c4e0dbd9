"""The OpenAI-compatible side: its own client where it is installed, and the wire itself wherever."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from .conftest import NO_TLS

HELLO = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hi"}]
BODY = {"model": "gpt-5", "messages": HELLO}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 5}},
            "required": ["city"],
        },
    },
}
SHAPE = {
    "type": "json_schema",
    "json_schema": {
        "name": "x",
        "schema": {"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"]},
    },
}


@pytest.fixture
def http(mock_llm) -> Iterator[httpx.Client]:
    headers = {"authorization": "Bearer k"}
    with httpx.Client(base_url=mock_llm.openai_url, headers=headers, timeout=10, verify=NO_TLS) as client:
        yield client


@pytest.fixture
def openai_client(mock_llm) -> Iterator[Any]:
    openai = pytest.importorskip("openai", reason="found no openai: its client is not held against the mock")
    transport = openai.DefaultHttpxClient(verify=NO_TLS, trust_env=False)
    given = {"api_key": "k", "max_retries": 0, "timeout": 10, "http_client": transport}
    with openai.OpenAI(base_url=mock_llm.openai_url, **given) as client:
        yield client


def chunks(response: httpx.Response) -> list[Any]:
    """The objects of a stream; [DONE] has to be its last event."""
    events = response.text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    return [json.loads(event.removeprefix("data: ")) for event in events[:-2]]


def test_a_completion_has_its_documented_shape(http):
    response = http.post("/chat/completions", json=BODY)
    told = response.json()
    (choice,) = told["choices"]
    assert (response.status_code, told["object"], told["model"]) == (200, "chat.completion", "gpt-5")
    assert told["id"].startswith("chatcmpl-")
    assert (choice["index"], choice["message"]["role"], choice["finish_reason"]) == (0, "assistant", "stop")
    usage = told["usage"]
    assert usage["completion_tokens"] == len(choice["message"]["content"].split())
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert response.headers["x-request-id"].startswith("req_")


def test_a_stream_says_the_same_in_chunks(http):
    whole = http.post("/chat/completions", json=BODY).json()
    response = http.post("/chat/completions", json=BODY | {"stream": True, "stream_options": {"include_usage": True}})
    assert response.headers["content-type"].startswith("text/event-stream")
    found = chunks(response)
    assert {chunk["object"] for chunk in found} == {"chat.completion.chunk"}
    *said, last = found
    assert said[0]["choices"][0]["delta"]["role"] == "assistant"
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in said)
    assert text == whole["choices"][0]["message"]["content"]
    assert said[-1]["choices"][0] == {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}
    assert (last["choices"], last["usage"]) == ([], whole["usage"])


def test_one_prompt_has_one_answer_through_either_api(http, client):
    body = {"model": "claude-haiku-4-5", "max_tokens": 100}
    asked = [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
    there = client.messages.create(**body, messages=asked)
    here = http.post("/chat/completions", json=body | {"messages": [{"role": "user", "content": "hi"}]}).json()
    assert here["choices"][0]["message"]["content"] == there.content[0].text
    assert here["usage"]["prompt_tokens"] == there.usage.input_tokens


def test_tools_are_called_and_their_results_taken(http):
    body = BODY | {"tools": [WEATHER], "tool_choice": "required"}
    choice = http.post("/chat/completions", json=body).json()["choices"][0]
    (call,) = choice["message"]["tool_calls"]
    assert (choice["finish_reason"], call["function"]["name"]) == ("tool_calls", "get_weather")
    assert 1 <= json.loads(call["function"]["arguments"])["days"] <= 5
    result = {"role": "tool", "tool_call_id": call["id"], "content": "calm"}
    body["messages"] = [*HELLO, choice["message"], result]
    assert http.post("/chat/completions", json=body | {"tool_choice": "auto"}).json()["choices"][0]["message"][
        "content"
    ]
    streamed = chunks(http.post("/chat/completions", json=BODY | {"tools": [WEATHER], "stream": True}))
    parts = [chunk["choices"][0]["delta"].get("tool_calls", [{}])[0] for chunk in streamed]
    arguments = "".join(part["function"]["arguments"] for part in parts if part)
    assert set(json.loads(arguments)) == {"city", "days"}


def test_json_has_the_wanted_shape(http):
    told = http.post("/chat/completions", json=BODY | {"response_format": SHAPE}).json()
    assert json.loads(told["choices"][0]["message"]["content"])["a"] in (1, 2)
    told = http.post("/chat/completions", json=BODY | {"response_format": {"type": "json_object"}}).json()
    assert isinstance(json.loads(told["choices"][0]["message"]["content"]), dict)


def test_max_tokens_and_stops_end_an_answer(http):
    told = http.post("/chat/completions", json=BODY | {"max_completion_tokens": 2}).json()
    assert (told["choices"][0]["finish_reason"], told["usage"]["completion_tokens"]) == ("length", 2)
    text = http.post("/chat/completions", json=BODY).json()["choices"][0]["message"]["content"]
    stop = text.split()[1]
    told = http.post("/chat/completions", json=BODY | {"stop": stop}).json()
    assert told["choices"][0]["message"]["content"] == text[: text.index(stop)]


@pytest.mark.parametrize(
    ("change", "status", "named"),
    [
        ({"model": "gpt-99"}, 404, "gpt-99"),
        ({"messages": []}, 400, "messages"),
        ({"messages": "hi"}, 400, "messages"),
        ({"messages": [{"role": "robot", "content": "hi"}]}, 400, "role"),
        ({"messages": [{"role": "system", "content": "hi"}]}, 400, "messages"),
        ({"messages": [{"role": "user", "content": 7}]}, 400, "content"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, 400, "video"),
        ({"messages": [{"role": "assistant"}]}, 400, "tool_calls"),
        ({"messages": [{"role": "tool", "content": "hi"}]}, 400, "tool_call_id"),
        ({"max_tokens": 0}, 400, "max_tokens"),
        ({"max_tokens": 10**9}, 400, "too large"),
        ({"n": 2}, 400, "one choice"),
        ({"stream": "yes"}, 400, "stream"),
        ({"stop": [1]}, 400, "stop"),
        ({"tools": [{}]}, 400, "tools"),
        ({"tool_choice": "sometimes"}, 400, "tool_choice"),
        ({"response_format": {"type": "xml"}}, 400, "response_format"),
        ({"response_format": {"type": "json_schema"}}, 400, "schema"),
    ],
)
def test_mistakes_are_told_as_their_api_tells_them(http, change, status, named):
    response = http.post("/chat/completions", json=BODY | change)
    error = response.json()["error"]
    assert (response.status_code, set(error)) == (status, {"message", "type", "param", "code"})
    assert named in error["message"]
    assert error["type"] == "invalid_request_error"


def test_a_missing_key_is_401(http):
    response = http.post("/chat/completions", json=BODY, headers={"authorization": ""})
    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")


def test_a_long_beginning_is_read_from_the_cache(http):
    long = [{"role": "system", "content": "A long and boring document. " * 200}]
    details = []
    for question in ("one", "one", "two"):
        body = BODY | {"messages": [*long, {"role": "user", "content": question}]}
        usage = http.post("/chat/completions", json=body).json()["usage"]
        details.append((usage["prompt_tokens_details"]["cached_tokens"], usage["prompt_tokens"]))
    assert (details[0][0], details[1][0]) == (0, details[1][1])
    assert 1024 < details[2][0] < details[2][1], "the part that both have, which ends before the question"


def test_limits_are_told_in_their_headers(start_mock_llm):
    mock = start_mock_llm(REQUESTS_PER_MINUTE="60", OUTPUT_TOKENS_PER_MINUTE="5000")
    response = httpx.post(f"{mock.openai_url}/chat/completions", json=BODY, headers={"authorization": "Bearer k"})
    told = {name: value for name, value in response.headers.items() if name.startswith("x-ratelimit")}
    assert (told["x-ratelimit-limit-requests"], told["x-ratelimit-remaining-requests"]) == ("60", "59")
    assert told["x-ratelimit-reset-requests"].endswith("s")
    assert told["x-ratelimit-limit-tokens"] == "5000"


# --- Their client ----------------------------------------------------------------------------------------------------


def test_their_client_understands_completions_streams_and_models(openai_client):
    whole = openai_client.chat.completions.create(**BODY)
    streamed = openai_client.chat.completions.create(**BODY, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed) == whole.choices[0].message.content
    with openai_client.chat.completions.stream(**BODY, tools=[WEATHER]) as stream:
        for _ in stream:
            pass
        (call,) = stream.get_final_completion().choices[0].message.tool_calls
    assert "city" in json.loads(call.function.arguments)
    assert "gpt-5" in {model.id for model in openai_client.models.list()}
    assert openai_client.models.retrieve("gpt-5").owned_by == "windtunnel"
    vectors = openai_client.embeddings.create(model="hashed-ngrams-256", input=["one", "two"])
    assert [len(each.embedding) for each in vectors.data] == [256, 256]


@pytest.mark.parametrize(
    ("fault", "whole", "streamed"),
    [
        ("rate_limit", "RateLimitError", "RateLimitError"),
        ("spend_limit", "RateLimitError", "RateLimitError"),
        ("overloaded", "InternalServerError", "InternalServerError"),
        ("error_event", "InternalServerError", "APIError"),
        ("disconnect", "APIConnectionError", "APIConnectionError"),
        ("truncation", "JSONDecodeError", None),
        ("malformed", "JSONDecodeError", "JSONDecodeError"),
    ],
)
def test_their_client_sees_the_faults(mock_llm, openai_client, fault, whole, streamed):
    def seen(stream: bool) -> str | None:
        try:
            answer = openai_client.chat.completions.create(**BODY, stream=stream)
            return [chunk.choices[0].finish_reason for chunk in answer][-1] if stream else "whole"
        except Exception as error:
            return type(error).__name__

    place = {"at_token": 2} if fault in ("error_event", "disconnect", "truncation", "malformed") else {}
    with mock_llm.fault(fault, **place):
        assert (seen(stream=False), seen(stream=True)) == (whole, streamed)
