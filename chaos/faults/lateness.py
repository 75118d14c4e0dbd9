"""Something comes later than before: how a delay is told from noise. Used by the faults that delay."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from windtunnel.chaos.canary import Exchange, Sight
from windtunnel.spec.run import Evidence

LEAST_MS = 1.0
"""A delay below this drowns in the noise of a busy machine."""


def later(
    what: str,
    before: Sight,
    now: Sight,
    taken_ms: Callable[[Exchange], float],
    delay_ms: float,
    pick: Callable[[Iterable[float]], float] = min,
) -> Evidence:
    """Proven if it took nearly the delay now, and clearly less before; no connection may have been cut.

    ``delay_ms`` is what the fault adds at the very least; a delay beyond the patience of the canaries is seen
    in part. The quickest of several stand for the link itself: whatever else slows an exchange down can only
    add to it.
    """
    if any(exchange.end not in ("answered", "timeout") for exchange in now.exchanges):
        return Evidence(proven=False, what=f"{now}; before the fault {before}")
    was_ms = pick(taken_ms(exchange) for exchange in before.exchanges)
    is_ms = pick(taken_ms(exchange) for exchange in now.exchanges)
    visible_ms = min(delay_ms, now.patience_ms - was_ms)
    came = f"not within {is_ms:.0f} ms" if is_ms >= now.patience_ms else f"after {is_ms:.1f} ms"
    words = f"{what} {came}, {was_ms:.1f} ms before the fault, which adds {delay_ms:.1f} ms or more"
    if visible_ms < LEAST_MS:
        return Evidence(proven=False, what=f"{words}: too little to be told from noise")
    # 0.9: the timers of both sides. The rest is the noise between two looks: it must stay below half of the
    # effect, and whatever took long before may as well take a quarter longer by itself.
    noise_ms = max(0.5 * min(delay_ms, now.patience_ms), 0.25 * was_ms)
    return Evidence(proven=is_ms >= 0.9 * visible_ms and is_ms - was_ms >= noise_ms, what=words)
