"""Black hole on real wires: toxic ``timeout``. Seen by an answer that does not come."""

from __future__ import annotations

from dataclasses import dataclass

from windtunnel.chaos import canary
from windtunnel.chaos.canary import Probe, Sight
from windtunnel.chaos.faults.change import AddToxic, whole
from windtunnel.spec import fault as spec
from windtunnel.spec.run import Evidence

SILENCE_MS = 1000
"""How long nothing must come to be called a black hole, where the canary was answered before."""


@dataclass(frozen=True)
class Blackhole:
    """Data is dropped; the connection stays open, or is closed close_after_ms after the last data."""

    fault: spec.Blackhole

    def change(self) -> AddToxic:
        """The toxic."""
        return AddToxic("timeout", {"timeout": whole("close_after_ms", self.fault.close_after_ms)}, self.fault.stream)

    def probe(self, _: canary.Protocol, patience_ms: float) -> Probe:
        """Patient enough to see the end, if there is one."""
        return Probe(patience_ms=min(patience_ms, self.fault.close_after_ms + SILENCE_MS))

    def effect(self, before: Sight, now: Sight) -> Evidence:
        """Not one byte; and the end when it is due, or none while anybody else would have been answered twice."""
        silent = all(exchange.connect_ms is not None and exchange.received_bytes == 0 for exchange in now.exchanges)
        due_ms = self.fault.close_after_ms
        if 0 < due_ms < now.patience_ms:
            ended = all(e.end in ("closed", "reset") and e.end_ms >= 0.9 * due_ms for e in now.exchanges)
        else:
            ended = all(e.end == "timeout" for e in now.exchanges)
            ended = ended and max(e.end_ms for e in before.exchanges) < now.patience_ms / 2
        return Evidence(proven=silent and ended, what=f"{now}; before the fault {before}")
