"""What the mock LLM counted: the provider's side of the books, which tests and checkers hold against the client's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass
class Ledger:
    """Counts since the start or the last reset. Always: received = completed + failed + cancelled + in_flight.

    `in_flight` includes requests that wait for a slot; `output_tokens` counts what was generated, for
    cancelled streams too. A request is booked before the last byte of its answer is sent, so that who has
    the answer finds it in the books.
    """

    received: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    in_flight: int = 0
    peak_in_flight: int = 0
    output_tokens: int = 0

    def arrive(self) -> Visit:
        self.received += 1
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        return Visit(self)

    def clear(self) -> None:
        """Start anew; requests that still run stay received and in flight."""
        self.received = self.peak_in_flight = self.in_flight
        self.completed = self.failed = self.cancelled = self.output_tokens = 0


@dataclass
class Visit:
    """One request on its way through the books; only its first end counts."""

    ledger: Ledger
    ended: bool = False

    def end(self, how: Literal["completed", "failed", "cancelled"]) -> None:
        if not self.ended:
            self.ended = True
            self.ledger.in_flight -= 1
            setattr(self.ledger, how, getattr(self.ledger, how) + 1)
