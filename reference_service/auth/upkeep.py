"""What has to happen by itself: signing keys rotate when they are due, and rows that have expired go.

Every replica does it, so that none has to; the database sees to it that a rotation happens once.
"""

from __future__ import annotations

import asyncio

from windtunnel.reference_service.auth.database import Database
from windtunnel.reference_service.auth.keys import SigningKeys
from windtunnel.reference_service.errors import ServiceError

_EVERY_S = 10.0
# Families go last, and take their codes and refresh tokens with them; keys stay one more day, to be looked into.
_EXPIRED = (
    "DELETE FROM auth.denied WHERE expires_at < clock_timestamp()",
    "DELETE FROM auth.sessions WHERE expires_at < clock_timestamp()",
    "DELETE FROM auth.login_attempts WHERE window_ends_at < clock_timestamp()",
    "DELETE FROM auth.families WHERE expires_at < clock_timestamp()",
    "DELETE FROM auth.signing_keys WHERE state = 'retired' AND published_until < clock_timestamp() - interval '1 day'",
)


class Upkeep:
    """Runs from `open` to `close`."""

    def __init__(self, database: Database, keys: SigningKeys) -> None:
        self._database = database
        self._keys = keys
        self._running: asyncio.Task[None] | None = None

    async def open(self) -> None:
        self._running = asyncio.create_task(self._run())

    async def close(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})

    async def once(self) -> None:
        """Raises `ServiceError`."""
        await self._keys.rotate_when_due()
        for statement in _EXPIRED:  # one by one, so that no lock is held while the next is waited for
            await self._database.fetch("expire", statement, ())

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                await self.once()
            except ServiceError:  # readiness tells why; the next turn comes soon
                continue
