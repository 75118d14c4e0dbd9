"""How a call can end. Flows branch on it, retries and repeats look at it, records keep it."""

from __future__ import annotations

from typing import Literal

Outcome = Literal["ok", "hit", "miss", "timeout", "error", "rejected", "open"]
"""hit, miss: of a look-up in a cache. rejected: the callee took no more. open: a circuit breaker lets nothing
through."""

SUCCESSES: frozenset[str] = frozenset({"ok", "hit", "miss"})
