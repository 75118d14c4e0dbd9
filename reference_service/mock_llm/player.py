"""Sends one planned answer: a member of the batch that writes its bytes straight to the connection when they are due.

No coroutine runs for a token. The first step wakes the one that answers the request, which sends the headers and hands
over the connection; the last step wakes it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from windtunnel.reference_service.mock_llm.batch import Member
from windtunnel.reference_service.mock_llm.plan import Plan


class Player(Member):
    """Made inside the event loop. `last` is called just before the last bytes are written."""

    def __init__(self, plan: Plan, first: Callable[[float], None], last: Callable[[], None]) -> None:
        self._plan = plan
        self.work_s = plan.work_s
        self.waits_s = plan.waits_s
        self._first = first
        self._last = last
        self._transport: asyncio.WriteTransport | None = None
        self._unsent: list[bytes] = []
        loop = asyncio.get_running_loop()
        self.begun: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.admitted_s: float | None = None
        self.in_progress = False
        """Its first step was, its last one was not."""
        self.tokens = 0
        """Generated so far."""

    def open(self, transport: asyncio.WriteTransport) -> None:
        """The headers are sent: from now on everything goes to this connection."""
        self._transport = transport
        if self._unsent:
            transport.write(b"".join(self._unsent))
            self._unsent.clear()

    def admitted(self, at_s: float) -> None:
        self.admitted_s = at_s

    def reached(self, place: int, at_s: float) -> None:
        plan = self._plan
        self.tokens += plan.tokens[place]
        if place == 0:
            self.in_progress = True
            self._first(at_s)
            _wake(self.begun)
        over = place + 1 == len(plan.data)
        if over:
            self.in_progress = False
            self._last()
        if self._transport is None:
            self._unsent.append(plan.data[place])
        elif not self._transport.is_closing():  # else its end is on its way to whoever answers the request
            self._transport.write(plan.data[place])
        if over:
            _wake(self.ended)


def _wake(waited: asyncio.Future[None]) -> None:
    if not waited.done():
        waited.set_result(None)
