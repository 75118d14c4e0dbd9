"""The prompt cache: which beginnings of prompts the provider has kept, as usage and latency show it.

After the Messages API: a request marks up to four places with cache_control (or, at its top level, its end); what lies
before a mark is kept for five minutes or an hour from its last use, if it is long enough. A later request reads the
longest beginning that is kept and ends at a segment of its own at or before its last mark; what lies between is
written. A request that `caches_by_itself`, as chat completions do, marks every place. A beginning can be read as soon
as the first token of the answer that wrote it was there. Kept per provider and not per key, as all keys of the mock
are of one organisation.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from windtunnel.reference_service.mock_llm.tokens import segments, tokens_of

TTL_S = {"5m": 300.0, "1h": 3600.0}
_MOST = 20_000
"""Beginnings that are kept; then the one that was used longest ago is dropped."""


@dataclass(frozen=True)
class CacheUse:
    """Tokens of a prompt that were read from the cache and written to it, and what is to be kept."""

    read: int = 0
    created_5m: int = 0
    created_1h: int = 0
    keeps: tuple[tuple[bytes, float], ...] = ()
    """Beginnings, with the seconds for which each is kept."""

    @property
    def created(self) -> int:
        return self.created_5m + self.created_1h


NO_CACHE = CacheUse()


class PrefixCache:
    """`min_tokens`: beginnings that are shorter are not kept. Times are seconds of one clock."""

    def __init__(self, min_tokens: int) -> None:
        self._min_tokens = min_tokens
        self._until_s: OrderedDict[bytes, float] = OrderedDict()

    def clear(self) -> None:
        self._until_s.clear()

    def use(self, request: Mapping[str, Any], now_s: float) -> CacheUse:
        """What this request reads and will write. Nothing, where it marks nothing."""
        parts = list(segments(request))
        ttls = [_ttl(part.cache_control) for part in parts]
        if request.get("cache_control") is not None:
            ttls[-1] = _ttl(request["cache_control"])
        if request.get("caches_by_itself"):
            ttls = ["5m"] * len(parts)
        marks = [place for place, ttl in enumerate(ttls) if ttl]
        if not marks:
            return NO_CACHE
        characters = list(accumulate(part.characters for part in parts))
        messages = list(accumulate(int(part.begins_message) for part in parts))
        sizes = [tokens_of(*each) for each in zip(characters, messages, strict=True)]
        digests = self._digests(request["model"], [part.content for part in parts])
        read, read_at = 0, -1
        for place in range(marks[-1], -1, -1):
            if self._until_s.get(digests[place], 0.0) > now_s:
                read, read_at = sizes[place], place
                break
        created = {"5m": 0, "1h": 0}
        keeps = []
        done = read
        for place in marks:
            ttl = ttls[place] or "5m"
            if sizes[place] < self._min_tokens:
                continue
            keeps.append((digests[place], TTL_S[ttl]))
            if place > read_at:
                created[ttl] += sizes[place] - done
                done = sizes[place]
        if read_at >= 0:  # reading refreshes, wherever it ended
            keeps.append((digests[read_at], TTL_S[next(ttls[place] or "5m" for place in marks if place >= read_at)]))
        return CacheUse(read, created["5m"], created["1h"], tuple(keeps))

    def keep(self, use: CacheUse, now_s: float) -> None:
        """What a request wrote can be read from now on."""
        for digest, ttl_s in use.keeps:
            self._until_s[digest] = max(now_s + ttl_s, self._until_s.get(digest, 0.0))
            self._until_s.move_to_end(digest)
        while len(self._until_s) > _MOST:
            self._until_s.popitem(last=False)

    @staticmethod
    def _digests(model: str, contents: list[str]) -> list[bytes]:
        """Of each beginning: it says all that came before."""
        digest = hashlib.sha256(model.encode())
        found = []
        for content in contents:
            digest.update(content.encode())
            digest.update(b"\0")
            found.append(digest.digest())
        return found


def _ttl(control: Mapping[str, Any] | None) -> str | None:
    if not control:
        return None
    return str(control.get("ttl") or "5m")
