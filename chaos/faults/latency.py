"""Latency on real wires: toxic ``latency``. Seen by the first byte of the smallest exchange."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from windtunnel.chaos import canary
from windtunnel.chaos.canary import Exchange, Probe, Sight
from windtunnel.chaos.faults.change import AddToxic, whole
from windtunnel.chaos.faults.lateness import LEAST_MS, later
from windtunnel.spec import fault as spec
from windtunnel.spec.run import Evidence


@dataclass(frozen=True)
class Latency:
    """Each piece of data is held back, uniformly between latency - jitter and latency + jitter."""

    fault: spec.Latency

    def change(self) -> AddToxic:
        """The toxic."""
        latency, jitter = whole("latency_ms", self.fault.latency_ms), whole("jitter_ms", self.fault.jitter_ms)
        return AddToxic("latency", {"latency": latency, "jitter": jitter}, self.fault.stream)

    @property
    def _least_ms(self) -> float:
        return self.fault.latency_ms - self.fault.jitter_ms

    def probe(self, _: canary.Protocol, patience_ms: float) -> Probe:
        """More of them where the jitter reaches down to nothing, for then only their mean tells."""
        return Probe(patience_ms=patience_ms, count=3 if self._least_ms >= LEAST_MS else 16)

    def effect(self, before: Sight, now: Sight) -> Evidence:
        """The quickest waits at least latency - jitter; where that is nothing, the mean at least half the latency.

        The mean of 16 draws from 0 .. 2 latency (jitter = latency) lies below 0.45 latency, where ``later``
        begins to doubt, less than one time in 10,000: 3.8 standard deviations of latency / sqrt(3 * 16).
        """
        if self._least_ms >= LEAST_MS:
            return later("the first byte came", before, now, _waited_ms, self._least_ms)
        return later("on average the first byte came", before, now, _waited_ms, self.fault.latency_ms / 2, fmean)


def _waited_ms(exchange: Exchange) -> float:
    return exchange.waited_ms
