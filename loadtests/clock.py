"""The run's time: seconds after its zero, by a clock that nobody sets; used for everything the generator records."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class RunClock:
    """Zero by two clocks: the wall's, which other processes share, and the monotonic one that measures."""

    zero_unix_s: float
    zero_monotonic_s: float

    @classmethod
    def with_zero(cls, zero_unix_s: float | None) -> RunClock:
        """A clock whose zero is at that wall-clock time. None: now."""
        now_unix_s, now_monotonic_s = time.time(), time.monotonic()
        if zero_unix_s is None:
            zero_unix_s = now_unix_s
        return cls(zero_unix_s, now_monotonic_s + (zero_unix_s - now_unix_s))

    def now_s(self) -> float:
        """Seconds after zero; negative before it."""
        return time.monotonic() - self.zero_monotonic_s
