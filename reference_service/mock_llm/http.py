"""ASGI by hand: bodies in, JSON out, and the connection itself for those who write to it directly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

from starlette.types import Receive, Scope, Send

from windtunnel.reference_service.disconnect import ClientGone
from windtunnel.reference_service.mock_llm.errors import ApiError
from windtunnel.reference_service.mock_llm.validation import MAX_BODY_BYTES
from windtunnel.reference_service.serving import TRANSPORT

Headers = Iterable[tuple[bytes, bytes]]
JSON = (b"content-type", b"application/json")


async def body_of(receive: Receive, at_most: int = MAX_BODY_BYTES) -> bytes:
    """The request's whole body. Raises `ClientGone`, and `ApiError` as soon as it is too large."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body += message.get("body", b"")
        if len(body) > at_most:
            raise ApiError("request_too_large", "Request exceeds the maximum size")
        if not message.get("more_body", False):
            return bytes(body)


def headers_of(scope: Scope) -> dict[str, str]:
    """By their names in lower case."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def transport_of(scope: Scope) -> asyncio.Transport:
    """The connection that a request came by."""
    return cast(asyncio.Transport, scope["extensions"][TRANSPORT])


async def send_json(send: Send, status: int, content: Mapping[str, Any], headers: Headers = ()) -> None:
    """A whole answer."""
    body = json.dumps(content).encode()
    await send_start(send, status, [JSON, (b"content-length", b"%d" % len(body)), *headers])
    await send({"type": "http.response.body", "body": body})


async def send_start(send: Send, status: int, headers: Headers) -> None:
    """Status and headers; without a length the body is chunked."""
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
