"""The auth service's way to PostgreSQL: bounded operations, the migration, and readiness. Used by all its parts.

As in the app, an operation is bounded from waiting for a connection to the last byte, and is never abandoned
halfway: when its request is cancelled, it ends in the background within its bound.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any, TypeVar

import psycopg

from windtunnel.reference_service.auth.settings import DatabaseSettings
from windtunnel.reference_service.connections import Connection, Connections
from windtunnel.reference_service.errors import DatabaseUnavailable, ServiceError
from windtunnel.reference_service.tracing import Tracing

Result = TypeVar("Result")
Row = tuple[Any, ...]

_MIGRATION = files(__package__).joinpath("migrations", "001_auth.sql").read_text()
_MIGRATION_LOCK = 0x61_75_74_68  # any number that all replicas share
_MIGRATION_TIMEOUT_S = 10.0
_RETRY_S = 0.1


class Database:
    """`prepare` runs in a transaction of its own, once the schema is there and before readiness."""

    def __init__(
        self, settings: DatabaseSettings, tracing: Tracing, prepare: Callable[[Connection], Awaitable[None]]
    ) -> None:
        self._settings = settings
        self._tracing = tracing
        self._prepare = prepare
        self._connections = Connections(settings.url, settings.pool)
        self._running: set[asyncio.Task[Any]] = set()
        self._migrating: asyncio.Task[None] | None = None
        self._prepared = False

    async def open(self) -> None:
        """Start connecting, and migrate as soon as the database can be reached."""
        await self._connections.open()
        self._migrating = asyncio.create_task(self._migrate())

    async def close(self) -> None:
        """End what runs (it is bounded), then the connections."""
        if self._migrating is not None:
            self._migrating.cancel()
            await asyncio.wait({self._migrating})
        if self._running:
            await asyncio.wait(self._running)
        await self._connections.close()

    async def ready(self) -> None:
        """Return when the database answers and is prepared. Raises `ServiceError`."""
        await self.fetch("ready", "SELECT 1", ())
        if not self._prepared:
            raise DatabaseUnavailable("the schema is not applied yet")

    async def fetch(self, op: str, statement: str, parameters: Any) -> list[Row]:
        """Run one statement, atomic by itself, and return its rows. Raises `TimedOut` or `DatabaseUnavailable`."""

        async def execute(connection: Connection) -> list[Row]:
            return await rows_of(connection, statement, parameters)

        return await self._run(op, execute)

    async def transact(self, op: str, action: Callable[[Connection], Awaitable[Result]]) -> Result:
        """Run `action` in one transaction; what it raises rolls back. Raises as `fetch` does."""

        async def execute(connection: Connection) -> Result:
            async with connection.transaction():
                return await action(connection)

        return await self._run(op, execute)

    async def _run(self, op: str, action: Callable[[Connection], Awaitable[Result]]) -> Result:
        async def traced() -> Result:
            with self._tracing.call("db", op):
                return await self._bounded(action, self._settings.timeout_s)

        task = asyncio.create_task(traced())
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _migrate(self) -> None:
        async def apply(connection: Connection) -> None:
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
                await connection.execute(_MIGRATION, prepare=False)
            # In a transaction of its own: its locks and the migration's, taken in another order elsewhere, would meet.
            async with connection.transaction():
                await self._prepare(connection)

        while not self._prepared:
            try:
                await self._bounded(apply, _MIGRATION_TIMEOUT_S)
                self._prepared = True
            except ServiceError:  # readiness tells why; the database may come at any time
                await asyncio.sleep(_RETRY_S)

    async def _bounded(self, action: Callable[[Connection], Awaitable[Result]], timeout_s: float) -> Result:
        return await self._connections.bounded(action, timeout_s, self._settings.pool_timeout_s, _kind)


def _kind(error: psycopg.Error) -> str:
    """The server's own words may repeat what was sent; its error class says enough."""
    return type(error).__name__


async def rows_of(connection: Connection, statement: str, parameters: Any) -> list[Row]:
    """The rows of one statement; none for one that returns nothing."""
    cursor = await connection.execute(statement, parameters)
    return await cursor.fetchall() if cursor.description else []
