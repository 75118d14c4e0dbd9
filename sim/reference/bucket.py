"""A token bucket: so much per second, and a reserve. Used by stations for rate limits and an LLM's quotas."""

from __future__ import annotations


class Bucket:
    """Full at first, filled when it is looked at."""

    def __init__(self, per_s: float, burst: float) -> None:
        """``burst``: how much fits."""
        self.per_s = per_s
        self._burst = burst
        self._tokens = burst
        self._at_s = 0.0

    def missing(self, now_s: float, need: float) -> float:
        """How much is missing now; 0 or less: nothing."""
        self._tokens = min(self._burst, self._tokens + (now_s - self._at_s) * self.per_s)
        self._at_s = now_s
        return need - self._tokens

    def take(self, need: float) -> None:
        """What is there, is taken."""
        self._tokens -= need
