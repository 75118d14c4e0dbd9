"""What each kind of fault says about itself on real wires, one class a kind. ``inject`` knows faults by this alone."""

from __future__ import annotations

from typing import Protocol

from windtunnel.chaos import canary
from windtunnel.chaos.canary import CannotShow, Probe, Sight
from windtunnel.chaos.faults.change import Change
from windtunnel.spec.run import Evidence


class RealSide(Protocol):
    """A fault on real wires."""

    def change(self) -> Change:
        """What it does to a proxy. ValueError on a setting that Toxiproxy cannot carry out."""

    def probe(self, protocol: canary.Protocol, patience_ms: float, /) -> Probe | CannotShow:
        """Which canary shows it. None may wait longer than ``patience_ms``."""

    def effect(self, before: Sight, now: Sight) -> Evidence:
        """Whether it is seen in what canaries saw now, against what they saw before it."""
