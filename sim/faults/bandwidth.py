"""bandwidth, imagined: each chunk takes bytes / rate before it passes; chunks of one connection queue up."""

from __future__ import annotations

from windtunnel.sim.faults.passage import CLEAR, Draw, Imagined, Leg, Passage, backlog
from windtunnel.spec.fault import Bandwidth


def passage(fault: Bandwidth, leg: Leg, _: Draw) -> Passage:
    """A kilobyte (1,000 bytes) per second is a byte per millisecond."""
    if leg.stream != fault.stream:
        return CLEAR
    piece_ms = leg.bytes / leg.pieces / fault.rate_kb_per_s
    return Passage(first_ms=piece_ms, last_ms=backlog(leg, piece_ms))


IMAGINED = Imagined(passage)
