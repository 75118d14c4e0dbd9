"""One request for an answer, from its arrival to its last byte, in the form of either API.

read and checked -> faults that answer at once -> limits -> queue -> batch: prefill, token by token -> booked
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

from opentelemetry import trace
from starlette.types import Receive, Scope, Send

from windtunnel.reference_service.disconnect import ClientGone, while_connected
from windtunnel.reference_service.mock_llm.answer import draws
from windtunnel.reference_service.mock_llm.batch import QueueFull
from windtunnel.reference_service.mock_llm.errors import ApiError
from windtunnel.reference_service.mock_llm.faults import (
    Disconnect,
    ErrorEvent,
    Fault,
    Malformed,
    Placed,
    Timeout,
    Truncation,
    WrongSchema,
    error_of,
)
from windtunnel.reference_service.mock_llm.http import (
    JSON,
    Headers,
    body_of,
    headers_of,
    send_json,
    send_start,
    transport_of,
)
from windtunnel.reference_service.mock_llm.ledger import Visit
from windtunnel.reference_service.mock_llm.limits import Standing
from windtunnel.reference_service.mock_llm.plan import Plan, plan_of, silent_plan
from windtunnel.reference_service.mock_llm.player import Player
from windtunnel.reference_service.mock_llm.provider import Provider
from windtunnel.reference_service.mock_llm.reply import Reply, Stream
from windtunnel.reference_service.mock_llm.tokens import input_tokens
from windtunnel.reference_service.mock_llm.when import Api, Asked
from windtunnel.reference_service.tracing import CANCELLED, OUTCOME, Tracing

_REJECTIONS = ("overloaded_error", "rate_limit_error")
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, for no time: closing resets the connection."""


class Dialect(Protocol):
    """The form of an API: how requests are read and answers written."""

    @property
    def api(self) -> Api: ...

    @property
    def events(self) -> bytes:
        """The content type of a stream."""

    def read(self, headers: Mapping[str, str], body: bytes) -> dict[str, Any]: ...

    def message(self, reply: Reply, *, wrong: bool = False) -> dict[str, Any]: ...

    def stream(self, reply: Reply, request: Mapping[str, Any], *, wrong: bool = False) -> Stream: ...

    def error(self, error: ApiError, request_id: str) -> tuple[int, dict[str, Any]]: ...

    def error_event(self, error: ApiError, request_id: str) -> bytes: ...

    def headers(self, request_id: str, standing: Mapping[str, Standing]) -> list[tuple[bytes, bytes]]: ...


@dataclass
class _Call:
    """A request, as far as it has come."""

    scope: Scope
    send: Send
    visit: Visit
    span: trace.Span
    request_id: str
    """Of its number, until its prompt is known: then the same in every replay, whatever else arrives."""


@dataclass(frozen=True)
class _Prepared:
    """An answer that is ready to be sent."""

    fault: Fault | None
    reply: Reply
    plan: Plan
    content_type: bytes | None
    """Of a body in chunks, which the plan writes. None: the message is sent as a whole at the end."""
    message: Mapping[str, Any] | None = None
    error: ApiError | None = None
    """Inside a stream, or in place of a message."""

    @property
    def chunked(self) -> bool:
        return self.content_type is not None


class Exchange:
    """Serves requests of one dialect."""

    def __init__(self, provider: Provider, dialect: Dialect, tracing: Tracing) -> None:
        self._provider = provider
        self._dialect = dialect
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        provider = self._provider
        headers = headers_of(scope)
        visit = provider.ledger.arrive()
        number = provider.next_number()
        with self._tracing.server_span(f"POST {scope['path']}", headers) as span:
            call = _Call(scope, send, visit, span, f"req_{number:024d}")
            try:
                request = self._dialect.read(headers, await body_of(receive))
                asked = provider.asked(self._dialect.api, number, headers, request)
                call.request_id = f"req_{asked.digest[:18]}{asked.ordinal:06d}"
                await while_connected(receive, self._answer(call, asked))
            except ApiError as error:
                visit.refused(error.kind, time.monotonic(), error.retry_after_s, error.should_retry)
                span.set_attribute(OUTCOME, "rejected" if error.kind in _REJECTIONS else "error")
                status, content = self._dialect.error(error, call.request_id)
                await send_json(send, status, content, [*self._headers(call), *error.headers])
            except ClientGone:
                visit.end("cancelled")
                span.set_attributes({OUTCOME: "error", CANCELLED: True})
            finally:
                visit.end("failed")  # whatever else may have ended it

    async def _answer(self, call: _Call, asked: Asked) -> None:
        provider = self._provider
        call.visit.asks(asked, time.monotonic())
        fault = provider.faults.strike(asked)
        if fault is not None:
            await self._fail_at_once(fault)
        size = input_tokens(asked.request)
        use = provider.cache.use(asked.request, time.monotonic())
        max_tokens: int = asked.request["max_tokens"]
        provider.limits.take(time.monotonic(), size - use.read, max_tokens)
        answer = provider.answer(asked, fault, call.visit)
        reply = Reply(f"{asked.digest[:18]}{asked.ordinal:06d}", asked.request["model"], size, answer, use)
        prepared = self._prepared(call, asked, fault, reply)
        used = 0

        def first(at_s: float) -> None:
            provider.cache.keep(use, at_s)
            call.span.set_attribute("windtunnel.first_token_ms", (at_s - (player.admitted_s or at_s)) * 1000)

        def last() -> None:
            nonlocal used
            used = player.tokens
            call.visit.generated(size, used)
            self._book(call.visit, prepared, used)

        player = Player(prepared.plan, first, last)
        arrived_s = time.monotonic()
        try:
            try:
                provider.pacemaker.enter(player)
            except QueueFull:
                raise ApiError("overloaded_error", "Overloaded") from None
            await self._send(call, prepared, player)
        finally:
            if player.in_progress:  # given up by its client: billed all the same
                used = player.tokens
                call.visit.generated(size, used)
            provider.pacemaker.leave(player)
            provider.limits.give_back(time.monotonic(), max_tokens - used)
            call.span.set_attribute("windtunnel.queue_ms", ((player.admitted_s or arrived_s) - arrived_s) * 1000)
            call.span.set_attribute("windtunnel.output_tokens", used)

    def _prepared(self, call: _Call, asked: Asked, fault: Fault | None, reply: Reply) -> _Prepared:
        """What is sent, and when."""
        provider, dialect = self._provider, self._dialect
        pace = provider.pace(asked, reply.answer, reply.input_tokens - reply.cache.read, fault)
        place = draws(provider.seed, asked.digest, f"place {asked.ordinal}")
        error = ApiError(fault.error, fault.message) if isinstance(fault, ErrorEvent) else None
        wrong = isinstance(fault, WrongSchema)
        if asked.request.get("stream"):
            stream = dialect.stream(reply, asked.request, wrong=wrong)
            inside = b"" if error is None else dialect.error_event(error, call.request_id)
            plan = plan_of(stream, pace.token_at_s, fault, inside, place)
            return _Prepared(fault, reply, plan, dialect.events, error=error)
        message = dialect.message(reply, wrong=wrong)
        if isinstance(fault, Placed) and error is None:
            # What a fault does to an answer in one piece is easiest done to the pieces of its body.
            times = (pace.end_s,) * max(1, reply.answer.size)
            return _Prepared(fault, reply, plan_of(_in_pieces(message, reply), times, fault, b"", place), JSON[1])
        return _Prepared(fault, reply, silent_plan(pace.token_at_s, reply.answer.size, fault), None, message, error)

    async def _send(self, call: _Call, prepared: _Prepared, player: Player) -> None:
        if prepared.content_type is None:
            await player.ended
            if prepared.error is not None:
                raise prepared.error
            await send_json(call.send, 200, prepared.message or {}, self._headers(call))
            return
        transport = transport_of(call.scope)
        await player.begun
        await send_start(call.send, 200, [(b"content-type", prepared.content_type), *self._headers(call)])
        player.open(transport)
        await player.ended
        if prepared.plan.ending == "complete":
            await call.send({"type": "http.response.body", "body": b""})
            return
        if prepared.plan.ending == "reset":
            connection: socket.socket = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()
        else:
            transport.close()
        await asyncio.get_running_loop().create_future()  # the end of the connection ends this

    async def _fail_at_once(self, fault: Fault) -> None:
        """Raises `ApiError` where a fault does not let it come to an answer."""
        if isinstance(fault, Timeout):
            if fault.after_ms is None:
                await asyncio.get_running_loop().create_future()  # until the client has had enough
            else:
                await asyncio.sleep(fault.after_ms / 1000)
            raise ApiError("timeout_error", "Request timed out")
        error = error_of(fault)
        if error is not None:
            raise error

    def _book(self, visit: Visit, prepared: _Prepared, sent: int) -> None:
        """How an answer ended, before its last byte is sent."""
        match prepared.fault:
            case Truncation():
                visit.truncated(_text_of_first(prepared.reply, sent) if prepared.content_type != JSON[1] else "")
            case ErrorEvent(error=kind) if prepared.chunked:
                visit.refused(kind, time.monotonic(), None, None)
            case Malformed(how="unknown") if prepared.content_type != JSON[1]:
                visit.end("completed", delivered=sent)  # an event that nobody knows does no harm
            case Malformed() | Disconnect() | WrongSchema():
                visit.end("failed")
            case ErrorEvent():
                pass  # raised, and booked with the answer that it becomes
            case _:
                visit.end("completed", delivered=sent)

    def _headers(self, call: _Call) -> Headers:
        return self._dialect.headers(call.request_id, self._provider.limits.standing(time.monotonic()))


def _in_pieces(message: Mapping[str, Any], reply: Reply) -> Stream:
    """A body in as many pieces as it has tokens, so that a place in the answer is one in the body."""
    body = json.dumps(message).encode()
    found = Stream()
    pieces = max(1, reply.answer.size)
    bounds = [len(body) * place // pieces for place in range(pieces + 1)]
    found.tokens(body[start:end] for start, end in pairwise(bounds))
    return found


def _text_of_first(reply: Reply, tokens: int) -> str:
    """What a reader saw of the first so many tokens."""
    seen = []
    for block in reply.answer.blocks:
        if block.kind == "text":
            seen.append("".join(block.tokens[: max(0, tokens)]))
        tokens -= len(block.tokens)
    return "".join(seen)
