"""Which requests are meant: by number, header, prompt, model or form. Used by the rules of faults and of answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from windtunnel.reference_service.mock_llm.frozen import Frozen


def _compiled(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
    return pattern


Pattern = Annotated[str, AfterValidator(_compiled)]
Api = Literal["messages", "chat", "batches"]


@dataclass(frozen=True)
class Asked:
    """One request as rules see it."""

    api: Api
    number: int
    """Of the requests for an answer since the start or the last reset, from 1."""
    digest: str
    ordinal: int
    """How often this prompt was asked before."""
    headers: Mapping[str, str]
    request: Mapping[str, Any]

    @cached_property
    def prompt(self) -> str:
        """The text of system prompt and messages."""
        parts = [text_of(self.request.get("system"))]
        parts += [text_of(message["content"]) for message in self.request["messages"]]
        return "\n".join(part for part in parts if part)

    @cached_property
    def last(self) -> str:
        """The text of the last message."""
        return text_of(self.request["messages"][-1]["content"])


class When(Frozen):
    """All that is said has to hold; nothing said: every request."""

    requests: tuple[Annotated[int, Field(ge=1)], ...] | None = None
    """Numbers of requests, from 1."""
    every: Annotated[int, Field(ge=1)] | None = None
    """Each so-manieth request."""
    header: Mapping[str, Pattern] | None = None
    """Headers by name, each with a regular expression that is found in its value."""
    prompt: Pattern | None = None
    """A regular expression that is found in the text of system prompt and messages."""
    model: str | None = None
    stream: bool | None = None
    api: Api | None = None

    def meets(self, asked: Asked) -> bool:
        """Whether this request is meant."""
        return (
            (self.requests is None or asked.number in self.requests)
            and (self.every is None or asked.number % self.every == 0)
            and (self.api is None or asked.api == self.api)
            and (self.model is None or asked.request["model"] == self.model)
            and (self.stream is None or bool(asked.request.get("stream")) == self.stream)
            and all(re.search(each, asked.headers.get(name.lower(), "")) for name, each in (self.header or {}).items())
            and (self.prompt is None or re.search(self.prompt, asked.prompt) is not None)
        )


def text_of(content: Any) -> str:
    """The text of a message's content, that of results of tools and of documents included."""
    if isinstance(content, str):
        return content
    parts = []
    for block in content or ():
        if isinstance(block.get("text"), str):
            parts.append(block["text"])
        elif block.get("type") in ("tool_result", "search_result"):
            parts.append(text_of(block.get("content")))
        elif block.get("type") == "document":
            source = block.get("source") or {}
            parts.append(text_of(source.get("data") if source.get("type") == "text" else source.get("content")))
    return "\n".join(part for part in parts if part)
