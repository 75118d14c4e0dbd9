"""The app's memory: conversations and messages in PostgreSQL, one statement and one round trip for each operation.

An operation is bounded by the link's time-out from waiting for a connection to the last byte. It is never
abandoned halfway: when the request it belongs to is cancelled, it ends in the background, within its bound.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any, TypeVar
from uuid import UUID, uuid4

from windtunnel.reference_service.app.settings import DatabaseSettings
from windtunnel.reference_service.connections import Connection, Connections
from windtunnel.reference_service.errors import DatabaseUnavailable, ServiceError, TimedOut, UnknownConversation
from windtunnel.reference_service.tracing import Tracing

Result = TypeVar("Result")

_SCHEMA = files(__package__).joinpath("schema.sql").read_text()
_SCHEMA_LOCK = 0x77_69_6E_64  # any number that all replicas share
_SCHEMA_TIMEOUT_S = 10.0
_SCHEMA_RETRY_S = 0.1
_READY_TIMEOUT_S = 1.0

# All parts of one statement see the same snapshot, so the history does not contain the message just stored;
# foreign keys are checked at the end of the statement, when the new conversation is there.
_BEGIN = """
WITH conversation AS (
    INSERT INTO conversations (conversation_id) VALUES (%(conversation_id)s) ON CONFLICT DO NOTHING
), message AS (
    INSERT INTO messages (message_id, conversation_id, role, content)
    VALUES (%(message_id)s, %(conversation_id)s, 'user', %(content)s)
)
SELECT role, content FROM messages WHERE conversation_id = %(conversation_id)s ORDER BY seq
"""
_FINISH = """
INSERT INTO messages (message_id, conversation_id, role, content)
VALUES (%(message_id)s, %(conversation_id)s, 'assistant', %(content)s)
"""
_HISTORY = """
SELECT message_id, role, content, created_at FROM messages WHERE conversation_id = %(conversation_id)s ORDER BY seq
"""


@dataclass(frozen=True)
class Turn:
    """A user's message that is stored, and the whole conversation up to it as (role, content)."""

    conversation_id: UUID
    user_message_id: UUID
    messages: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class StoredMessage:
    """One message as the history shows it."""

    message_id: UUID
    role: str
    content: str
    created_at: datetime


class Database:
    """The operations of the flow: begin, finish, history. Each raises `TimedOut` or `DatabaseUnavailable`."""

    def __init__(self, settings: DatabaseSettings, tracing: Tracing) -> None:
        self._settings = settings
        self._tracing = tracing
        self._connections = Connections(settings.url, settings.pool)
        self._running: set[asyncio.Task[Any]] = set()
        self._preparing: asyncio.Task[None] | None = None
        self._schema_is_there = False
        self._answered_at_s = -math.inf

    async def open(self) -> None:
        """Start connecting, and apply the schema as soon as the database can be reached."""
        await self._connections.open()
        self._preparing = asyncio.create_task(self._prepare())

    async def close(self) -> None:
        """End what runs (it is bounded), then the connections."""
        if self._preparing is not None:
            self._preparing.cancel()
            await asyncio.wait({self._preparing})
        if self._running:
            await asyncio.wait(self._running)
        await self._connections.close()

    async def ready(self) -> None:
        """Return when the database answers and has the schema. Raises `ServiceError`, within about a second.

        When all connections are busy, the answers that they get are proof enough: a busy replica is not a dead one.
        """
        try:
            await self._bounded(_select_one, _READY_TIMEOUT_S)
        except TimedOut:
            if asyncio.get_running_loop().time() - self._answered_at_s > _READY_TIMEOUT_S:
                raise
        if not self._schema_is_there:
            raise DatabaseUnavailable("the schema is not applied yet")

    async def _prepare(self) -> None:
        while not self._schema_is_there:
            try:
                await self._bounded(_apply_schema, _SCHEMA_TIMEOUT_S)
                self._schema_is_there = True
            except ServiceError:  # readiness tells why; the database may come at any time
                await asyncio.sleep(_SCHEMA_RETRY_S)

    async def begin(self, conversation_id: UUID | None, content: str) -> Turn:
        """Store the user's message, in a new conversation where the id is None or not known yet."""
        conversation_id, message_id = conversation_id or uuid4(), uuid4()
        parameters = {"conversation_id": conversation_id, "message_id": message_id, "content": content}
        history = await self._operation("begin", _BEGIN, parameters)
        return Turn(conversation_id, message_id, (*((role, text) for role, text in history), ("user", content)))

    async def finish(self, conversation_id: UUID, content: str) -> UUID:
        """Store the assistant's message; once this returns it is committed."""
        message_id = uuid4()
        parameters = {"conversation_id": conversation_id, "message_id": message_id, "content": content}
        await self._operation("finish", _FINISH, parameters)
        return message_id

    async def history(self, conversation_id: UUID) -> list[StoredMessage]:
        """All messages in their order. Raises `UnknownConversation`."""
        rows = await self._operation("history", _HISTORY, {"conversation_id": conversation_id})
        if not rows:  # a conversation is stored together with its first message
            raise UnknownConversation(f"no conversation {conversation_id}")
        return [StoredMessage(*row) for row in rows]

    async def _operation(self, op: str, statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        async def traced() -> list[tuple[Any, ...]]:
            loop = asyncio.get_running_loop()
            with self._tracing.call("db", op) as span:
                began_s = loop.time()

                async def execute(connection: Connection) -> list[tuple[Any, ...]]:
                    span.set_attribute("windtunnel.pool_wait_ms", (loop.time() - began_s) * 1000)
                    cursor = await connection.execute(statement, parameters)
                    return await cursor.fetchall() if cursor.description else []

                return await self._bounded(execute, self._settings.timeout_s)

        task = asyncio.create_task(traced())
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _bounded(self, action: Callable[[Connection], Awaitable[Result]], timeout_s: float) -> Result:
        """Run `action` on a connection; wait for it, for the connection included, no longer than `timeout_s`."""
        result = await self._connections.bounded(action, timeout_s, self._settings.pool_timeout_s, _first_line)
        self._answered_at_s = asyncio.get_running_loop().time()
        return result


async def _apply_schema(connection: Connection) -> None:
    """Two replicas start at once, and IF NOT EXISTS alone does not keep their statements from colliding."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_SCHEMA_LOCK,))
        await connection.execute(_SCHEMA, prepare=False)


async def _select_one(connection: Connection) -> None:
    await connection.execute("SELECT 1")


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
