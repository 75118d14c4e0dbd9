"""Drives the batch on the event loop: one timer for all streams, instead of one for each token."""

from __future__ import annotations

import asyncio
import time

from windtunnel.reference_service.mock_llm.batch import Batch, Member

# Timers of the event loop count whole milliseconds: shorter ones would fire at once and find nothing to do.
_SHORTEST_S = 0.001


class Pacemaker:
    """Advances a batch whenever something is due in it. Belongs to the event loop that is running at the first use."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = 0.0

    def enter(self, member: Member) -> None:
        """As `Batch.enter`, now."""
        self.batch.enter(member, time.monotonic())
        self._arm()

    def leave(self, member: Member) -> None:
        """As `Batch.leave`, now."""
        self.batch.leave(member, time.monotonic())
        self._arm()

    def _tick(self) -> None:
        self._timer = None
        try:
            self.batch.advance(time.monotonic())
        finally:  # a mistake in one stream must not stop all others
            self._arm()

    def _arm(self) -> None:
        due_s = self.batch.due_s
        if self._timer is not None:
            if due_s is not None and self._timer_s <= due_s:
                return  # it comes early enough, and looks again then
            self._timer.cancel()
            self._timer = None
        if due_s is not None:
            wait_s = max(_SHORTEST_S, due_s - time.monotonic())
            self._timer_s = due_s
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._tick)
