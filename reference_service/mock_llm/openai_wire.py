"""OpenAI-compatible chat completions on the wire: requests are read into the mock's form, answers written in theirs.

Source: the API reference for chat completions (request fields, chunk objects, error objects, x-ratelimit headers). The
mock's own form is that of the Messages API, so that one prompt has one answer, whichever API it is asked through.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from windtunnel.reference_service.mock_llm.answer import Block
from windtunnel.reference_service.mock_llm.errors import ApiError
from windtunnel.reference_service.mock_llm.limits import Standing
from windtunnel.reference_service.mock_llm.models import Model
from windtunnel.reference_service.mock_llm.reply import Reply, Stream
from windtunnel.reference_service.mock_llm.validation import checked_schema, invalid, json_object
from windtunnel.reference_service.mock_llm.when import Api

CREATED_S = 1_767_225_600
"""When every answer was made (2026-01-01): a clock would tell one replay from another."""
_MAX_TOKENS = 4096
"""Where the request says none."""
_KINDS = {
    "authentication_error": ("invalid_request_error", "invalid_api_key", 401),
    "not_found_error": ("invalid_request_error", "model_not_found", 404),
    "request_too_large": ("invalid_request_error", "request_too_large", 413),
    "rate_limit_error": ("rate_limit_exceeded", "rate_limit_exceeded", 429),
    "overloaded_error": ("server_error", "overloaded", 503),
    "timeout_error": ("server_error", "timeout", 504),
    "api_error": ("server_error", None, 500),
}
_FINISH = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls"}


class ChatCompletions:
    """`POST /v1/chat/completions`, as a dialect of the exchange."""

    api: Api = "chat"
    events = b"text/event-stream; charset=utf-8"

    def __init__(self, models: Mapping[str, Model]) -> None:
        self._models = models

    def read(self, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """The request in the mock's own form. Raises `ApiError`."""
        check_key(headers)
        told = json_object(body)
        for name in ("model", "messages"):
            if name not in told:
                raise invalid(f"you must provide a {name} parameter")
        if not isinstance(told["model"], str) or told["model"] not in self._models:
            raise ApiError("not_found_error", f"The model `{told['model']}` does not exist")
        if told.get("n") not in (None, 1):
            raise invalid("n: this mock answers with one choice")
        request: dict[str, Any] = {
            "model": told["model"],
            "max_tokens": _max_tokens(told, self._models[told["model"]]),
            "stream": _flag(told, "stream"),
            "caches_by_itself": True,
            "include_usage": bool(_object(told, "stream_options").get("include_usage")),
            **_messages(told["messages"]),
            **_form(told),
        }
        stops = told.get("stop")
        if stops is not None:
            request["stop_sequences"] = [stops] if isinstance(stops, str) else stops
            if not isinstance(request["stop_sequences"], list) or not all(
                isinstance(stop, str) and stop for stop in request["stop_sequences"]
            ):
                raise invalid("stop: expected a text or up to four of them")
        return request

    def message(self, reply: Reply, *, wrong: bool = False) -> dict[str, Any]:
        """A whole answer; `wrong`: of another shape than documented."""
        choice = {"index": 0, "message": _message(reply), "logprobs": None, "finish_reason": _finish(reply)}
        whole = {**_head(reply, "chat.completion"), "choices": [choice], "usage": _usage(reply)}
        if wrong:
            whole["choices"] = {"text": reply.answer.text}
            del whole["usage"]
        return whole

    def stream(self, reply: Reply, request: Mapping[str, Any], *, wrong: bool = False) -> Stream:
        """An answer as chunks; the last event is [DONE]."""
        found = Stream()
        head = _head(reply, "chat.completion.chunk")
        if request.get("include_usage"):
            head["usage"] = None

        def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            return _data({**head, "choices": choice if wrong else [choice]})

        found.event(chunk({"role": "assistant", "content": "", "refusal": None}))
        calls = 0
        for index, block in enumerate(reply.answer.blocks):
            if block.kind == "tool_use":
                found.event(chunk({"tool_calls": [{"index": calls, **_call(reply, index, block, "")}]}))
            if block.kind == "tool_use":
                parts: list[dict[str, Any]] = [
                    {"tool_calls": [{"index": calls, "function": {"arguments": token}}]} for token in block.tokens
                ]
            else:
                parts = [{"content": token} for token in block.tokens]
            found.tokens(chunk(part) for part in parts)
            calls += block.kind == "tool_use"
        found.event(chunk({}, _finish(reply)))
        if request.get("include_usage"):
            found.event(_data({**head, "choices": [], "usage": _usage(reply)}))
        found.event(b"data: [DONE]\n\n")
        return found

    def error(self, error: ApiError, request_id: str) -> tuple[int, dict[str, Any]]:  # noqa: ARG002 - a dialect's
        """Status and body of an error."""
        kind, code, status = _KINDS.get(error.kind, ("invalid_request_error", None, error.status))
        if error.code == "enforced_spend_limit_reached":
            kind = code = "insufficient_quota"
        return status, {"error": {"message": str(error), "type": kind, "param": None, "code": code}}

    def error_event(self, error: ApiError, request_id: str) -> bytes:
        """An error inside a stream."""
        return _data(self.error(error, request_id)[1])

    def headers(self, request_id: str, standing: Mapping[str, Standing]) -> list[tuple[bytes, bytes]]:
        """What every answer tells besides its body."""
        found = [(b"x-request-id", request_id.encode()), (b"openai-version", b"2020-10-01")]
        for name in ("requests", "tokens"):
            if name in standing:
                each = standing[name]
                told = {"limit": each.limit, "remaining": each.remaining, "reset": f"{each.full_in_s:.3f}s"}
                found += [(f"x-ratelimit-{key}-{name}".encode(), str(value).encode()) for key, value in told.items()]
        return found


def check_key(headers: Mapping[str, str]) -> None:
    """Raises `ApiError` where there is no key."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise ApiError("authentication_error", "You didn't provide an API key.")


def _max_tokens(told: Mapping[str, Any], model: Model) -> int:
    for name in ("max_completion_tokens", "max_tokens"):
        wanted = told.get(name)
        if wanted is not None:
            if isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 1:
                raise invalid(f"{name}: expected a whole number of at least 1")
            if wanted > model.max_tokens:
                raise invalid(f"{name} is too large: {wanted}. This model supports at most {model.max_tokens}.")
            return wanted
    return _MAX_TOKENS


def _flag(told: Mapping[str, Any], name: str) -> bool:
    value = told.get(name)
    if value is not None and not isinstance(value, bool):
        raise invalid(f"{name}: expected a boolean")
    return bool(value)


def _object(told: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = told.get(name)
    if value is not None and not isinstance(value, dict):
        raise invalid(f"{name}: expected an object")
    return value or {}


def _list(told: Mapping[str, Any], name: str) -> list[Any]:
    value = told.get(name)
    if value is not None and not isinstance(value, list):
        raise invalid(f"{name}: expected a list")
    return value or []


def _messages(told: Any) -> dict[str, Any]:
    """System prompt and messages; what developers and systems say goes before the conversation."""
    if not isinstance(told, list) or not told:
        raise invalid("messages: expected at least one message")
    system: list[dict[str, Any]] = []
    messages: list[dict[str, Any]] = []
    for place, message in enumerate(told):
        where = f"messages[{place}]"
        role = message.get("role") if isinstance(message, dict) else None
        content = message.get("content") if isinstance(message, dict) else None
        match role:
            case "system" | "developer":
                system += _parts(where, content)
            case "user":
                messages.append({"role": "user", "content": _parts(where, content)})
            case "assistant":
                blocks = _parts(where, content) if content else []
                blocks += [_asked_tool(where, call) for call in _list(message, "tool_calls")]
                if not blocks:
                    raise invalid(f"{where}: expected content or tool_calls")
                messages.append({"role": "assistant", "content": blocks})
            case "tool":
                if not isinstance(message.get("tool_call_id"), str):
                    raise invalid(f"{where}.tool_call_id: expected a text")
                found = _parts(where, content) if content else []
                block = {"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": found}
                messages.append({"role": "user", "content": [block]})
            case _:
                raise invalid(f"{where}.role: expected system, developer, user, assistant or tool")
    if not messages:
        raise invalid("messages: expected one that is not the system's")
    return {"system": system, "messages": messages} if system else {"messages": messages}


def _parts(where: str, content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise invalid(f"{where}.content: expected a text or a list of parts")
    found = []
    for part in content:
        if part.get("type") == "text" and isinstance(part.get("text"), str):
            found.append({"type": "text", "text": part["text"]})
        elif part.get("type") == "image_url":
            found.append({"type": "image", "source": {"type": "url", "url": str(part.get("image_url"))}})
        else:
            raise invalid(f"{where}.content: found a part of type {part.get('type')!r}, expected text or image_url")
    return found


def _asked_tool(where: str, call: Any) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(call.get("id"), str):
        raise invalid(f"{where}.tool_calls: expected an id and a function")
    return {"type": "tool_use", "id": call["id"], "name": function.get("name"), "input": function.get("arguments")}


def _form(told: Mapping[str, Any]) -> dict[str, Any]:
    """Tools and the wanted shape."""
    found: dict[str, Any] = {}
    tools = _list(told, "tools")
    if tools:
        found["tools"] = [_tool(place, tool) for place, tool in enumerate(tools)]
    choice = told.get("tool_choice")
    if choice is not None:
        found["tool_choice"] = _tool_choice(choice, [tool["name"] for tool in found.get("tools", ())])
    shape = _object(told, "response_format") or {"type": "text"}
    match shape.get("type"):
        case "json_schema":
            schema = _object(shape, "json_schema").get("schema")
            if not isinstance(schema, dict):
                raise invalid("response_format.json_schema.schema: expected a schema")
            checked_schema(schema, "response_format.json_schema.schema")
            found["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        case "json_object":
            free = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
            found["output_config"] = {"format": {"type": "json_schema", "schema": free}}
        case "text":
            pass
        case _:
            raise invalid("response_format.type: expected text, json_object or json_schema")
    return found


def _tool(place: int, tool: Any) -> dict[str, Any]:
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise invalid(f"tools[{place}].function: expected a function with a name")
    return {
        "name": function["name"],
        "description": function.get("description", ""),
        "input_schema": checked_schema(
            _object(function, "parameters") or {"type": "object"}, f"tools[{place}].function.parameters"
        ),
    }


def _tool_choice(choice: Any, names: list[str]) -> dict[str, Any]:
    kinds = {"none": "none", "auto": "auto", "required": "any"}
    if isinstance(choice, str) and choice in kinds:
        return {"type": kinds[choice]}
    name = _object(choice, "function").get("name") if isinstance(choice, dict) else None
    if name in names:
        return {"type": "tool", "name": name}
    raise invalid(f"tool_choice: expected none, auto, required or one of {', '.join(names) or 'the tools'}")


def _data(content: Any) -> bytes:
    return f"data: {json.dumps(content)}\n\n".encode()


def _head(reply: Reply, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{reply.message_id}",
        "object": kind,
        "created": CREATED_S,
        "model": reply.model,
        "service_tier": "default",
        "system_fingerprint": "fp_windtunnel",
    }


def _message(reply: Reply) -> dict[str, Any]:
    blocks = reply.answer.blocks
    calls = [_call(reply, index, block, block.text) for index, block in enumerate(blocks) if block.kind == "tool_use"]
    content = reply.answer.text if any(block.kind == "text" for block in blocks) or not calls else None
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
    if reply.answer.stop_reason == "refusal":
        message["refusal"] = "The request was declined."
    return message | ({"tool_calls": calls} if calls else {})


def _call(reply: Reply, index: int, block: Block, arguments: str) -> dict[str, Any]:
    function = {"name": block.name, "arguments": arguments}
    return {"id": f"call_{reply.message_id}{index:02d}", "type": "function", "function": function}


def _finish(reply: Reply) -> str:
    return _FINISH.get(reply.answer.stop_reason, "content_filter")


def _usage(reply: Reply) -> dict[str, Any]:
    size = reply.answer.size
    return {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": size,
        "total_tokens": reply.input_tokens + size,
        "prompt_tokens_details": {"cached_tokens": reply.cache.read, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }
