"""Refuses what the real Messages API refuses, so that a client's mistake shows in the wind tunnel already.

Source: the API's own error table and the differences of version 2026-10-21 (sampling parameters are gone).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

VERSIONS = ("2026-10-21", "2023-06-01")
MAX_BODY_BYTES = 32 * 1024 * 1024
_MODEL_PREFIX = "claude-"
_GONE_PARAMETERS = ("temperature", "top_p", "top_k")
_ROLES = ("user", "assistant", "system")
_STATUS_OF = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "not_found_error": 404,
    "request_too_large": 413,
    "overloaded_error": 529,
}


class ApiError(Exception):
    """An error as the API's envelope carries it; the status follows from the type."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = _STATUS_OF[kind]

    def envelope(self, request_id: str) -> dict[str, Any]:
        return {"type": "error", "error": {"type": self.kind, "message": str(self)}, "request_id": request_id}


def _invalid(message: str) -> ApiError:
    return ApiError("invalid_request_error", message)


def check_headers(headers: Mapping[str, str]) -> str:
    """The API version that the request asks for. Raises `ApiError` for a missing key or a bad version."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if not headers.get("x-api-key") and not (scheme.lower() == "bearer" and token.strip()):
        raise ApiError("authentication_error", "x-api-key header is required")
    version = headers.get("anthropic-version")
    if version is None:
        raise _invalid("anthropic-version: header is required")
    if version not in VERSIONS:
        raise _invalid(f'anthropic-version: "{version}" is not a valid version')
    return version


def parse(body: bytes, version: str, required: Sequence[str] = ("model", "max_tokens", "messages")) -> dict[str, Any]:
    """The request as a checked JSON object. Raises `ApiError`."""
    try:
        request = json.loads(body)
    except ValueError as error:
        raise _invalid(f"The request body is not valid JSON: {error}") from None
    if not isinstance(request, dict):
        raise _invalid("The request body must be a JSON object")
    for name in required:
        if name not in request:
            raise _invalid(f"{name}: Field required")
    _check_parameters(request, version)
    _check_messages(request["messages"], version)
    if not request["model"].startswith(_MODEL_PREFIX):
        raise ApiError("not_found_error", f"model: {request['model']}")
    return request


def _check_parameters(request: dict[str, Any], version: str) -> None:
    if not isinstance(request["model"], str) or not request["model"]:
        raise _invalid("model: Input should be a non-empty string")
    max_tokens = request.get("max_tokens", 0)
    if isinstance(max_tokens, bool) or not isinstance(max_tokens, int):
        raise _invalid("max_tokens: Input should be a valid integer")
    if max_tokens < 0:
        raise _invalid("max_tokens: Input should be greater than or equal to 0")
    if not isinstance(request.get("stream", False), bool):
        raise _invalid("stream: Input should be a valid boolean")
    stops = request.get("stop_sequences") or []
    if not isinstance(stops, list) or not all(isinstance(stop, str) and stop.strip() for stop in stops):
        raise _invalid("stop_sequences: each stop sequence must contain non-whitespace")
    system = request.get("system")
    if system is not None and not isinstance(system, str):
        _check_blocks("system", system)
        if any(block["type"] != "text" for block in system):
            raise _invalid("system: only text blocks are allowed")
    if version == VERSIONS[0]:
        for name in _GONE_PARAMETERS:
            if name in request:
                raise _invalid(f"{name}: Extra inputs are not permitted in version {version}")


def _check_messages(messages: Any, version: str) -> None:
    if not isinstance(messages, list) or not messages:
        raise _invalid("messages: at least one message is required")
    asked_tools: set[str] = set()  # ids of the tool_use blocks of the message before
    for place, message in enumerate(messages):
        where = f"messages.{place}"
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise _invalid(f"{where}.role: Input should be 'user', 'assistant' or 'system'")
        content = message.get("content")
        if content is None:
            raise _invalid(f"{where}.content: Field required")
        if isinstance(content, str):
            if not content:
                raise _invalid(f"{where}: content must not be empty")
            blocks: list[dict[str, Any]] = []
        else:
            _check_blocks(f"{where}.content", content)
            blocks = content
        for block_place, block in enumerate(blocks):
            _check_block(f"{where}.content.{block_place}", block, message["role"], asked_tools, version)
        asked_tools = {block.get("id", "") for block in blocks if block["type"] == "tool_use"}


def _check_blocks(where: str, blocks: Any) -> None:
    if not isinstance(blocks, list):
        raise _invalid(f"{where}: Input should be a string or a list of blocks")
    if not blocks:
        raise _invalid(f"{where}: content must not be empty")
    for place, block in enumerate(blocks):
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            raise _invalid(f"{where}.{place}.type: Field required")
        if block["type"] == "text" and not (isinstance(block.get("text"), str) and block["text"]):
            raise _invalid(f"{where}.{place}: text content blocks must be non-empty")


def _check_block(where: str, block: dict[str, Any], role: str, asked_tools: set[str], version: str) -> None:
    if block["type"] == "tool_result" and block.get("tool_use_id") not in asked_tools:
        raise _invalid(
            f"{where}: unexpected `tool_use_id` found in `tool_result` blocks: {block.get('tool_use_id')}. "
            "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
        )
    if version == VERSIONS[0]:
        if role == "assistant" and block["type"] == "document":
            raise _invalid(f"{where}: document blocks are not permitted in assistant messages")
        if role == "user" and block["type"] == "text" and block.get("citations"):
            raise _invalid(f"{where}.citations: must be empty in user text blocks")
