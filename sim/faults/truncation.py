"""truncation, imagined: after so many bytes in that direction the connection is closed.

A call is taken to have a connection of its own. On a connection that is kept between calls the limit counts over
all of them, so that a later, smaller call is the one that is cut: that is said to be unmodelled.
"""

from __future__ import annotations

from collections.abc import Sequence

from windtunnel.sim.faults.passage import CLEAR, Draw, Facts, Imagined, Leg, Passage
from windtunnel.spec.fault import Truncation


def passage(fault: Truncation, leg: Leg, _: Draw) -> Passage:
    """Cut when the limit is reached, with the pieces before it passed on."""
    if leg.stream != fault.stream or fault.bytes >= leg.bytes:
        return CLEAR
    return Passage(
        lost=fault.bytes < leg.bytes / leg.pieces,
        broken_off=True,
        cut_after_ms=leg.spread_ms * fault.bytes / leg.bytes,
    )


def unmodelled(fault: Truncation, calls: Sequence[Facts]) -> str | None:
    """Calls that pass whole, until their connection has carried too much."""
    down = fault.stream == "downstream"
    sizes = {facts.call: facts.response_bytes if down else facts.request_bytes for facts in calls}
    passing = [call for call, size in sizes.items() if size <= fault.bytes]
    if not passing:
        return None
    return f"truncation of {fault.target} after {fault.bytes} bytes, counted over several calls of {', '.join(passing)}"


IMAGINED = Imagined(passage, unmodelled=unmodelled)
