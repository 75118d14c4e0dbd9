"""Admission to the decode slots: a FIFO queue in front of a fixed number of servers, as in the capacity model."""

from __future__ import annotations

import asyncio
from collections import deque


class QueueFull(Exception):
    """As many requests as the queue may hold are waiting already."""


class DecodeSlots:
    """`slots` requests are decoded at once, others wait in the order of their arrival.

    Times are those of the event loop, in seconds. A slot is handed over at the instant at which its holder was
    due to leave it, not at the instant at which the process noticed: lateness of a busy host does not add up.
    """

    def __init__(self, slots: int, queue_limit: int | None) -> None:
        self._free = slots
        self._queue_limit = queue_limit
        self._waiting: deque[asyncio.Future[float]] = deque()
        self.waiting_peak = 0

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def enter(self) -> float:
        """Wait for a slot and return the time of admission. Raises `QueueFull` at once."""
        loop = asyncio.get_running_loop()
        arrived_s = loop.time()
        if self._free:
            self._free -= 1
            return arrived_s
        if self._queue_limit is not None and len(self._waiting) >= self._queue_limit:
            raise QueueFull
        turn: asyncio.Future[float] = loop.create_future()
        self._waiting.append(turn)
        self.waiting_peak = max(self.waiting_peak, len(self._waiting))
        try:
            return max(arrived_s, await turn)
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(loop.time())  # the slot had just been handed to one who is gone
            else:
                self._waiting.remove(turn)
            raise

    def leave(self, at_s: float) -> None:
        """Free a slot, as of the time `at_s` (now or a little earlier), for the first who waits."""
        if self._waiting:
            self._waiting.popleft().set_result(at_s)
        else:
            self._free += 1
