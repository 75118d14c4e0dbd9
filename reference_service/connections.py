"""A service's connections to PostgreSQL: psycopg's pool, made to fail fast and to come back fast.

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
from collections.abc import Awaitable, Callable
from typing import Any, Self, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from windtunnel.reference_service.errors import DatabaseUnavailable, TimedOut

Connection = AsyncConnection[TupleRow]
Result = TypeVar("Result")

# A connection that could not be made in this time will not be; bounds how long a black hole is felt after it ended.
_CONNECT_TIMEOUT_S = 1.0
# How long the pool retries by itself; after that a caller who needs a connection makes it try again.
_RETRY_FOR_S = 0.05


def _connection_class(on_refused: Callable[[], None]) -> type[Connection]:
    """Connections that are made within a second (psycopg rounds connect_timeout up to two) and tell of a refusal."""

    class Bounded(AsyncConnection[TupleRow]):
        @classmethod
        async def connect(cls, conninfo: str = "", **options: Any) -> Self:
            try:
                async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                    return await super().connect(conninfo, **options)
            except psycopg.OperationalError:
                on_refused()
                raise

    return Bounded


class Connections:
    """At most `limit` connections, all of them opened at the start and kept, handed out in the order of asking."""

    def __init__(self, url: str, limit: int) -> None:
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # an outage is reported by its errors already
        self._refused = asyncio.Event()
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            connection_class=_connection_class(self._refused.set),
            # Autocommit: each operation is one statement. Prepared at first use, so that round trips stay the same.
            kwargs={"autocommit": True, "prepare_threshold": 0, "application_name": "windtunnel"},
            min_size=limit,
            max_size=limit,
            max_lifetime=math.inf,
            max_idle=math.inf,
            reconnect_timeout=_RETRY_FOR_S,
            num_workers=limit,  # so that attempts that hang do not hold up others
            open=False,
        )

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
        await self._pool.putconn(connection)

    async def bounded(
        self,
        action: Callable[[Connection], Awaitable[Result]],
        timeout_s: float,
        wait_s: float,
        told: Callable[[psycopg.Error], str],
    ) -> Result:
        """Run `action` on a connection; wait for it, for the connection included, no longer than `timeout_s`, and for
        the connection alone no longer than `wait_s`. `told`: what the error says of the database's own.

        Raises `TimedOut` and `DatabaseUnavailable`.
        """
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        connection = await self.take(min(timeout_s, wait_s))
        timed_out = False

        def time_out() -> None:
            nonlocal timed_out
            timed_out = True
            cut(connection)

        timer = loop.call_at(deadline_s, time_out)
        try:
            return await action(connection)
        except psycopg.Error as error:
            if timed_out:
                raise TimedOut(f"the database did not answer within {timeout_s * 1000:.0f} ms") from None
            raise DatabaseUnavailable(f"the database failed: {told(error)}") from None
        finally:
            timer.cancel()
            await self.give_back(connection)

    async def _take_any(self, timeout_s: float) -> Connection:
        try:
            if self._pool.get_stats()["pool_available"]:
                return await self._pool.getconn(timeout_s)
            return await self._wait_for_one(timeout_s)
        except PoolTimeout:
            raise TimedOut("no connection to the database was free in time") from None

    async def _wait_for_one(self, timeout_s: float) -> Connection:
        self._refused.clear()
        getting = asyncio.create_task(self._pool.getconn(timeout_s))
        refusal = asyncio.create_task(self._refused.wait())
        try:
            await asyncio.wait({getting, refusal}, return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                return getting.result()
            raise DatabaseUnavailable("no connection to the database can be made")
        finally:
            getting.cancel()
            refusal.cancel()


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
