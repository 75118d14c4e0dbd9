"""How a chat is answered over HTTP: as one JSON object, or as server-sent events that start lazily.

    event: start  {conversation_id, user_message_id}          with the first piece of text, not before
    event: delta  {text}
    event: done   {conversation_id, user_message_id, message_id, cached, usage}
    event: error  {error: {code, message}}                    instead of done, once start was sent

An error before the first event is an ordinary response with its own status. A client that goes away cancels
everything that is done for it.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from windtunnel.reference_service.app.chat import Chat, Reply
from windtunnel.reference_service.app.database import Turn
from windtunnel.reference_service.disconnect import ClientGone, while_connected
from windtunnel.reference_service.errors import JsonResponse, ServiceError, ShuttingDown, send_error
from windtunnel.reference_service.tracing import CANCELLED, OUTCOME

_EVENT_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]


class ChatResponse(Response):
    """Runs the chat when the server asks for the response, so that it can watch the client meanwhile."""

    def __init__(self, chat: Chat, conversation_id: UUID | None, message: str, *, stream: bool) -> None:
        super().__init__()
        self._chat = chat
        self._conversation_id = conversation_id
        self._message = message
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        events = _Events(send)
        on_text = events.text if self._stream else None
        try:
            reply = await while_connected(receive, self._chat.reply(self._conversation_id, self._message, on_text))
        except ClientGone:
            scope[OUTCOME], scope[CANCELLED] = "error", True
        except ServiceError as error:
            await self._fail(error, events, scope, receive, send)
        except asyncio.CancelledError:  # the server's time for running requests is over
            await self._fail(ShuttingDown("the service is shutting down"), events, scope, receive, send)
            raise
        else:
            if self._stream:
                await events.done(reply)
            else:
                await JsonResponse(_ids(reply.turn) | {"answer": reply.answer} | _rest(reply))(scope, receive, send)

    async def _fail(self, error: ServiceError, events: _Events, scope: Scope, receive: Receive, send: Send) -> None:
        if events.started:
            scope[OUTCOME] = error.outcome
            await events.error(error)
        else:
            await send_error(error, scope, receive, send)


class _Events:
    """The server-sent events of one answer."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def text(self, turn: Turn, text: str) -> None:
        delta = _event("delta", {"text": text})
        if self.started:
            await self._write(delta)
            return
        self.started = True
        await self._send({"type": "http.response.start", "status": 200, "headers": _EVENT_HEADERS})
        await self._write(_event("start", _ids(turn)) + delta)

    async def done(self, reply: Reply) -> None:
        if not self.started:  # an answer without any text
            await self.text(reply.turn, "")
        await self._write(_event("done", _ids(reply.turn) | _rest(reply)), last=True)

    async def error(self, error: ServiceError) -> None:
        await self._write(_event("error", error.content()), last=True)

    async def _write(self, body: bytes, *, last: bool = False) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": not last})


def _event(name: str, data: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def _ids(turn: Turn) -> dict[str, Any]:
    return {"conversation_id": str(turn.conversation_id), "user_message_id": str(turn.user_message_id)}


def _rest(reply: Reply) -> dict[str, Any]:
    usage = {"input_tokens": reply.input_tokens, "output_tokens": reply.output_tokens}
    return {"message_id": str(reply.message_id), "cached": reply.cached, "usage": usage}
