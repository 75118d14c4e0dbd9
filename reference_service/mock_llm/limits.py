"""Requests, input tokens and output tokens per minute, as the API keeps and tells them.

Each limit is a token bucket that holds a minute's worth and is refilled continuously. A request takes one request, its
input tokens (what it reads from the prompt cache does not count) and its max_tokens, all or nothing; what it did not
use of max_tokens is given back at its end. So in any stretch of T seconds no more than limit * (1 + T / 60) is used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from windtunnel.reference_service.mock_llm.errors import ApiError

_MINUTE_S = 60.0
_ROUNDING = 1e-9


@dataclass
class Bucket:
    """Full at first; `level` is as of `at_s`."""

    limit: int
    level: float
    at_s: float

    def fill(self, now_s: float) -> None:
        """As time has passed."""
        self.level = min(self.limit, self.level + max(0.0, now_s - self.at_s) * self.limit / _MINUTE_S)
        self.at_s = max(self.at_s, now_s)

    def wait_s(self, needed: float) -> float:
        """How long it takes until so much is there; infinity: it never fits."""
        if needed > self.limit:
            return math.inf
        return max(0.0, needed - self.level - _ROUNDING) * _MINUTE_S / self.limit

    @property
    def remaining(self) -> int:
        return max(0, math.floor(self.level + _ROUNDING))

    @property
    def full_in_s(self) -> float:
        return (self.limit - self.level) * _MINUTE_S / self.limit


@dataclass(frozen=True)
class Standing:
    """What the API tells about a limit; `full_in_s` is when all of it will be there again, in seconds."""

    limit: int
    remaining: int
    full_in_s: float


class Limits:
    """Of one organisation, to which all keys belong. None: no such limit. Times are seconds of one clock."""

    def __init__(self, requests: int | None, input_tokens: int | None, output_tokens: int | None) -> None:
        given = {"requests": requests, "input-tokens": input_tokens, "output-tokens": output_tokens}
        self._given = {name: limit for name, limit in given.items() if limit is not None}
        self._buckets: dict[str, Bucket] = {}

    def clear(self) -> None:
        """All full again."""
        self._buckets.clear()

    def take(self, now_s: float, input_tokens: int, max_tokens: int) -> None:
        """Take all that a request needs, or raise `ApiError` (429, with the time after which it would be there)."""
        needs = {"requests": 1, "input-tokens": input_tokens, "output-tokens": max_tokens}
        buckets = self._filled(now_s)
        waits_s = {name: bucket.wait_s(needs[name]) for name, bucket in buckets.items()}
        longest = max(waits_s, key=lambda name: waits_s[name], default=None)
        if longest is None or waits_s[longest] == 0:
            for name, bucket in buckets.items():
                bucket.level -= needs[name]
            return
        words = f"{longest.replace('-', ' ')} per minute"
        if waits_s[longest] == math.inf:
            raise ApiError(
                "rate_limit_error",
                f"This request needs {needs[longest]} {words}, more than the limit of {self._given[longest]}",
                should_retry=False,
            )
        raise ApiError(
            "rate_limit_error",
            f"This request would exceed the limit of {self._given[longest]} {words}",
            retry_after_s=math.ceil(waits_s[longest]),
        )

    def give_back(self, now_s: float, output_tokens: int) -> None:
        """What was reserved and not used."""
        bucket = self._filled(now_s).get("output-tokens")
        if bucket is not None:
            bucket.level = min(bucket.limit, bucket.level + output_tokens)

    def standing(self, now_s: float) -> dict[str, Standing]:
        """Where each limit stands, and under "tokens" the tighter one of the two on tokens."""
        buckets = self._filled(now_s)
        found = {name: Standing(bucket.limit, bucket.remaining, bucket.full_in_s) for name, bucket in buckets.items()}
        of_tokens = [standing for name, standing in found.items() if name != "requests"]
        if of_tokens:
            found["tokens"] = min(of_tokens, key=lambda standing: standing.remaining)
        return found

    def _filled(self, now_s: float) -> dict[str, Bucket]:
        for name, limit in self._given.items():
            self._buckets.setdefault(name, Bucket(limit, limit, now_s)).fill(now_s)
        return self._buckets
