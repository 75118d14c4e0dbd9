"""What the real API refuses is refused with its envelope; what it takes is taken."""

import json

import pytest

from windtunnel.reference_service.mock_llm.errors import ApiError
from windtunnel.reference_service.mock_llm.models import Models
from windtunnel.reference_service.mock_llm.validation import VERSIONS, check_headers
from windtunnel.reference_service.mock_llm.validation import parse as parse_for

NEW, OLD = VERSIONS
MODELS = Models().anthropic
USER = {"role": "user", "content": "hi"}
VALID = {"model": "claude-haiku-4-5", "max_tokens": 10, "messages": [USER]}
TOOL_USE = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
MARKED = {"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}}
TOOL_RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "1"}


def parse(body: bytes, version: str) -> dict:
    return parse_for(body, version, MODELS)


def without(name: str) -> dict:
    return {key: value for key, value in VALID.items() if key != name}


def saying(*contents: object, roles: tuple[str, ...] = ("user", "assistant", "user")) -> dict:
    return VALID | {"messages": [{"role": r, "content": c} for r, c in zip(roles, contents, strict=False)]}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("key", [{"x-api-key": "k"}, {"authorization": "Bearer k"}])
def test_both_versions_take_both_kinds_of_key(version, key):
    assert check_headers({"anthropic-version": version} | key) == version


@pytest.mark.parametrize(
    ("headers", "kind", "status"),
    [
        ({"anthropic-version": NEW}, "authentication_error", 401),
        ({"anthropic-version": NEW, "x-api-key": ""}, "authentication_error", 401),
        ({"anthropic-version": NEW, "authorization": "Bearer "}, "authentication_error", 401),
        ({"x-api-key": "k"}, "invalid_request_error", 400),
        ({"x-api-key": "k", "anthropic-version": "2020-01-01"}, "invalid_request_error", 400),
    ],
)
def test_bad_headers_are_refused(headers, kind, status):
    with pytest.raises(ApiError) as refused:
        check_headers(headers)
    assert (refused.value.kind, refused.value.status) == (kind, status)
    envelope = refused.value.envelope("req_1")
    assert envelope == {"type": "error", "error": {"type": kind, "message": str(refused.value)}, "request_id": "req_1"}


@pytest.mark.parametrize(
    ("body", "version", "status", "named"),
    [
        (b"{", NEW, 400, "JSON"),
        (b"[]", NEW, 400, "object"),
        (b"\xff", NEW, 400, "JSON"),
        (without("model"), NEW, 400, "model"),
        (without("max_tokens"), NEW, 400, "max_tokens"),
        (without("messages"), NEW, 400, "messages"),
        (VALID | {"model": "gpt-7"}, NEW, 404, "gpt-7"),
        (VALID | {"model": 7}, NEW, 400, "model"),
        (VALID | {"max_tokens": -1}, NEW, 400, "max_tokens"),
        (VALID | {"max_tokens": "10"}, NEW, 400, "max_tokens"),
        (VALID | {"max_tokens": True}, NEW, 400, "max_tokens"),
        (VALID | {"stream": "yes"}, NEW, 400, "stream"),
        (VALID | {"stop_sequences": [" "]}, NEW, 400, "stop_sequences"),
        (VALID | {"system": []}, NEW, 400, "system"),
        (VALID | {"system": [{"type": "image"}]}, NEW, 400, "system"),
        (VALID | {"messages": []}, NEW, 400, "messages"),
        (VALID | {"messages": [{"role": "robot", "content": "hi"}]}, NEW, 400, "role"),
        (VALID | {"messages": [{"role": "user"}]}, NEW, 400, "content"),
        (saying(""), NEW, 400, "empty"),
        (saying([]), NEW, 400, "empty"),
        (saying([{"type": "text", "text": ""}]), NEW, 400, "empty"),
        (saying([{"text": "untyped"}]), NEW, 400, "type"),
        (saying([TOOL_RESULT]), NEW, 400, "toolu_1"),
        (saying("hi", "no tool", [TOOL_RESULT]), NEW, 400, "toolu_1"),
        (saying("hi", [{"type": "document", "source": {}}]), NEW, 400, "document"),
        (saying([{"type": "text", "text": "hi", "citations": [{}]}]), NEW, 400, "citations"),
        (saying("hi", [TOOL_USE], "no result"), NEW, 400, "without `tool_result`"),
        (saying("hi", "ends in blank "), NEW, 400, "trailing whitespace"),
        (VALID | {"max_tokens": 64_001}, NEW, 400, "maximum allowed"),
        (saying("x" * 1_000_000), NEW, 400, "prompt is too long"),
        (VALID | {"colour": "blue"}, NEW, 400, "colour: Extra inputs"),
        (VALID | {"tools": [{"name": "f"}]}, NEW, 400, "input_schema"),
        (VALID | {"tools": [{"input_schema": {}}]}, NEW, 400, "tools.0.name"),
        (VALID | {"tools": [TOOL, TOOL]}, NEW, 400, "unique"),
        (VALID | {"tools": "f"}, NEW, 400, "list of tools"),
        (VALID | {"tool_choice": {"type": "auto"}}, NEW, 400, "while providing tools"),
        (VALID | {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "g"}}, NEW, 400, "'g' not found"),
        (VALID | {"tools": [TOOL], "tool_choice": {"type": "some"}}, NEW, 400, "tool_choice.type"),
        (VALID | {"thinking": {"type": "deep"}}, NEW, 400, "thinking.type"),
        (VALID | {"thinking": {"type": "enabled", "budget_tokens": 1023}}, NEW, 400, "1024"),
        (VALID | {"thinking": {"type": "enabled", "budget_tokens": 1024}}, NEW, 400, "greater than thinking"),
        (VALID | {"service_tier": "gold"}, NEW, 400, "service_tier"),
        (VALID | {"metadata": {"user_id": 7}}, NEW, 400, "user_id"),
        (VALID | {"output_config": {"format": {"type": "xml"}}}, NEW, 400, "output_config.format"),
        (VALID | {"cache_control": {"type": "eternal"}}, NEW, 400, "cache_control"),
        (VALID | {"system": [MARKED] * 5}, NEW, 400, "maximum of 4"),
        (VALID | {"temperature": 1.0}, NEW, 400, "temperature"),
        (VALID | {"top_p": 1.0}, NEW, 400, "top_p"),
        (VALID | {"top_k": 1}, NEW, 400, "top_k"),
    ],
)
def test_bad_requests_are_refused(body, version, status, named):
    with pytest.raises(ApiError, match=named) as refused:
        parse(body if isinstance(body, bytes) else json.dumps(body).encode(), version)
    assert refused.value.status == status


@pytest.mark.parametrize(
    ("request_", "version"),
    [
        (VALID, NEW),
        (VALID | {"max_tokens": 0}, NEW),
        (VALID | {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "f"}}, NEW),
        (VALID | {"max_tokens": 1025, "thinking": {"type": "enabled", "budget_tokens": 1024}}, NEW),
        (VALID | {"system": [MARKED] * 4}, NEW),
        (VALID | {"metadata": {"user_id": "u"}, "service_tier": "auto", "output_config": {"effort": "low"}}, NEW),
        (VALID | {"temperature": 1.0, "top_p": 0.9, "top_k": 3}, OLD),
        (VALID | {"system": [{"type": "text", "text": "Be brief."}], "thinking": {"type": "adaptive"}}, NEW),
        (saying("hi", [{"type": "document", "source": {}}]), OLD),
        (saying("hi", [TOOL_USE], [TOOL_RESULT]), NEW),
        (saying([{"type": "text", "text": "hi", "citations": []}]), NEW),
        (saying("be good", "hi", roles=("system", "user")), NEW),
    ],
)
def test_good_requests_are_taken(request_, version):
    assert parse(json.dumps(request_).encode(), version) == request_
