"""fragmentation, imagined: each chunk is cut into slices, delay_us apart.

Toxiproxy's slicer halves a chunk until the pieces are no larger than size_bytes + variation_bytes, and pauses after
every slice, the last one included: what comes behind waits for that pause too.
"""

from __future__ import annotations

from windtunnel.sim.faults.passage import CLEAR, Draw, Imagined, Leg, Passage, backlog
from windtunnel.spec.fault import Fragmentation


def passage(fault: Fragmentation, leg: Leg, _: Draw) -> Passage:
    """The first slice passes at once; the last one waits for the pauses before it."""
    if leg.stream != fault.stream:
        return CLEAR
    pause_ms = fault.delay_us / 1000
    piece_ms = _slices(leg.bytes / leg.pieces, fault.size_bytes + fault.variation_bytes) * pause_ms
    return Passage(first_ms=piece_ms - pause_ms, last_ms=backlog(leg, piece_ms) - pause_ms)


def _slices(size: float, largest: int) -> int:
    """How many pieces halving makes; the variation of the halves is left out."""
    slices = 1
    while size > largest:
        size, slices = size / 2, slices * 2
    return slices


IMAGINED = Imagined(passage)
