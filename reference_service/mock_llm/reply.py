"""One answer with its identity and size, before it is written in the form of an API."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from windtunnel.reference_service.mock_llm.answer import Answer
from windtunnel.reference_service.mock_llm.prefix_cache import NO_CACHE, CacheUse


@dataclass(frozen=True)
class Reply:
    """`message_id` without the prefix of an API; `input_tokens` of the whole prompt, what the cache gave included."""

    message_id: str
    model: str
    input_tokens: int
    answer: Answer
    cache: CacheUse = NO_CACHE
    service_tier: str = "standard"

    @property
    def fresh_input_tokens(self) -> int:
        """Neither read from the cache nor written to it."""
        return self.input_tokens - self.cache.read - self.cache.created


@dataclass
class Stream:
    """The events of an answer in the form of an API, and which of them carry its tokens."""

    events: list[bytes] = field(default_factory=list)
    token_events: list[int] = field(default_factory=list)
    """The place of the event of each token."""

    def event(self, data: bytes) -> None:
        self.events.append(data)

    def tokens(self, data: Iterable[bytes]) -> None:
        """Events that carry a token each."""
        start = len(self.events)
        self.events.extend(data)
        self.token_events.extend(range(start, len(self.events)))


Ending = Literal["complete", "close", "reset"]
"""How the body ends: as it should, with the connection closed in the middle, or torn down."""
