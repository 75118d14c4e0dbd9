"""What the mock answers and when, drawn from the seed and the request alone.

Every draw is addressed: text and token count by (seed, prompt), times by (seed, prompt, ordinal), where the
ordinal counts how often this same prompt was asked before. So a replay gives the same answers at the same
pace, whatever else happens at the same time and in whichever order requests arrive.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Any

from windtunnel.reference_service.mock_llm.distributions import Distribution

# Short words, each standing for one token.
_WORDS = (
    *("air", "flow", "lift", "drag", "wing", "vane", "gust", "calm", "rise", "fall", "speed", "scale", "model"),
    *("tunnel", "test", "load", "wave", "edge", "core", "link", "pool", "queue", "slot", "token", "cache", "store"),
    *("read", "write", "open", "close", "start", "stop", "warm", "cold", "fast", "slow", "long", "short", "first"),
    *("last", "next", "one", "two", "many", "few", "more", "less", "most", "least", "same", "other", "true"),
    *("clear", "plain", "even", "still", "near", "far", "high", "low", "left", "right", "and", "or", "but", "so"),
    *("then", "when", "where", "while", "with", "from", "into", "over", "under", "about", "after", "before"),
)
_CHARACTERS_PER_TOKEN = 4
_TOKENS_PER_MESSAGE = 3


@dataclass(frozen=True)
class Answer:
    """The tokens to send (with their leading blanks; their concatenation is the text) and why they end."""

    tokens: tuple[str, ...]
    stop_reason: str
    stop_sequence: str | None = None

    @property
    def text(self) -> str:
        return "".join(self.tokens)


@dataclass(frozen=True)
class Pace:
    """Seconds after admission at which each token is there. An answer of no tokens still takes the first one."""

    token_at_s: tuple[float, ...]

    @property
    def first_token_s(self) -> float:
        return self.token_at_s[0]

    @property
    def end_s(self) -> float:
        return self.token_at_s[-1]


def digest_of(request: Mapping[str, Any]) -> str:
    """The address of a prompt: the SHA-256 of its model, system prompt and messages, as hexadecimal digits."""
    prompt = [request["model"], request.get("system"), request["messages"]]
    return hashlib.sha256(json.dumps(prompt, sort_keys=True).encode()).hexdigest()


def compose(seed: int, digest: str, request: Mapping[str, Any], output_tokens: Distribution) -> Answer:
    """The answer to a prompt: never more than max_tokens tokens, cut before the first stop sequence."""
    random = _random(seed, digest, "answer")
    wanted = max(1, round(output_tokens.draw(random)))
    count = min(wanted, request["max_tokens"])
    words = [random.choice(_WORDS) for _ in range(count)]
    tokens = tuple(word if place == 0 else f" {word}" for place, word in enumerate(words))
    stop = _first_stop("".join(tokens), request.get("stop_sequences") or ())
    if stop is not None:
        at, sequence = stop
        return Answer(_cut(tokens, at), "stop_sequence", sequence)
    return Answer(tokens, "end_turn" if count == wanted else "max_tokens")


def pace(
    seed: int, digest: str, ordinal: int, tokens: int, first_token_ms: Distribution, token_ms: Distribution
) -> Pace:
    """When each of `tokens` tokens is there: a draw for the first, one more for every other."""
    random = _random(seed, digest, f"pace {ordinal}")
    gaps_ms = [first_token_ms.draw(random), *(token_ms.draw(random) for _ in range(tokens - 1))]
    return Pace(tuple(at_ms / 1000 for at_ms in accumulate(gaps_ms)))


def input_tokens(request: Mapping[str, Any]) -> int:
    """The size of a prompt: one token for about four characters, and a few for each message."""
    characters = _characters(request.get("system")) + sum(_characters(m["content"]) for m in request["messages"])
    return -(-characters // _CHARACTERS_PER_TOKEN) + _TOKENS_PER_MESSAGE * len(request["messages"])


def _characters(content: Any) -> int:
    if isinstance(content, str):
        return len(content)
    return sum(len(block["text"]) if block.get("type") == "text" else len(json.dumps(block)) for block in content or ())


def _random(seed: int, digest: str, purpose: str) -> Random:
    return Random(int.from_bytes(hashlib.sha256(f"{seed}/{digest}/{purpose}".encode()).digest()))


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
