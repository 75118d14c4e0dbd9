"""Bandwidth on real wires: toxic ``bandwidth``. Seen by the time that a larger exchange takes."""

from __future__ import annotations

from dataclasses import dataclass

from windtunnel.chaos import canary
from windtunnel.chaos.canary import MOST_BYTES, CannotShow, Probe, Sight
from windtunnel.chaos.faults.change import AddToxic
from windtunnel.chaos.faults.lateness import LEAST_MS, later
from windtunnel.spec import fault as spec
from windtunnel.spec.run import Evidence

TRANSFER_MS = 100
"""How long the canary's bytes should take at the fault's rate."""


@dataclass(frozen=True)
class Bandwidth:
    """The wire carries rate_kb_per_s * 1000 bytes a second."""

    fault: spec.Bandwidth

    def change(self) -> AddToxic:
        """The toxic."""
        return AddToxic("bandwidth", {"rate": self.fault.rate_kb_per_s}, self.fault.stream)

    def probe(self, protocol: canary.Protocol, patience_ms: float) -> Probe | CannotShow:
        """As many bytes as the rate carries in TRANSFER_MS (kB/s is bytes/ms), if the protocol can; few canaries,
        for these weigh something."""
        size = min(self.fault.rate_kb_per_s * TRANSFER_MS, MOST_BYTES[protocol])
        if size / self.fault.rate_kb_per_s < LEAST_MS:
            rate = f"{self.fault.rate_kb_per_s} kB/s"
            return CannotShow(f"the largest canary over {protocol} has {size} bytes: too few to show {rate}")
        if self.fault.stream == "upstream":
            return Probe(request_bytes=size, patience_ms=patience_ms, count=2)
        return Probe(answer_bytes=size, patience_ms=patience_ms, count=2)

    def effect(self, before: Sight, now: Sight) -> Evidence:
        """The whole exchange takes at least its bytes / rate."""
        upstream = self.fault.stream == "upstream"
        carried = min(e.sent_bytes if upstream else e.received_bytes for e in before.exchanges)
        way = "there and an answer" if upstream else "came"
        delay_ms = carried / self.fault.rate_kb_per_s
        return later(f"{carried} bytes {way}", before, now, lambda exchange: exchange.end_ms, delay_ms)
