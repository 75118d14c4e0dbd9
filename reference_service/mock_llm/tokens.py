"""How many tokens a text or a request is: one rule for counting, billing, limits and the prefix cache.

About four characters a token, and a few tokens for each message; no real tokenizer is claimed. What counts is that
`count_tokens`, `usage` and the limits agree to the token.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_CHARACTERS_PER_TOKEN = 4
_TOKENS_PER_MESSAGE = 3
_CHARACTERS_OF_A_PICTURE = 6000
"""A picture is about 1,500 tokens, whatever its encoding measures."""
_PIECE = re.compile(r" ?[^\W_]{1,12}|\s+(?=\s)|\s?[\W_]|\s", re.DOTALL)


@dataclass(frozen=True)
class Segment:
    """A piece of a request that a prompt cache can end after: a tool, a block of the system prompt or of a message."""

    content: str
    """Canonical: the same for the same content."""
    characters: int
    begins_message: bool
    cache_control: Mapping[str, Any] | None


def segments(request: Mapping[str, Any]) -> Iterator[Segment]:
    """A request's pieces in the order in which a model reads them: tools, system prompt, messages."""
    for tool in request.get("tools") or ():
        yield _segment(tool, begins_message=False)
    shape = (request.get("output_config") or {}).get("format")
    if shape is not None:
        yield _segment(shape, begins_message=False)
    for block in _blocks(request.get("system")):
        yield _segment(block, begins_message=False)
    for message in request["messages"]:
        first = True
        for block in _blocks(message["content"]):
            yield _segment(block, begins_message=first, role=message["role"])
            first = False


def tokens_of(characters: int, messages: int) -> int:
    """The size of that many characters in that many messages."""
    return -(-characters // _CHARACTERS_PER_TOKEN) + _TOKENS_PER_MESSAGE * messages


def input_tokens(request: Mapping[str, Any]) -> int:
    """The size of a request: what count_tokens says, what usage says in all, and what the limits take."""
    characters = messages = 0
    for segment in segments(request):
        characters += segment.characters
        messages += segment.begins_message
    return tokens_of(characters, messages)


def pieces(text: str) -> tuple[str, ...]:
    """A text as the tokens it is sent in; their concatenation is the text."""
    return tuple(_PIECE.findall(text))


def text_tokens(text: str) -> int:
    """The size of a text that stands alone, as in a request for embeddings."""
    return max(1, tokens_of(len(text), 0))


def _blocks(content: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(content, str):
        yield {"type": "text", "text": content}
    else:
        yield from content or ()


def _segment(block: Mapping[str, Any], *, begins_message: bool, role: str = "") -> Segment:
    marked = block.get("cache_control")
    bare = {key: value for key, value in block.items() if key != "cache_control"}
    kind = block.get("type")
    canonical = json.dumps([role, bare], sort_keys=True)
    if kind == "text" and isinstance(block.get("text"), str):
        characters = len(block["text"])
    elif kind == "image":
        characters = _CHARACTERS_OF_A_PICTURE
    else:
        characters = len(json.dumps(bare))
    return Segment(canonical, characters, begins_message, marked)
