"""blackhole, imagined: data of one direction is dropped and nobody is told.

The caller waits for its own time-out. When the fault heals, Toxiproxy closes every connection that it was on. With
close_after_ms a connection is closed after that time without data in that direction.
"""

from __future__ import annotations

from windtunnel.sim.faults.passage import CLEAR, Draw, Imagined, Leg, Passage
from windtunnel.spec.fault import Blackhole


def passage(fault: Blackhole, leg: Leg, _: Draw) -> Passage:
    """Lost; the clock of close_after_ms starts with the call and again with data in the black direction."""
    close_after_ms = fault.close_after_ms or None
    if leg.stream == fault.stream:
        # The toxic counts from the last chunk that it dropped, this one's last piece included.
        silent_ms = None if close_after_ms is None else leg.spread_ms + close_after_ms
        return Passage(lost=True, cut_after_ms=silent_ms, rearmed=True)
    if leg.stream == "upstream" and close_after_ms is not None:
        return Passage(cut_after_ms=close_after_ms, rearmed=True)
    return CLEAR


def begins(fault: Blackhole) -> float | None:
    """Connections that are silent when it begins are closed after close_after_ms, if at all."""
    return fault.close_after_ms or None


IMAGINED = Imagined(passage, begins, closes_on_heal=True)
