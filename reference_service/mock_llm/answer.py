"""What the mock answers and when, drawn from the seed and the request alone.

Every draw is addressed: text and token count by (seed, prompt), times by (seed, prompt, ordinal), where the
ordinal counts how often this same prompt was asked before. So a replay gives the same answers at the same
pace, whatever else happens at the same time and in whichever order requests arrive.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from random import Random
from typing import Any, Literal

from windtunnel.reference_service.mock_llm.distributions import Distribution
from windtunnel.reference_service.mock_llm.schema import example
from windtunnel.reference_service.mock_llm.tokens import pieces
from windtunnel.reference_service.mock_llm.words import WORDS

_FOLLOWING = tuple(f" {word}" for word in WORDS)
_PROMPT = ("system", "messages")
_FORM = ("tools", "tool_choice", "output_config", "thinking")
"""What belongs to the address of a prompt only where it is said."""


@dataclass(frozen=True)
class Block:
    """A block of an answer: its tokens in the order in which they are sent; their concatenation is its text.

    The text of a tool_use is the JSON of its input.
    """

    kind: Literal["text", "tool_use", "thinking"]
    tokens: tuple[str, ...]
    name: str = ""
    """Of the tool."""
    whole: bool = True
    """False: cut off by max_tokens."""

    @property
    def text(self) -> str:
        return "".join(self.tokens)


@dataclass(frozen=True)
class Answer:
    """The blocks to send and why they end."""

    blocks: tuple[Block, ...]
    stop_reason: str
    stop_sequence: str | None = None
    stop_details: Mapping[str, str] | None = None

    @property
    def tokens(self) -> tuple[str, ...]:
        """Of all blocks, in the order in which they are sent: what is billed as output."""
        return tuple(token for block in self.blocks for token in block.tokens)

    @property
    def size(self) -> int:
        return sum(len(block.tokens) for block in self.blocks)

    @property
    def thinking_tokens(self) -> int:
        return sum(len(block.tokens) for block in self.blocks if block.kind == "thinking")

    @property
    def text(self) -> str:
        """What a reader sees."""
        return "".join(block.text for block in self.blocks if block.kind == "text")


@dataclass(frozen=True)
class Line:
    """What an answer is told to be, by a script or by an injected instruction, in place of seeded words."""

    text: str | None = None
    tool: str | None = None
    tool_input: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Pace:
    """Seconds of work after admission at which each token is there. An answer of no tokens still takes the first."""

    token_at_s: tuple[float, ...]

    @property
    def first_token_s(self) -> float:
        return self.token_at_s[0]

    @property
    def end_s(self) -> float:
        return self.token_at_s[-1]


def digest_of(request: Mapping[str, Any]) -> str:
    """The address of a prompt: the SHA-256 of its model, system prompt, messages and form, as hexadecimal digits."""
    prompt = [request["model"], *(request.get(key) for key in _PROMPT)]
    form = {key: request[key] for key in _FORM if request.get(key)}
    return hashlib.sha256(json.dumps([*prompt, form] if form else prompt, sort_keys=True).encode()).hexdigest()


def draws(seed: int, digest: str, purpose: str) -> Random:
    """The random numbers of one prompt and one purpose."""
    return Random(int.from_bytes(hashlib.sha256(f"{seed}/{digest}/{purpose}".encode()).digest()))


def compose(
    seed: int,
    digest: str,
    request: Mapping[str, Any],
    output_tokens: Distribution,
    line: Line | None = None,
    *,
    runaway: bool = False,
) -> Answer:
    """The answer to a prompt: never more than max_tokens tokens, its text cut before the first stop sequence.

    `line`: what to say instead of seeded words. `runaway`: it does not find an end before max_tokens.
    """
    random = draws(seed, digest, "answer")
    limit: int = request["max_tokens"]
    wanted = max(1, round(output_tokens.draw(random)))
    if runaway:
        wanted = limit + 1
    main = _main(random, request, line, min(wanted, limit + 1))
    blocks = [main]
    if runaway and len(main.tokens) <= limit:
        blocks.append(Block("text", _words(random, limit + 1 - len(main.tokens))))
    thought = _thinking(seed, digest, request)
    if thought is not None:
        blocks.insert(0, thought)
    kept, whole = _within(blocks, limit)
    stop = None if main.kind == "tool_use" else _first_stop(main.text, request.get("stop_sequences") or ())
    if stop is not None:
        place = blocks.index(main)
        cut = replace(main, tokens=_cut(main.tokens, stop[0]))
        stopped, fits = _within([*blocks[:place], cut], limit)
        if fits:
            return Answer(stopped, "stop_sequence", stop[1])
    if not whole:
        return Answer(kept, "max_tokens")
    return Answer(kept, "tool_use" if main.kind == "tool_use" else "end_turn")


def refused(answer: Answer, after: int) -> Answer:
    """The answer as a model gives it that stops for reasons of policy after so many tokens."""
    kept, _ = _within(answer.blocks, after)
    details = {"type": "refusal", "category": "general_harms", "explanation": "The request was declined."}
    return Answer(kept, "refusal", stop_details=details)


def pace(
    seed: int, digest: str, ordinal: int, tokens: int, first_token_ms: Distribution, token_ms: Distribution
) -> Pace:
    """When each of `tokens` tokens is there: a draw for the first, one more for every other."""
    random = draws(seed, digest, f"pace {ordinal}")
    gaps_ms = [first_token_ms.draw(random), *(token_ms.draw(random) for _ in range(tokens - 1))]
    return Pace(tuple(at_ms / 1000 for at_ms in accumulate(gaps_ms)))


def _main(random: Random, request: Mapping[str, Any], line: Line | None, words: int) -> Block:
    """What is answered besides thoughts: the line, JSON of the wanted shape, a call of a tool, or words."""
    if line is not None and line.tool is not None:
        return _call(line.tool, dict(line.tool_input or {}))
    if line is not None and line.text is not None:
        return Block("text", pieces(line.text))
    shape = (request.get("output_config") or {}).get("format")
    if shape is not None:
        return Block("text", pieces(json.dumps(example(shape["schema"], random))))
    tool = _tool(random, request)
    if tool is not None:
        return _call(tool["name"], example(tool.get("input_schema") or {"type": "object"}, random))
    return Block("text", _words(random, words))


def _call(name: str, arguments: Any) -> Block:
    # Without an argument there is still something to send.
    return Block("tool_use", pieces(json.dumps(arguments)), name)


def _tool(random: Random, request: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The tool that is called. Left to itself (auto), the model calls one unless it has just been told a result."""
    tools: list[Mapping[str, Any]] = [tool for tool in request.get("tools") or () if "name" in tool]
    choice = request.get("tool_choice") or {"type": "auto"}
    if not tools or choice["type"] == "none":
        return None
    if choice["type"] == "tool":
        return next(tool for tool in tools if tool["name"] == choice["name"])
    if choice["type"] == "auto" and _told_a_result(request):
        return None
    return random.choice(tools)


def _told_a_result(request: Mapping[str, Any]) -> bool:
    content = request["messages"][-1]["content"]
    return not isinstance(content, str) and any(block.get("type") == "tool_result" for block in content)


def _thinking(seed: int, digest: str, request: Mapping[str, Any]) -> Block | None:
    """Thoughts before the answer: when asked for, within their budget; when left to the model, every other time."""
    asked = request.get("thinking") or {"type": "disabled"}
    random = draws(seed, digest, "thinking")
    if asked["type"] == "enabled" or (asked["type"] == "adaptive" and random.random() < 0.5):
        budget = min(asked.get("budget_tokens", 1024), max(0, request["max_tokens"] - 1))
        count = min(random.randint(8, 64), budget)
        return Block("thinking", _words(random, count)) if count else None
    return None


def _words(random: Random, count: int) -> tuple[str, ...]:
    words = random.choices(_FOLLOWING, k=count)
    return (words[0][1:], *words[1:]) if words else ()


def _within(blocks: Sequence[Block], limit: int) -> tuple[tuple[Block, ...], bool]:
    """The blocks cut to so many tokens, and whether they are whole."""
    kept: list[Block] = []
    for block in blocks:
        if len(block.tokens) > limit:
            if limit:
                kept.append(replace(block, tokens=block.tokens[:limit], whole=False))
            return tuple(kept), False
        limit -= len(block.tokens)
        if block.tokens:
            kept.append(block)
    return tuple(kept), True


def _first_stop(text: str, sequences: Sequence[str]) -> tuple[int, str] | None:
    found = [(at, sequence) for sequence in sequences if (at := text.find(sequence)) >= 0]
    return min(found, default=None)


def _cut(tokens: Sequence[str], length: int) -> tuple[str, ...]:
    """The leading tokens that make `length` characters, the last of them cut where need be."""
    kept = []
    for token in tokens:
        if length <= 0:
            break
        kept.append(token[:length])
        length -= len(token)
    return tuple(kept)
