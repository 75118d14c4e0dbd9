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
        """Downstream at least half of the pieces that it must come in, and more than before; else the delays.

        Half: the receiving kernel may join pieces that follow each other closely.
        """
        if self.fault.stream == "upstream":
            carried = min(exchange.sent_bytes for exchange in before.exchanges)
            what = f"the answer to {carried} bytes came"
            return later(what, before, now, lambda exchange: exchange.end_ms, self._delay_ms(carried))
        were = max(exchange.pieces for exchange in before.exchanges)
        pieces = min(exchange.pieces for exchange in now.exchanges)
        received = min(exchange.received_bytes for exchange in now.exchanges)
        expected = ceil(received / self._largest_piece)
        proven = received > 0 and pieces > were and pieces >= max(2, expected / 2)
        what = f"{received} bytes came in {pieces} pieces, at least {expected} expected; before the fault in {were}"
        return Evidence(proven=proven, what=what)
