"""The models that the mock answers for: `GET /v1/models`, and what each takes and gives at most.

Names as in the SDK's own list; lengths are of the usual order and not a vendor's data sheet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_NAMES = (
    *("claude-fable-5-2", "claude-mythos-5-2", "claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"),
    *("claude-fable-5-1", "claude-mythos-5-1", "claude-sonnet-5", "claude-fable-5", "claude-mythos-5"),
    *("claude-opus-5", "claude-opus-4-8", "claude-opus-4-7", "claude-opus-4-6", "claude-sonnet-4-6"),
    *("claude-haiku-4-5", "claude-haiku-4-5-20251001", "claude-opus-4-5", "claude-opus-4-5-20251101"),
    *("claude-sonnet-4-5", "claude-sonnet-4-5-20250929"),
)
_OPENAI_NAMES = ("gpt-5", "gpt-5-mini", "gpt-5-nano", "gpt-4.1", "gpt-4.1-mini", "gpt-4o", "gpt-4o-mini")
_CREATED = "2026-01-01T00:00:00Z"
_CREATED_S = 1_767_225_600
_LINES = ("haiku", "sonnet", "opus", "fable", "mythos")


@dataclass(frozen=True)
class Model:
    """`max_tokens` of an answer, `context_tokens` of request and answer together."""

    id: str
    max_tokens: int = 64_000
    context_tokens: int = 200_000

    def as_data(self) -> dict[str, Any]:
        """As the Messages API lists it."""
        line = next((line for line in _LINES if line in self.id), None)
        return {
            "type": "model",
            "id": self.id,
            "display_name": self.id.replace("-", " ").title(),
            "created_at": _CREATED,
            "lifecycle": "active",
            "line": line,
            "max_input_tokens": self.context_tokens,
            "max_tokens": self.max_tokens,
            "capabilities": None,
            "deprecated_at": None,
            "retires_at": None,
        }

    def as_openai_data(self) -> dict[str, Any]:
        """As chat completions' API lists it."""
        return {"id": self.id, "object": "model", "created": _CREATED_S, "owned_by": "windtunnel"}


class Models:
    """The known ones, and `more` by their names; each API knows its own and these."""

    def __init__(self, more: Iterable[str] = ()) -> None:
        added = tuple(more)
        self.anthropic = {name: Model(name) for name in (*_NAMES, *added)}
        self.openai = {name: Model(name) for name in (*_OPENAI_NAMES, *_NAMES, *added)}
