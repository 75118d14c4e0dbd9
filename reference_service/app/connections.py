"""The app's connections to PostgreSQL: psycopg's pool, made to fail fast and to come back fast.

Left alone, the pool would reconnect after 1, 2, 4, 8 ... seconds, hand out connections that the server closed
long ago, and let callers wait for the whole pool time-out while every attempt to connect is refused. Here
attempts to connect are made when a caller needs them, a refused one fails the callers that wait for it, and
connections that died while idle are noticed before use, without a round trip.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import select
import socket
from typing import Any, Self

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from windtunnel.reference_service.app.errors import DatabaseUnavailable, TimedOut

Connection = AsyncConnection[TupleRow]

# A connection that could not be made in this time will not be; bounds how long a black hole is felt after it ended.
_CONNECT_TIMEOUT_S = 1.0
# How long the pool retries by itself before it reports that the server is unreachable.
_RETRY_FOR_S = 0.05


class _BoundedConnection(AsyncConnection[TupleRow]):
    """psycopg rounds connect_timeout up to two seconds; this one keeps to less."""

    @classmethod
    async def connect(cls, conninfo: str = "", **options: Any) -> Self:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            return await super().connect(conninfo, **options)


class Connections:
    """At most `limit` connections, all of them opened at the start and kept, handed out in the order of asking."""

    def __init__(self, url: str, limit: int) -> None:
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # an outage is reported by its errors already
        self._pool: AsyncConnectionPool[_BoundedConnection] = AsyncConnectionPool(
            url,
            connection_class=_BoundedConnection,
            # Autocommit: each operation is one statement. Prepared at first use, so that round trips stay the same.
            kwargs={"autocommit": True, "prepare_threshold": 0, "application_name": "windtunnel"},
            min_size=limit,
            max_size=limit,
            max_lifetime=math.inf,
            max_idle=math.inf,
            reconnect_timeout=_RETRY_FOR_S,
            reconnect_failed=self._note_unreachable,
            num_workers=limit,  # so that attempts that hang do not hold up others
            open=False,
        )
        self._unreachable = asyncio.Event()

    async def open(self) -> None:
        await self._pool.open()

    async def close(self) -> None:
        await self._pool.close(timeout=1.0)

    async def take(self, timeout_s: float) -> Connection:
        """A living connection, to be given back with `give_back`.

        Raises `TimedOut` when none is free in time and `DatabaseUnavailable` when none can be made.
        """
        deadline = asyncio.get_running_loop().time() + timeout_s
        while True:
            remaining_s = deadline - asyncio.get_running_loop().time()
            connection = await self._take_any(remaining_s)
            if not _closed_by_server(connection):
                return connection
            await connection.close()
            await self.give_back(connection)

    async def give_back(self, connection: Connection) -> None:
        """Return a connection; one that is broken or was cut is dropped and replaced."""
        await self._pool.putconn(connection)  # type: ignore[arg-type]

    async def _take_any(self, timeout_s: float) -> Connection:
        try:
            if self._pool.get_stats()["pool_available"]:
                return await self._pool.getconn(timeout_s)
            return await self._wait_for_one(timeout_s)
        except PoolTimeout:
            raise TimedOut("no connection to the database was free in time") from None

    async def _wait_for_one(self, timeout_s: float) -> Connection:
        self._unreachable.clear()
        getting = asyncio.create_task(self._pool.getconn(timeout_s))
        failing = asyncio.create_task(self._unreachable.wait())
        try:
            await asyncio.wait({getting, failing}, return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                return getting.result()
            raise DatabaseUnavailable("no connection to the database can be made")
        finally:
            getting.cancel()
            failing.cancel()

    def _note_unreachable(self, _: object) -> None:
        self._unreachable.set()


def cut(connection: Connection) -> None:
    """Shut the connection's socket down: what waits for it fails at once, even in a black hole.

    Cancelling a psycopg operation instead would first ask the server to cancel the query, for seconds.
    """
    with contextlib.suppress(OSError), socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as wire:
        wire.shutdown(socket.SHUT_RDWR)


def _closed_by_server(connection: Connection) -> bool:
    """Whether something can be read from an idle connection, which is its end or the server's last words."""
    idle = select.poll()
    idle.register(connection.fileno(), select.POLLIN)
    return bool(idle.poll(0))
