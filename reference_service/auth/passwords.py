"""Passwords as argon2id hashes (RFC 9106). Used by login and by the administration of users.

A hash carries its parameters, so it is replaced at the next login after they were changed. Work on a password
is done in threads, two at a time, because each takes its memory and a core.
"""

from __future__ import annotations

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from windtunnel.reference_service.auth.settings import LoginSettings

_AT_ONCE = 2


class Passwords:
    """Hashes and checks. A user who does not exist costs the same time as a wrong password."""

    def __init__(self, settings: LoginSettings) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.time_cost, memory_cost=settings.memory_kib, parallelism=settings.parallelism
        )
        self._of_nobody = self._hasher.hash("")
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def hash(self, password: str) -> str:
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, password: str, stored: str | None) -> bool:
        """Whether `stored` is the hash of `password`; `None`, for an unknown user, is checked as long and is False."""
        async with self._turns:
            held = await asyncio.to_thread(self._verify, password, stored or self._of_nobody)
        return held and stored is not None

    def outdated(self, stored: str) -> bool:
        """Whether `stored` was made with other parameters than those of today."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, password: str, stored: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False
