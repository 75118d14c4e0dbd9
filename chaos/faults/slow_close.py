"""Slow close on real wires: toxic ``slow_close``. Seen by the time from asking for the end until it comes."""

from __future__ import annotations

from dataclasses import dataclass

from windtunnel.chaos import canary
from windtunnel.chaos.canary import Probe, Sight
from windtunnel.chaos.faults.change import AddToxic, whole
from windtunnel.chaos.faults.lateness import later
from windtunnel.spec import fault as spec
from windtunnel.spec.run import Evidence


@dataclass(frozen=True)
class SlowClose:
    """The end of a stream is passed on delay_ms late: the callee's end downstream, the caller's upstream."""

    fault: spec.SlowClose

    def change(self) -> AddToxic:
        """The toxic."""
        return AddToxic("slow_close", {"delay": whole("delay_ms", self.fault.delay_ms)}, self.fault.stream)

    def probe(self, _: canary.Protocol, patience_ms: float) -> Probe:
        """Downstream the callee is asked to close, upstream the caller does; the callee then follows."""
        return Probe(closing="callee" if self.fault.stream == "downstream" else "caller", patience_ms=patience_ms)

    def effect(self, before: Sight, now: Sight) -> Evidence:
        """The end comes at least delay_ms after it was asked for."""
        return later(
            "the end of the stream came",
            before,
            now,
            lambda e: now.patience_ms - e.end_ms if e.closed_ms is None else e.closed_ms,
            self.fault.delay_ms,
        )
