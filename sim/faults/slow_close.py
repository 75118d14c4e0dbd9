"""slow_close, imagined: connections take longer to close, which no call waits for.

Calls end with their last byte, and connections are kept between calls. What the model leaves out: a callee whose
caller went away hears of it delay_ms later.
"""

from __future__ import annotations

from windtunnel.sim.faults.passage import CLEAR, Draw, Imagined, Leg, Passage
from windtunnel.spec.fault import SlowClose


def passage(_: SlowClose, __: Leg, ___: Draw) -> Passage:
    """Untouched."""
    return CLEAR


IMAGINED = Imagined(passage)
