"""What the mock LLM counted: the provider's side of the books, which tests and checkers hold against the client's."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Ledger:
    """Counts since the start or the last reset. Always: received = completed + failed + cancelled + in_flight.

    `in_flight` includes requests that wait for a slot; `output_tokens` counts what was generated, for
    cancelled streams too.
    """

    received: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    in_flight: int = 0
    peak_in_flight: int = 0
    output_tokens: int = 0

    def arrive(self) -> None:
        self.received += 1
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)

    def new_page(self) -> Ledger:
        """An empty ledger in which the requests that still run are received and in flight."""
        return Ledger(received=self.in_flight, in_flight=self.in_flight, peak_in_flight=self.in_flight)
