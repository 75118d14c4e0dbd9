"""latency, imagined: every chunk is late by latency_ms, plus or minus up to jitter_ms.

Toxiproxy delays each chunk relative to its own arrival, so that a stream as a whole is shifted, not stretched; one
draw stands for a stream. A call of several round trips pays for each.
"""

from __future__ import annotations

from windtunnel.sim.faults.passage import CLEAR, Draw, Imagined, Leg, Passage
from windtunnel.spec.fault import Latency


def passage(fault: Latency, leg: Leg, draw: Draw) -> Passage:
    """Late by a uniform draw per round trip; never early."""
    if leg.stream != fault.stream:
        return CLEAR
    low, width = fault.latency_ms - fault.jitter_ms, 2 * fault.jitter_ms
    late_ms = sum(max(0.0, low + width * draw(trip)) for trip in range(leg.round_trips))
    return Passage(first_ms=late_ms, last_ms=late_ms)


IMAGINED = Imagined(passage)
