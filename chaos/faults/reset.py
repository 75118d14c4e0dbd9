"""Reset on real wires: toxic ``reset_peer``. Seen by a TCP RST in place of an answer.

Connections that were open when it began are closed without an RST (the server sets SO_LINGER only on new ones).
"""

from __future__ import annotations

from dataclasses import dataclass

from windtunnel.chaos import canary
from windtunnel.chaos.canary import Probe, Sight
from windtunnel.chaos.faults.change import AddToxic, whole
from windtunnel.spec import fault as spec
from windtunnel.spec.run import Evidence

MARGIN_MS = 1000
"""How long the canary waits beyond the time at which the reset is due."""


@dataclass(frozen=True)
class Reset:
    """The first data on a connection has it reset, after_ms later; the data is dropped."""

    fault: spec.Reset

    def change(self) -> AddToxic:
        """The toxic."""
        after = whole("after_ms", self.fault.after_ms)
        return AddToxic("reset_peer", {"timeout": after}, self.fault.stream, lingers_ms=after)

    def probe(self, _: canary.Protocol, patience_ms: float) -> Probe:
        """Patient enough to see it, if it is not too far off."""
        return Probe(patience_ms=min(patience_ms, self.fault.after_ms + MARGIN_MS))

    def effect(self, before: Sight, now: Sight) -> Evidence:
        """A reset when it is due; one that is due beyond the canary's patience shows as silence until then."""
        due_ms = self.fault.after_ms
        if due_ms < now.patience_ms:
            seen = all(e.end == "reset" and e.end_ms >= 0.9 * due_ms for e in now.exchanges)
        else:
            seen = all(e.end == "timeout" and e.received_bytes == 0 for e in now.exchanges)
            seen = seen and max(e.end_ms for e in before.exchanges) < now.patience_ms / 2
        return Evidence(proven=seen, what=f"{now}; before the fault {before}")
