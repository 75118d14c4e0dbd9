"""The mock LLM as an ASGI application. Raw ASGI, because the instants of its bytes are what it is for.

POST /v1/messages, /v1/messages/count_tokens     the Messages API
/v1/messages/batches[/ID[/cancel|/results]]
GET  /v1/models[/ID]                             for both kinds of clients, by the version header
POST /v1/chat/completions, /v1/embeddings        OpenAI-compatible
GET  /healthz, /readyz
/admin/...                                       see admin
"""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import Mapping
from typing import Any

from starlette.types import Receive, Scope, Send

from windtunnel.reference_service.disconnect import ClientGone
from windtunnel.reference_service.mock_llm import embeddings, message_batches
from windtunnel.reference_service.mock_llm.admin import PREFIX, administer
from windtunnel.reference_service.mock_llm.anthropic_wire import Messages
from windtunnel.reference_service.mock_llm.errors import ApiError
from windtunnel.reference_service.mock_llm.exchange import Dialect, Exchange
from windtunnel.reference_service.mock_llm.http import body_of, headers_of, send_json, send_start
from windtunnel.reference_service.mock_llm.openai_wire import ChatCompletions, check_key
from windtunnel.reference_service.mock_llm.provider import Provider
from windtunnel.reference_service.mock_llm.settings import MockSettings
from windtunnel.reference_service.mock_llm.tokens import input_tokens, text_tokens
from windtunnel.reference_service.mock_llm.validation import check_headers, invalid, json_object, parse
from windtunnel.reference_service.serving import Drain
from windtunnel.reference_service.tracing import Tracing

_BATCHES = "/v1/messages/batches"
_MODELS = "/v1/models"
_MOST_TEXTS = 2048


class MockLlm:
    """One provider behind its APIs."""

    def __init__(self, settings: MockSettings, drain: Drain) -> None:
        self._drain = drain
        process = settings.process
        self._tracing = Tracing(component=process.component, replica=process.replica, endpoint=process.otlp_endpoint)
        self._provider = provider = Provider(settings)
        self._batches = message_batches.MessageBatches(provider)
        self._anthropic = Messages(provider.models.anthropic)
        self._openai = ChatCompletions(provider.models.openai)
        self._messages = Exchange(provider, self._anthropic, self._tracing)
        self._chat = Exchange(provider, self._openai, self._tracing)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        path: str = scope["path"]
        match scope["method"], path:
            case "POST", "/v1/messages":
                await self._messages(scope, receive, send)
            case "POST", "/v1/chat/completions":
                await self._chat(scope, receive, send)
            case "GET", "/healthz":
                await send_json(send, 200, {"status": "alive"})
            case "GET", "/readyz":
                draining = self._drain.draining
                await send_json(send, 503 if draining else 200, {"status": "draining" if draining else "ready"})
            case _ if path.startswith(PREFIX):
                await self._admin(scope, receive, send)
            case _:
                await self._others(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self._batches.clear()
                await asyncio.to_thread(self._tracing.close)
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _admin(self, scope: Scope, receive: Receive, send: Send) -> None:
        done = administer(self._provider, scope["method"], scope["path"], await body_of(receive))
        if done is None:
            await send_json(send, 404, {"error": f"{scope['method']} {scope['path']} is not served"})
            return
        if scope["path"] == f"{PREFIX}reset":
            self._batches.clear()
        await send_json(send, *done)

    async def _others(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What needs no decode slot: answered at once, in the form of its API."""
        dialect: Dialect = self._openai if scope["path"] == "/v1/embeddings" else self._anthropic
        request_id = "req_unrouted"
        try:
            headers = headers_of(scope)
            limit = message_batches.MAX_BODY_BYTES
            body = await (body_of(receive, limit) if scope["path"] == _BATCHES else body_of(receive))
            request_id = f"req_{self._provider.next_request():024d}"
            content = self._at_once(scope, headers, body)
        except ApiError as error:
            status, content = dialect.error(error, request_id)
            await send_json(send, status, content, [*dialect.headers(request_id, {}), *error.headers])
        except ClientGone:
            return
        else:
            if isinstance(content, bytes):
                told = [(b"content-type", b"application/x-jsonl"), *dialect.headers(request_id, {})]
                await send_start(send, 200, told)
                await send({"type": "http.response.body", "body": content})
            else:
                await send_json(send, 200, content, dialect.headers(request_id, {}))

    def _at_once(self, scope: Scope, headers: Mapping[str, str], body: bytes) -> dict[str, Any] | bytes:
        method, path = scope["method"], scope["path"]
        if path == _BATCHES or path.startswith(f"{_BATCHES}/"):
            return self._batch(scope, headers, body)
        match method, path:
            case "POST", "/v1/messages/count_tokens":
                models = self._provider.models.anthropic
                request = parse(body, check_headers(headers), models, required=("model", "messages"))
                return {"input_tokens": input_tokens(request)}
            case "POST", "/v1/embeddings":
                check_key(headers)
                return _embeddings(json_object(body))
            case "GET", _ if path == _MODELS or path.startswith(f"{_MODELS}/"):
                return self._models(scope, headers)
            case _:
                raise ApiError("not_found_error", f"{method} {path} is not served")

    def _batch(self, scope: Scope, headers: Mapping[str, str], body: bytes) -> dict[str, Any] | bytes:
        version = check_headers(headers)
        batches = self._batches
        base_url = f"{scope['scheme']}://{headers.get('host', '')}"
        match scope["method"], scope["path"].removeprefix(_BATCHES).split("/")[1:]:
            case "POST", []:
                return batches.create(body, version).as_data(base_url)
            case "GET", []:
                return batches.page(scope["query_string"], base_url)
            case "GET", [name]:
                return batches.get(name).as_data(base_url)
            case "POST", [name, "cancel"]:
                return batches.cancel(name).as_data(base_url)
            case "DELETE", [name]:
                return batches.delete(name)
            case "GET", [name, "results"]:
                return batches.results(name)
            case method, _:
                raise ApiError("not_found_error", f"{method} {scope['path']} is not served")

    def _models(self, scope: Scope, headers: Mapping[str, str]) -> dict[str, Any]:
        name = scope["path"].removeprefix(_MODELS).strip("/")
        if "anthropic-version" in headers:
            check_headers(headers)
            known = {name: model.as_data() for name, model in self._provider.models.anthropic.items()}
            whole = message_batches.page_of(list(known.values()), scope["query_string"]) if not name else {}
        else:
            check_key(headers)
            known = {name: model.as_openai_data() for name, model in self._provider.models.openai.items()}
            whole = {"object": "list", "data": list(known.values())}
        if not name:
            return whole
        if name not in known:
            raise ApiError("not_found_error", f"model: {name}")
        return known[name]


def _embeddings(request: Mapping[str, Any]) -> dict[str, Any]:
    """Vectors, as numbers or as little-endian float32 in base64. Raises `ApiError`."""
    name, texts = request.get("model"), request.get("input")
    model = embeddings.model_for(name) if isinstance(name, str) else None
    if model is None:
        raise ApiError("not_found_error", f"The model `{name}` does not exist")
    texts = [texts] if isinstance(texts, str) else texts
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise invalid("input: expected a text that is not empty, or a list of them; tokens are not understood")
    if len(texts) > _MOST_TEXTS:
        raise invalid(f"input: expected at most {_MOST_TEXTS} texts")
    dimensions = request.get("dimensions")
    if dimensions is not None and not (type(dimensions) is int and 1 <= dimensions <= embeddings.DIMENSIONS):
        raise invalid(f"dimensions: expected 1 to {embeddings.DIMENSIONS}")
    form = request.get("encoding_format", "float")
    if form not in ("float", "base64"):
        raise invalid("encoding_format: expected float or base64")
    data = []
    for index, text in enumerate(texts):
        vector = embeddings.embed(model, text)
        if dimensions is not None:
            vector = embeddings.shortened(vector, dimensions)
        packed = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode() if form == "base64" else vector
        data.append({"object": "embedding", "index": index, "embedding": packed})
    size = sum(text_tokens(text) for text in texts)
    return {
        "object": "list",
        "data": data,
        "model": model,
        "usage": {"prompt_tokens": size, "total_tokens": size},
    }
