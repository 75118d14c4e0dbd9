"""Fragmentation on real wires: toxic ``slicer``. Seen by the pieces of a larger answer, or by their delays.

The slicer halves each chunk until a piece is at most average + variation bytes (slicer.go), so that n bytes
come in at least n / (average + variation) pieces, each with its delay behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from windtunnel.chaos import canary
from windtunnel.chaos.canary import MOST_BYTES, CannotShow, Probe, Sight
from windtunnel.chaos.faults.change import AddToxic
from windtunnel.chaos.faults.lateness import LEAST_MS, later
from windtunnel.spec import fault as spec
from windtunnel.spec.run import Evidence

PIECES = 16
"""In how many pieces the canary should come at least, if the protocol has so many bytes for it."""


@dataclass(frozen=True)
class Fragmentation:
    """Data arrives in pieces, delay_us apart."""

    fault: spec.Fragmentation

    def change(self) -> AddToxic:
        """The toxic. ValueError if the variation is not below the size: the server would then never end slicing."""
        size, variation = self.fault.size_bytes, self.fault.variation_bytes
        if variation and variation >= size:
            raise ValueError(f"variation_bytes: found {variation}, expected less than size_bytes ({size})")
        attributes = {"average_size": size, "size_variation": variation, "delay": self.fault.delay_us}
        return AddToxic("slicer", attributes, self.fault.stream)

    @property
    def _largest_piece(self) -> int:
        return self.fault.size_bytes + self.fault.variation_bytes

    def _delay_ms(self, carried_bytes: int) -> float:
        """Between the first and the last piece."""
        return (ceil(carried_bytes / self._largest_piece) - 1) * self.fault.delay_us / 1000

    def probe(self, protocol: canary.Protocol, patience_ms: float) -> Probe | CannotShow:
        """Some pieces' worth of bytes. Upstream only delays can be seen from here."""
        size = min(PIECES * self._largest_piece, MOST_BYTES[protocol])
        if size < 4 * self._largest_piece:
            piece = f"pieces of {self._largest_piece}"
            return CannotShow(f"the largest canary over {protocol} has {size} bytes: too few for {piece}")
        if self.fault.stream == "downstream":
            return Probe(answer_bytes=size, patience_ms=patience_ms)
        if self._delay_ms(size) < LEAST_MS:
            return CannotShow("pieces of a request that come without a delay look like a whole to the caller")
        return Probe(request_bytes=size, patience_ms=patience_ms)

    def effect(self, before: Sight, now: Sight) -> Evidence:
        """Downstream many pieces, and twice as many as before; upstream their delays.

        Many: half of what it must come in, or of PIECES. The kernels on the way join pieces that follow each
        other closely, so that the one of several exchanges with the most pieces tells.
        """
        if self.fault.stream == "upstream":
            carried = min(exchange.sent_bytes for exchange in before.exchanges)
            what = f"the answer to {carried} bytes came"
            return later(what, before, now, lambda exchange: exchange.end_ms, self._delay_ms(carried))
        were = max(exchange.pieces for exchange in before.exchanges)
        most = max(now.exchanges, key=lambda exchange: exchange.pieces)
        sent = ceil(most.received_bytes / self._largest_piece)
        proven = most.pieces >= max(2, 2 * were, min(sent, PIECES) / 2)
        what = f"{most.received_bytes} bytes came in {most.pieces} pieces, {sent} or more were sent; before in {were}"
        return Evidence(proven=proven, what=what)
