"""The Messages API's shapes on the wire: the message, its usage, and the server-sent events."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from windtunnel.reference_service.mock_llm.answer import Block
from windtunnel.reference_service.mock_llm.errors import ApiError
from windtunnel.reference_service.mock_llm.limits import Standing
from windtunnel.reference_service.mock_llm.models import Model
from windtunnel.reference_service.mock_llm.reply import Reply, Stream
from windtunnel.reference_service.mock_llm.validation import check_headers, parse
from windtunnel.reference_service.mock_llm.when import Api

ORGANIZATION = b"00000000-0000-4000-8000-000000000000"


class Messages:
    """`POST /v1/messages`, as a dialect of the exchange."""

    api: Api = "messages"
    events = b"text/event-stream; charset=utf-8"

    def __init__(self, models: Mapping[str, Model]) -> None:
        self._models = models

    def read(self, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """The request, checked. Raises `ApiError`."""
        return parse(body, check_headers(headers), self._models, beta="anthropic-beta" in headers)

    def message(self, reply: Reply, *, wrong: bool = False) -> dict[str, Any]:
        """A whole answer; `wrong`: of another shape than documented."""
        whole = message(reply)
        if wrong:
            whole["content"] = reply.answer.text
            del whole["usage"]
        return whole

    def stream(self, reply: Reply, request: Mapping[str, Any], *, wrong: bool = False) -> Stream:  # noqa: ARG002 - a dialect's
        """An answer as events."""
        answer = reply.answer
        found = Stream()
        opening = _message(reply, [], ended=False)
        if wrong:
            del opening["usage"]
        found.event(_event("message_start", message=opening))
        for index, block in enumerate(answer.blocks):
            found.event(_event("content_block_start", index=index, content_block=_empty(reply, index, block)))
            if index == 0:
                found.event(_event("ping"))
            if block.kind == "tool_use":
                found.event(_delta(index, "input_json_delta", "partial_json", ""))
            kind, key = _DELTAS[block.kind]
            if wrong:
                found.tokens(_event("content_block_delta", delta=token) for token in block.tokens)
            else:
                found.tokens([_delta(index, kind, key, token) for token in block.tokens])
            if block.kind == "thinking":
                found.event(_delta(index, "signature_delta", "signature", _signature(block)))
            found.event(_event("content_block_stop", index=index))
        delta = {**_ending(reply), "container": None}
        found.event(_event("message_delta", delta=delta, usage=usage(reply, answer.size)))
        found.event(_event("message_stop"))
        return found

    def error(self, error: ApiError, request_id: str) -> tuple[int, dict[str, Any]]:
        """Status and body of an error."""
        return error.status, error.envelope(request_id)

    def error_event(self, error: ApiError, request_id: str) -> bytes:
        """An error inside a stream."""
        return f"event: error\ndata: {json.dumps(error.envelope(request_id))}\n\n".encode()

    def headers(self, request_id: str, standing: Mapping[str, Standing]) -> list[tuple[bytes, bytes]]:
        """What every answer tells besides its body."""
        found = [(b"request-id", request_id.encode()), (b"anthropic-organization-id", ORGANIZATION)]
        for name, each in standing.items():
            full = datetime.fromtimestamp(math.ceil(time.time() + each.full_in_s), UTC)
            told = {"limit": each.limit, "remaining": each.remaining, "reset": f"{full:%Y-%m-%dT%H:%M:%SZ}"}
            found += [
                (f"anthropic-ratelimit-{name}-{key}".encode(), str(value).encode()) for key, value in told.items()
            ]
        return found


def message(reply: Reply) -> dict[str, Any]:
    """A whole answer, also as a batch keeps it."""
    blocks = reply.answer.blocks
    return _message(reply, [_whole(reply, index, block) for index, block in enumerate(blocks)], ended=True)


def usage(reply: Reply, output_tokens: int) -> dict[str, Any]:
    """What is billed. Total input is input_tokens + cache_creation_input_tokens + cache_read_input_tokens."""
    cache = reply.cache
    return {
        "input_tokens": reply.fresh_input_tokens,
        "output_tokens": output_tokens,
        "cache_creation_input_tokens": cache.created,
        "cache_read_input_tokens": cache.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": cache.created_5m,
            "ephemeral_1h_input_tokens": cache.created_1h,
        },
        "output_tokens_details": {"thinking_tokens": min(output_tokens, reply.answer.thinking_tokens)},
        "server_tool_use": None,
        "service_tier": reply.service_tier,
        "speed": "standard",
        "inference_geo": None,
    }


_DELTAS = {
    "text": ("text_delta", "text"),
    "tool_use": ("input_json_delta", "partial_json"),
    "thinking": ("thinking_delta", "thinking"),
}


def _event(name: str, /, **data: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode()


@lru_cache(maxsize=16_384)  # most tokens are of a few words: a thousand streams share their events
def _delta(index: int, kind: str, key: str, text: str) -> bytes:
    return _event("content_block_delta", index=index, delta={"type": kind, key: text})


def _empty(reply: Reply, index: int, block: Block) -> dict[str, Any]:
    match block.kind:
        case "text":
            return {"type": "text", "text": "", "citations": None}
        case "thinking":
            return {"type": "thinking", "thinking": "", "signature": ""}
        case _:
            return {"type": "tool_use", "id": tool_id(reply, index), "name": block.name, "input": {}}


def _whole(reply: Reply, index: int, block: Block) -> dict[str, Any]:
    match block.kind:
        case "text":
            return _empty(reply, index, block) | {"text": block.text}
        case "thinking":
            return _empty(reply, index, block) | {"thinking": block.text, "signature": _signature(block)}
        case _:
            # an input that max_tokens has cut is no JSON
            return _empty(reply, index, block) | {"input": json.loads(block.text) if block.whole else {}}


def tool_id(reply: Reply, index: int) -> str:
    """The id of a call: the same in a replay, another one in each answer."""
    return f"toolu_{reply.message_id}{index:02d}"


def _signature(block: Block) -> str:
    return base64.b64encode(hashlib.sha256(block.text.encode()).digest()).decode()


def _message(reply: Reply, content: list[dict[str, Any]], *, ended: bool) -> dict[str, Any]:
    ending = _ending(reply) if ended else dict.fromkeys(_ending(reply))
    return {
        "id": f"msg_{reply.message_id}",
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": content,
        **ending,
        "container": None,
        "diagnostics": None,
        "usage": usage(reply, reply.answer.size if ended else 0),
    }


def _ending(reply: Reply) -> dict[str, Any]:
    answer = reply.answer
    details = dict(answer.stop_details) if answer.stop_details else None
    return {"stop_reason": answer.stop_reason, "stop_sequence": answer.stop_sequence, "stop_details": details}
