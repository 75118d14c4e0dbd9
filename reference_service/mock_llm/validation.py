"""Refuses what the real Messages API refuses, so that a client's mistake shows in the wind tunnel already.

Source: the API's own error table and the differences of version 2026-10-21 (sampling parameters are gone).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from windtunnel.reference_service.mock_llm.errors import ApiError
from windtunnel.reference_service.mock_llm.models import Model
from windtunnel.reference_service.mock_llm.schema import check_schema
from windtunnel.reference_service.mock_llm.tokens import input_tokens

VERSIONS = ("2026-10-21", "2023-06-01")
MAX_BODY_BYTES = 32 * 1024 * 1024
REQUIRED = ("model", "max_tokens", "messages")
_GONE_PARAMETERS = ("temperature", "top_p", "top_k")
_KNOWN = frozenset(
    {
        *REQUIRED,
        *_GONE_PARAMETERS,
        *("system", "stream", "stop_sequences", "tools", "tool_choice", "thinking", "output_config", "metadata"),
        *("service_tier", "speed", "cache_control", "container", "diagnostics", "inference_geo"),
        *("user_profile_id", "workspace_id"),
    }
)
_ROLES = ("user", "assistant", "system")
_MOST_MARKS = 4
_LEAST_THINKING = 1024
_THINKING = ("enabled", "disabled", "adaptive", "between_tools")
_MOST_MESSAGES = 100_000


def invalid(message: str) -> ApiError:
    """400."""
    return ApiError("invalid_request_error", message)


def check_headers(headers: Mapping[str, str]) -> str:
    """The API version that the request asks for. Raises `ApiError` for a missing key or a bad version."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if not headers.get("x-api-key") and not (scheme.lower() == "bearer" and token.strip()):
        raise ApiError("authentication_error", "x-api-key header is required")
    version = headers.get("anthropic-version")
    if version is None:
        raise invalid("anthropic-version: header is required")
    if version not in VERSIONS:
        raise invalid(f'anthropic-version: "{version}" is not a valid version')
    return version


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def checked_schema(schema: Any, where: str) -> dict[str, Any]:
    """A schema that answers can be made of. Raises `ApiError`."""
    try:
        check_schema(schema, where)
    except ValueError as error:
        raise invalid(str(error)) from None
    return schema if isinstance(schema, dict) else {}


def json_object(body: bytes) -> dict[str, Any]:
    """A body as a JSON object. Raises `ApiError`."""
    try:
        found = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise invalid(f"The request body is not valid JSON: {error}") from None
    if not isinstance(found, dict):
        raise invalid("The request body must be a JSON object")
    return found


def parse(
    body: bytes,
    version: str,
    models: Mapping[str, Model],
    required: Sequence[str] = REQUIRED,
    *,
    beta: bool = False,
) -> dict[str, Any]:
    """The request as a checked JSON object; a beta (header anthropic-beta) may add parameters that are unknown here.

    Raises `ApiError`.
    """
    return check(json_object(body), version, models, required, beta=beta)


def check(
    request: dict[str, Any],
    version: str,
    models: Mapping[str, Model],
    required: Sequence[str] = REQUIRED,
    *,
    beta: bool = False,
) -> dict[str, Any]:
    """The same request, as it is what the API takes. Raises `ApiError`."""
    for name in required:
        if name not in request:
            raise invalid(f"{name}: Field required")
    for name in request:
        if name not in _KNOWN and not beta:
            raise invalid(f"{name}: Extra inputs are not permitted")
    _check_parameters(request, version)
    _check_messages(request["messages"], version)
    _check_tools(request)
    _check_thinking(request)
    _check_marks(request)
    model = models.get(request["model"])
    if model is None:
        raise ApiError("not_found_error", f"model: {request['model']}")
    if request.get("max_tokens", 0) > model.max_tokens:
        raise invalid(
            f"max_tokens: {request['max_tokens']} > {model.max_tokens}, which is the maximum allowed number of output "
            f"tokens for {model.id}"
        )
    size = input_tokens(request)
    if size > model.context_tokens:
        raise invalid(f"prompt is too long: {size} tokens > {model.context_tokens} maximum")
    return request


def _check_parameters(request: dict[str, Any], version: str) -> None:
    if not isinstance(request["model"], str) or not request["model"]:
        raise invalid("model: Input should be a non-empty string")
    max_tokens = request.get("max_tokens", 0)
    if isinstance(max_tokens, bool) or not isinstance(max_tokens, int):
        raise invalid("max_tokens: Input should be a valid integer")
    if max_tokens < 0:
        raise invalid("max_tokens: Input should be greater than or equal to 0")
    if not isinstance(request.get("stream", False), bool):
        raise invalid("stream: Input should be a valid boolean")
    stops = request.get("stop_sequences") or []
    if not isinstance(stops, list) or not all(isinstance(stop, str) and stop.strip() for stop in stops):
        raise invalid("stop_sequences: each stop sequence must contain non-whitespace")
    system = request.get("system")
    if system is not None and not isinstance(system, str):
        _check_blocks("system", system)
        if any(block["type"] != "text" for block in system):
            raise invalid("system: only text blocks are allowed")
    if request.get("service_tier", "auto") not in ("auto", "standard_only"):
        raise invalid("service_tier: Input should be 'auto' or 'standard_only'")
    metadata = request.get("metadata") or {}
    if not isinstance(metadata, dict) or not isinstance(metadata.get("user_id") or "", str):
        raise invalid("metadata.user_id: Input should be a valid string")
    _check_output_config(request.get("output_config"))
    if version == VERSIONS[0]:
        for name in _GONE_PARAMETERS:
            if name in request:
                raise invalid(f"{name}: Extra inputs are not permitted in version {version}")


def _check_output_config(config: Any) -> None:
    if config is None:
        return
    if not isinstance(config, dict):
        raise invalid("output_config: Input should be an object")
    shape = config.get("format")
    if shape is None:
        return
    if not isinstance(shape, dict) or shape.get("type") != "json_schema" or not isinstance(shape.get("schema"), dict):
        raise invalid("output_config.format: Input should be of type json_schema with a schema")
    checked_schema(shape["schema"], "output_config.format.schema")


def _check_messages(messages: Any, version: str) -> None:
    if not isinstance(messages, list) or not messages:
        raise invalid("messages: at least one message is required")
    if len(messages) > _MOST_MESSAGES:
        raise invalid(f"messages: at most {_MOST_MESSAGES} messages are allowed")
    asked_tools: set[str] = set()  # ids of the tool_use blocks of the message before
    for place, message in enumerate(messages):
        where = f"messages.{place}"
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise invalid(f"{where}.role: Input should be 'user', 'assistant' or 'system'")
        content = message.get("content")
        if content is None:
            raise invalid(f"{where}.content: Field required")
        if isinstance(content, str):
            if not content:
                raise invalid(f"{where}: content must not be empty")
            blocks: list[dict[str, Any]] = []
        else:
            _check_blocks(f"{where}.content", content)
            blocks = content
        for block_place, block in enumerate(blocks):
            _check_block(f"{where}.content.{block_place}", block, message["role"], asked_tools, version)
        answered = {block.get("tool_use_id") for block in blocks if block["type"] == "tool_result"}
        if asked_tools - answered:
            raise invalid(
                f"{where}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(sorted(asked_tools - answered))}"
            )
        asked_tools = {str(block.get("id", "")) for block in blocks if block["type"] == "tool_use"}
    last = messages[-1]
    if last["role"] == "assistant" and isinstance(last["content"], str) and last["content"] != last["content"].rstrip():
        raise invalid("messages: final assistant content cannot end with trailing whitespace")


def _check_blocks(where: str, blocks: Any) -> None:
    if not isinstance(blocks, list):
        raise invalid(f"{where}: Input should be a string or a list of blocks")
    if not blocks:
        raise invalid(f"{where}: content must not be empty")
    for place, block in enumerate(blocks):
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            raise invalid(f"{where}.{place}.type: Field required")
        if block["type"] == "text" and not (isinstance(block.get("text"), str) and block["text"]):
            raise invalid(f"{where}.{place}: text content blocks must be non-empty")


def _check_block(where: str, block: dict[str, Any], role: str, asked_tools: set[str], version: str) -> None:
    if block["type"] == "tool_result":
        if not isinstance(block.get("tool_use_id"), str) or block["tool_use_id"] not in asked_tools:
            raise invalid(
                f"{where}: unexpected `tool_use_id` found in `tool_result` blocks: {block.get('tool_use_id')}. "
                "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
            )
        if block.get("content") is not None and not isinstance(block["content"], str):
            _check_blocks(f"{where}.content", block["content"] or [{"type": "empty"}])
    if block["type"] == "tool_use" and not (
        isinstance(block.get("name"), str) and isinstance(block.get("input"), dict)
    ):
        raise invalid(f"{where}: tool_use needs a name and an input")
    if block["type"] == "search_result" and not isinstance(block.get("content"), str):
        _check_blocks(f"{where}.content", block.get("content"))
    if block["type"] in ("image", "document"):
        _check_source(f"{where}.source", block.get("source"))
    if version == VERSIONS[0]:
        if role == "assistant" and block["type"] == "document":
            raise invalid(f"{where}: document blocks are not permitted in assistant messages")
        if role == "user" and block["type"] == "text" and block.get("citations"):
            raise invalid(f"{where}.citations: must be empty in user text blocks")


def _check_source(where: str, source: Any) -> None:
    if not isinstance(source, dict):
        raise invalid(f"{where}: Field required")
    if source.get("type") == "content" and not isinstance(source.get("content"), str):
        _check_blocks(f"{where}.content", source.get("content"))
    if source.get("type") == "text" and not isinstance(source.get("data"), str):
        raise invalid(f"{where}.data: Input should be a valid string")


def _check_tools(request: dict[str, Any]) -> None:
    tools = request.get("tools") or []
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise invalid("tools: Input should be a list of tools")
    names = []
    for place, tool in enumerate(tools):
        if not isinstance(tool.get("name"), str) or not tool["name"]:
            raise invalid(f"tools.{place}.name: Field required")
        if tool.get("type") in (None, "custom") and not isinstance(tool.get("input_schema"), dict):
            raise invalid(f"tools.{place}.input_schema: Field required")
        checked_schema(tool.get("input_schema") or {}, f"tools.{place}.input_schema")
        names.append(tool["name"])
    if len(set(names)) < len(names):
        raise invalid("tools: Tool names must be unique.")
    choice = request.get("tool_choice")
    if choice is None:
        return
    if not isinstance(choice, dict) or choice.get("type") not in ("auto", "any", "tool", "none"):
        raise invalid("tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'")
    if not tools and choice["type"] != "none":
        raise invalid("tool_choice: may only be specified while providing tools")
    if choice["type"] == "tool" and choice.get("name") not in names:
        raise invalid(f"tool_choice: Tool '{choice.get('name')}' not found in provided tools")


def _check_thinking(request: dict[str, Any]) -> None:
    thinking = request.get("thinking")
    if thinking is None:
        return
    if not isinstance(thinking, dict) or thinking.get("type") not in _THINKING:
        raise invalid("thinking.type: Input should be 'enabled', 'disabled', 'adaptive' or 'between_tools'")
    if thinking["type"] == "enabled":
        budget = thinking.get("budget_tokens")
        if isinstance(budget, bool) or not isinstance(budget, int) or budget < _LEAST_THINKING:
            raise invalid(f"thinking.enabled.budget_tokens: Input should be greater than or equal to {_LEAST_THINKING}")
        if "max_tokens" in request and budget >= request["max_tokens"]:
            raise invalid("max_tokens: must be greater than thinking.budget_tokens")


def _check_marks(request: dict[str, Any]) -> None:
    """cache_control: where it may stand, and how often."""
    blocks = [*(request.get("tools") or ())]
    for content in (request.get("system"), *(message["content"] for message in request["messages"])):
        blocks += [] if isinstance(content, str) else content or []
    marks = [mark for mark in (request.get("cache_control"), *(b.get("cache_control") for b in blocks)) if mark]
    for mark in marks:
        if not isinstance(mark, dict) or mark.get("type") != "ephemeral" or mark.get("ttl", "5m") not in ("5m", "1h"):
            raise invalid("cache_control: Input should be of type ephemeral, with a ttl of 5m or 1h")
    if len(marks) > _MOST_MARKS:
        raise invalid(f"A maximum of {_MOST_MARKS} blocks with cache_control may be provided. Found {len(marks)}.")
