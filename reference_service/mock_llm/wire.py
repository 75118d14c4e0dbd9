"""The Messages API's shapes on the wire: the message, its usage, and the server-sent events."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from windtunnel.reference_service.mock_llm.answer import Answer


@dataclass(frozen=True)
class Reply:
    """One answer with its identity and size, rendered as a JSON message or as events."""

    message_id: str
    model: str
    input_tokens: int
    answer: Answer

    def message(self) -> dict[str, Any]:
        content = [{"type": "text", "text": self.answer.text, "citations": None}] if self.answer.tokens else []
        return self._message(content, len(self.answer.tokens), ended=True)

    def opening(self) -> bytes:
        """message_start, and the start of the text block where there is text."""
        started = _event("message_start", {"message": self._message([], 0, ended=False)})
        if not self.answer.tokens:
            return started
        block = {"type": "text", "text": "", "citations": None}
        return started + _event("content_block_start", {"index": 0, "content_block": block}) + _event("ping", {})

    def token(self, place: int) -> bytes:
        delta = {"type": "text_delta", "text": self.answer.tokens[place]}
        return _event("content_block_delta", {"index": 0, "delta": delta})

    def closing(self) -> bytes:
        """The end of the text block, message_delta with the cumulative usage, message_stop."""
        block_stop = _event("content_block_stop", {"index": 0}) if self.answer.tokens else b""
        delta = {**self._ending(), "container": None}
        usage = self._usage(len(self.answer.tokens))
        return block_stop + _event("message_delta", {"delta": delta, "usage": usage}) + _event("message_stop", {})

    def _message(self, content: list[dict[str, Any]], output_tokens: int, *, ended: bool) -> dict[str, Any]:
        ending = self._ending() if ended else dict.fromkeys(self._ending())
        return {
            "id": self.message_id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            **ending,
            "container": None,
            "diagnostics": None,
            "usage": self._usage(output_tokens),
        }

    def _ending(self) -> dict[str, Any]:
        answer = self.answer
        return {"stop_reason": answer.stop_reason, "stop_sequence": answer.stop_sequence, "stop_details": None}

    def _usage(self, output_tokens: int) -> dict[str, Any]:
        return {
            "input_tokens": self.input_tokens,
            "output_tokens": output_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens_details": {"thinking_tokens": 0},
            "server_tool_use": None,
            "service_tier": "standard",
            "speed": "standard",
            "inference_geo": None,
        }


def _event(name: str, data: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode()
