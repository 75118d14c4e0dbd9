"""reset, imagined: the first data in that direction is swallowed, and after_ms later the connection is torn down.

Data is what triggers it (Toxiproxy's reset_peer waits for a chunk): a call whose answer comes after the fault has
healed is not touched.
"""

from __future__ import annotations

from windtunnel.sim.faults.passage import CLEAR, Draw, Imagined, Leg, Passage
from windtunnel.spec.fault import Reset


def passage(fault: Reset, leg: Leg, _: Draw) -> Passage:
    """Lost, and an error after_ms after the data came."""
    return Passage(lost=True, cut_after_ms=fault.after_ms) if leg.stream == fault.stream else CLEAR


IMAGINED = Imagined(passage)
