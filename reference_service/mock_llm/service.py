"""The mock LLM as an ASGI application. Raw ASGI, because the instants of its bytes are what it is for.

POST /v1/messages            queue -> one of SLOTS -> first token -> one token each draw -> slot freed
POST /v1/messages/count_tokens
GET  /healthz, /readyz
GET  /admin/ledger, POST /admin/reset
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import asdict
from typing import Any

from opentelemetry import trace
from starlette.types import Receive, Scope, Send

from windtunnel.reference_service.disconnect import ClientGone, while_connected
from windtunnel.reference_service.mock_llm import answer as answers
from windtunnel.reference_service.mock_llm.ledger import Ledger, Visit
from windtunnel.reference_service.mock_llm.settings import MockSettings
from windtunnel.reference_service.mock_llm.slots import DecodeSlots, QueueFull
from windtunnel.reference_service.mock_llm.validation import MAX_BODY_BYTES, ApiError, check_headers, parse
from windtunnel.reference_service.mock_llm.wire import Reply
from windtunnel.reference_service.serving import Drain
from windtunnel.reference_service.tracing import CANCELLED, OUTCOME, Tracing

_JSON = (b"content-type", b"application/json")
_EVENTS = (b"content-type", b"text/event-stream; charset=utf-8")


class MockLlm:
    """One provider: its slots, its books, and how often each prompt was asked."""

    def __init__(self, settings: MockSettings, drain: Drain) -> None:
        self._settings = settings
        self._drain = drain
        self._slots = DecodeSlots(settings.slots, settings.queue_limit)
        self._ledger = Ledger()
        self._asked: Counter[str] = Counter()
        self._requests = 0
        process = settings.process
        self._tracing = Tracing(component=process.component, replica=process.replica, endpoint=process.otlp_endpoint)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        match scope["method"], scope["path"]:
            case "POST", "/v1/messages":
                await self._messages(scope, receive, send)
            case "POST", "/v1/messages/count_tokens":
                await self._count_tokens(scope, receive, send)
            case "GET", "/healthz":
                await _send_json(send, 200, {"status": "alive"})
            case "GET", "/readyz":
                draining = self._drain.draining
                await _send_json(send, 503 if draining else 200, {"status": "draining" if draining else "ready"})
            case "GET", "/admin/ledger":
                await _send_json(send, 200, self._books())
            case "POST", "/admin/reset":
                self._ledger.clear()
                self._slots.waiting_peak = self._slots.waiting
                self._asked.clear()
                await _send_json(send, 200, self._books())
            case method, path:
                await _send_error(send, ApiError("not_found_error", f"{method} {path} is not served"), "req_unrouted")

    def _books(self) -> dict[str, int]:
        return {**asdict(self._ledger), "queue_peak": self._slots.waiting_peak}

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await asyncio.to_thread(self._tracing.close)
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _messages(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        visit = self._ledger.arrive()
        self._requests += 1
        request_id = f"req_{self._requests:024d}"
        with self._tracing.server_span("POST /v1/messages", headers) as span:
            try:
                request = parse(await _body(receive), check_headers(headers))
                await while_connected(receive, self._answer(request, request_id, send, visit, span))
            except ApiError as error:
                visit.end("failed")
                span.set_attribute(OUTCOME, "rejected" if error.kind == "overloaded_error" else "error")
                await _send_error(send, error, request_id)
            except ClientGone:
                visit.end("cancelled")
                span.set_attributes({OUTCOME: "error", CANCELLED: True})
            finally:
                visit.end("failed")  # whatever else may have ended it

    async def _answer(
        self, request: dict[str, Any], request_id: str, send: Send, visit: Visit, span: trace.Span
    ) -> None:
        """Queue, decode and send one answer; the slot is freed however this ends."""
        settings = self._settings
        seed = settings.process.seed
        digest = answers.digest_of(request)
        ordinal = self._asked[digest]
        self._asked[digest] += 1
        answer = answers.compose(seed, digest, request, settings.output_tokens)
        pace = answers.pace(seed, digest, ordinal, len(answer.tokens), settings.first_token_ms, settings.token_ms)
        reply = Reply(f"msg_{digest[:18]}{ordinal:06d}", request["model"], answers.input_tokens(request), answer)

        loop = asyncio.get_running_loop()
        arrived_s = loop.time()
        try:
            admitted_s = await self._slots.enter()
        except QueueFull:
            raise ApiError("overloaded_error", "Overloaded") from None
        leaves_s: float | None = None
        try:
            span.set_attribute("windtunnel.queue_ms", (admitted_s - arrived_s) * 1000)
            span.set_attribute("windtunnel.first_token_ms", pace.first_token_s * 1000)
            if request.get("stream"):
                rest = await self._stream(reply, pace, admitted_s, request_id, send)
            else:
                await _sleep_until(admitted_s + pace.end_s)
                self._ledger.output_tokens += len(answer.tokens)
            leaves_s = admitted_s + pace.end_s
        finally:
            self._slots.leave(loop.time() if leaves_s is None else leaves_s)
        span.set_attribute("windtunnel.output_tokens", len(answer.tokens))
        visit.end("completed")
        if request.get("stream"):
            await send({"type": "http.response.body", "body": rest})
        else:
            await _send_json(send, 200, reply.message(), request_id)

    async def _stream(self, reply: Reply, pace: answers.Pace, admitted_s: float, request_id: str, send: Send) -> bytes:
        """Send each token at its instant, but for the last one: that is returned, with the end of the stream.

        Tokens that are due together (on a late host) go in one write.
        """
        loop = asyncio.get_running_loop()
        await _sleep_until(admitted_s + pace.first_token_s)
        await _send_start(send, 200, [_EVENTS], request_id)
        pending = reply.opening()
        for place in range(len(reply.answer.tokens)):
            due_s = admitted_s + pace.token_at_s[place]
            if due_s > loop.time():
                await send({"type": "http.response.body", "body": pending, "more_body": True})
                pending = b""
                await _sleep_until(due_s)
            pending += reply.token(place)
            self._ledger.output_tokens += 1
        return pending + reply.closing()

    async def _count_tokens(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await _body(receive)
            request = parse(body, check_headers(_headers(scope)), required=("model", "messages"))
            await _send_json(send, 200, {"input_tokens": answers.input_tokens(request)})
        except ApiError as error:
            await _send_error(send, error, "req_count_tokens")


async def _sleep_until(at_s: float) -> None:
    """Sleep to an absolute time of the event loop, so that lateness does not add up."""
    await asyncio.sleep(max(0.0, at_s - asyncio.get_running_loop().time()))


async def _body(receive: Receive) -> bytes:
    """The request's whole body. Raises `ClientGone`, and `ApiError` as soon as it is too large."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise ApiError("request_too_large", "Request exceeds the maximum size")
        if not message.get("more_body", False):
            return bytes(body)


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


async def _send_json(send: Send, status: int, content: dict[str, Any], request_id: str | None = None) -> None:
    body = json.dumps(content).encode()
    await _send_start(send, status, [_JSON, (b"content-length", b"%d" % len(body))], request_id)
    await send({"type": "http.response.body", "body": body})


async def _send_start(send: Send, status: int, headers: list[tuple[bytes, bytes]], request_id: str | None) -> None:
    if request_id is not None:
        headers = [*headers, (b"request-id", request_id.encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _send_error(send: Send, error: ApiError, request_id: str) -> None:
    await _send_json(send, error.status, error.envelope(request_id), request_id)
