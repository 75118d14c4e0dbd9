"""How far the mock obeys instructions that were injected into what it reads: a model with a known weakness.

An injected instruction is an order in a user's turn, in the result of a tool, in a document or in a search result; the
system prompt's own orders are legitimate. Two rates say how often one is obeyed: `plain` where it stands among the
rest of a turn, `marked` where it stands in what is marked as data (a block of kind tool_result, document or
search_result, or between tags such as <document> and </document>). With rates between 0 and 1 whether it is obeyed is
drawn from the seed and the prompt. That makes defences measurable: blocking the input, marking data, and checking the
output each change what is seen, and nothing else does.

Obeying means: an order to tell the system prompt is answered with the system prompt, word for word; an order to say
something is answered with it; an order to call a tool that there is calls it; any other is answered with its own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from windtunnel.reference_service.mock_llm.answer import Line, draws
from windtunnel.reference_service.mock_llm.frozen import Frozen
from windtunnel.reference_service.mock_llm.when import text_of

Rate = Annotated[float, Field(ge=0, le=1)]

_TAGGED = re.compile(
    r"<(?P<tag>data|document|documents|context|retrieved|source|untrusted|user_input|search_result|tool_result)\b[^>]*>"
    r".*?</(?P=tag)\s*>",
    re.DOTALL | re.IGNORECASE,
)
_RULES = r"(?:instruction|rule|direction|guideline|prompt|command|order|polic|restriction|context|constraint)\w*"
_OVERRIDE = re.compile(
    rf"\b(?:ignore|disregard|forget|override|bypass|skip|drop)\b[^.!?\n]{{0,60}}?\b{_RULES}"
    rf"|\b(?:new|updated|real|actual)\s+{_RULES}\s*:"
    r"|\byou are now\b|\bfrom now on\b|\bdeveloper mode\b|\bdo anything now\b|\bpretend (?:to be|you)\b"
    r"|(?:^|\n)\s*(?:\[|<|#+\s*)?/?(?:system|admin|administrator|developer|assistant)(?:\s+(?:message|override|note))?"
    r"(?:\]|>|:)|\bend of (?:document|context|data|user input)\b",
    re.IGNORECASE,
)
_TELL = r"(?:reveal|print|repeat|show|tell|output|leak|display|share|quote|recite|expose|give|send|disclose|dump|write)"
_TELL_PROMPT = re.compile(
    rf"\b{_TELL}\b[^.!?\n]{{0,60}}?\b(?:system prompt|(?:hidden|initial|original|secret|your|above|previous)\s+"
    r"(?:\w+\s+)?(?:prompt|instructions?|rules|guidelines)|everything above|text above|words above|"
    r"secrets?|passwords?|api[ _-]?keys?|credentials?|canary)",
    re.IGNORECASE,
)
_SAY = re.compile(
    r"\b(?i:say|print|reply|respond|answer|output|write|repeat)\b"
    r"(?:\s+(?i:with|only|exactly|just|the|word|words|phrase|text|following))*\s*:?\s*"
    r"(?:\"([^\"\n]+)\"|'([^'\n]+)'|“([^”\n]+)”|`([^`\n]+)`|:\s*([^\n.]+)|([A-Z][A-Z0-9_-]{2,}))",
)
_CALL = re.compile(
    r"\b(?:call|use|invoke|run|execute)\b(?:\s+the)?(?:\s+(?:tool|function))?\s+[\"'`]?(\w+)", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"[.!?\n]")


class Obedience(Frozen):
    """Rates from 0 (never) to 1 (always)."""

    plain: Rate = 0.0
    marked: Rate = 0.0


@dataclass(frozen=True)
class Injected:
    """An order that was found."""

    text: str
    marked: bool


def injected(request: Mapping[str, Any]) -> Iterator[Injected]:
    """The orders in everything but the system prompt, in their order."""
    for message in request["messages"]:
        if message["role"] != "user":
            continue
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for block in blocks:
            text = text_of([block])
            if block.get("type") != "text":
                yield from (Injected(order, True) for order in _orders(text))
                continue
            for tagged in _TAGGED.finditer(text):
                yield from (Injected(order, True) for order in _orders(tagged.group()))
            yield from (Injected(order, False) for order in _orders(_TAGGED.sub("\n", text)))


def obeyed(
    seed: int, digest: str, request: Mapping[str, Any], obedience: Obedience, *, always: bool = False
) -> Line | None:
    """What the mock says or does because of an injected instruction; None: there is none, or it resists."""
    if not (always or obedience.plain or obedience.marked):
        return None
    for place, found in enumerate(injected(request)):
        rate = obedience.marked if found.marked else obedience.plain
        if always or draws(seed, digest, f"obey {place}").random() < rate:
            return _carried_out(found.text, request)
    return None


def _orders(text: str) -> Iterator[str]:
    """Where somebody takes the word or asks for what is hidden: from there to the end of what he says."""
    overriding = _OVERRIDE.search(text)
    telling = _TELL_PROMPT.search(text)
    starts = [found.start() for found in (overriding, telling) if found]
    if starts:
        yield text[min(starts) :].strip()


def _carried_out(order: str, request: Mapping[str, Any]) -> Line:
    tools = {tool.get("name") for tool in request.get("tools") or ()}
    for called in _CALL.finditer(order):
        if called.group(1) in tools:
            return Line(tool=called.group(1))
    if _TELL_PROMPT.search(order):
        return Line(text=text_of(request.get("system")) or "I have no system prompt.")
    said = _SAY.search(order)
    if said:
        return Line(text=next(group for group in said.groups() if group).strip())
    return Line(text=f"Understood. {_SENTENCE_END.split(order.strip())[0]}.")
