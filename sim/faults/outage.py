"""outage, imagined: calls under way are cut when it begins, new ones are refused at once."""

from __future__ import annotations

from windtunnel.sim.faults.passage import Draw, Imagined, Leg, Passage
from windtunnel.spec.fault import Outage


def passage(_: Outage, __: Leg, ___: Draw) -> Passage:
    """Refused: an error without delay."""
    return Passage(lost=True, cut_after_ms=0.0)


def begins(_: Outage) -> float | None:
    """At once."""
    return 0.0


IMAGINED = Imagined(passage, begins)
