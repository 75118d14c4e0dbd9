"""What one replica of a cache holds: by prompt, for a while, the least recently used leaving first.

Used by stations.
"""

from __future__ import annotations

from collections import OrderedDict

from windtunnel.sim.model import CachePolicy, Outcome


class Cache:
    """Prompts and until when their answers are kept."""

    def __init__(self, policy: CachePolicy, prompts: int) -> None:
        """Empty, or warm: with the most popular of ``prompts``, as if they had been stored at zero."""
        self._policy = policy
        self._until_s: OrderedDict[int, float] = OrderedDict()
        """The least recently used first."""
        self.evictions = 0
        if policy.warm:
            held = prompts if policy.max_entries is None else min(policy.max_entries, prompts)
            for prompt in reversed(range(held)):
                self._until_s[prompt] = policy.ttl_s

    def look_up(self, prompt: int, now_s: float) -> Outcome:
        """HIT or MISS."""
        until_s = self._until_s.get(prompt)
        if until_s is None:
            return Outcome.MISS
        if until_s <= now_s:
            del self._until_s[prompt]
            return Outcome.MISS
        self._until_s.move_to_end(prompt)
        if self._policy.reset_on_hit:
            self._until_s[prompt] = now_s + self._policy.ttl_s
        return Outcome.HIT

    def store(self, prompt: int, now_s: float) -> None:
        """From now on it is there."""
        self._until_s[prompt] = now_s + self._policy.ttl_s
        self._until_s.move_to_end(prompt)
        if self._policy.max_entries is not None and len(self._until_s) > self._policy.max_entries:
            self._until_s.popitem(last=False)
            self.evictions += 1

    def empty(self) -> None:
        """It comes back with nothing."""
        self._until_s.clear()
