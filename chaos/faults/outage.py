"""Outage on real wires: the proxy is disabled. Seen by a connection that is refused."""

from __future__ import annotations

from dataclasses import dataclass

from windtunnel.chaos import canary
from windtunnel.chaos.canary import Probe, Sight
from windtunnel.chaos.faults.change import Disable
from windtunnel.spec import fault as spec
from windtunnel.spec.run import Evidence


@dataclass(frozen=True)
class Outage:
    """Open connections are closed, new ones refused."""

    fault: spec.Outage

    def change(self) -> Disable:
        """The proxy goes down."""
        return Disable()

    def probe(self, _: canary.Protocol, patience_ms: float) -> Probe:
        """The smallest exchange."""
        return Probe(patience_ms=patience_ms)

    def effect(self, before: Sight, now: Sight) -> Evidence:
        """Refused; or closed without a byte, as whoever publishes a container's port does it."""
        down = all(e.end in ("refused", "closed", "reset") and e.received_bytes == 0 for e in now.exchanges)
        return Evidence(proven=down, what=f"{now}; before the fault {before}")
