"""The one owner of retries on the way to the LLM: a few attempts, full jitter, one deadline over all.

Full jitter: before additional attempt n (from 0) wait uniform(0, base * 2**n). Source: M. Brooker,
"Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from random import Random
from typing import TypeVar

from windtunnel.reference_service.errors import ServiceError

Result = TypeVar("Result")


class Retry:
    """Times in seconds. The jitter is drawn from `random`, in the order in which retries happen."""

    def __init__(self, *, timeout_s: float, deadline_s: float, retries: int, backoff_s: float, random: Random) -> None:
        self._timeout_s = timeout_s
        self._deadline_s = deadline_s
        self._retries = retries
        self._backoff_s = backoff_s
        self._random = random

    async def run(self, attempt: Callable[[int, float], Awaitable[Result]], may_retry: Callable[[], bool]) -> Result:
        """The result of the first attempt that succeeds, else the error of the last one.

        `attempt` gets its number (from 0) and the time of the event loop at which it must have ended, and
        raises `ServiceError`. No other attempt is made when `may_retry` says no, or when its backoff would
        reach the deadline. A provider's retry-after lengthens the wait.
        """
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._deadline_s
        for number in count():
            try:
                return await attempt(number, min(loop.time() + self._timeout_s, deadline_s))
            except ServiceError as error:
                if not error.retryable or number >= self._retries or not may_retry():
                    raise
                wait_s = self._random.uniform(0.0, self._backoff_s * 2**number)
                wait_s = max(wait_s, error.retry_after_s or 0.0)
                if loop.time() + wait_s >= deadline_s:
                    raise
            await asyncio.sleep(wait_s)
        raise AssertionError("unreachable: the loop above has no end")
