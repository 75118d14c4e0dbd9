"""Truncation on real wires: toxic ``limit_data``. Seen by an exchange that is cut off in the middle."""

from __future__ import annotations

from dataclasses import dataclass

from windtunnel.chaos import canary
from windtunnel.chaos.canary import MOST_BYTES, CannotShow, Probe, Sight
from windtunnel.chaos.faults.change import AddToxic
from windtunnel.spec import fault as spec
from windtunnel.spec.run import Evidence


@dataclass(frozen=True)
class Truncation:
    """Each connection is closed once it has carried so many bytes."""

    fault: spec.Truncation

    def change(self) -> AddToxic:
        """The toxic."""
        return AddToxic("limit_data", {"bytes": self.fault.bytes}, self.fault.stream)

    def probe(self, protocol: canary.Protocol, patience_ms: float) -> Probe | CannotShow:
        """An exchange of more bytes than that."""
        size = self.fault.bytes + 1
        if size > MOST_BYTES[protocol]:
            return CannotShow(f"the largest canary over {protocol} has {MOST_BYTES[protocol]} bytes")
        if self.fault.stream == "upstream":
            return Probe(request_bytes=size, patience_ms=patience_ms)
        return Probe(answer_bytes=size, patience_ms=patience_ms)

    def effect(self, before: Sight, now: Sight) -> Evidence:
        """Cut off before the whole answer came, and downstream with no byte too many."""
        most = self.fault.bytes if self.fault.stream == "downstream" else float("inf")
        cut = all(e.end in ("closed", "reset") and e.received_bytes <= most for e in now.exchanges)
        return Evidence(proven=cut, what=f"{now}; before the fault {before}")
