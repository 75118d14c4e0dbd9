"""The app as a FastAPI application: its routes, its errors, and the life of its connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import ASGIApp

from windtunnel.reference_service.app.admission import Admission
from windtunnel.reference_service.app.cache import Cache
from windtunnel.reference_service.app.chat import Chat
from windtunnel.reference_service.app.database import Database
from windtunnel.reference_service.app.llm import Llm
from windtunnel.reference_service.app.responses import ChatResponse
from windtunnel.reference_service.app.settings import AppSettings
from windtunnel.reference_service.errors import JsonResponse, ServiceError
from windtunnel.reference_service.serving import Drain
from windtunnel.reference_service.tracing import OUTCOME, ServerSpans, Tracing


class ChatRequest(BaseModel):
    """A message to answer; without a conversation it begins a new one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # PostgreSQL stores no NUL characters.
    message: Annotated[str, Field(min_length=1, max_length=8000, pattern=r"^[^\x00]*$")]
    conversation_id: UUID | None = None
    stream: bool = False


def build_app(settings: AppSettings, drain: Drain) -> ASGIApp:
    """The application with its middleware. It connects when the server starts it, not before."""
    process = settings.process
    tracing = Tracing(component=process.component, replica=process.replica, endpoint=process.otlp_endpoint)
    database = Database(settings.database, tracing)
    cache = Cache(settings.cache, tracing) if settings.cache is not None else None
    llm = Llm(settings.llm, tracing, seed=process.seed, replica=process.replica)
    chat = Chat(database, cache, llm, settings.llm.model)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        parts = [part for part in (llm, cache, database) if part is not None]
        for part in parts:
            await part.open()
        try:
            yield
        finally:
            for part in reversed(parts):
                await part.close()
            await asyncio.to_thread(tracing.close)

    api = FastAPI(title="Windtunnel reference service", lifespan=life)

    @api.post("/v1/chat", response_model=None)
    async def post_chat(request: ChatRequest) -> Response:
        return ChatResponse(chat, request.conversation_id, request.message, stream=request.stream)

    @api.get("/v1/conversations/{conversation_id}", response_model=None)
    async def get_conversation(conversation_id: UUID) -> Response:
        messages = [
            {
                "message_id": str(message.message_id),
                "role": message.role,
                "content": message.content,
                "created_at": message.created_at.isoformat(),
            }
            for message in await database.history(conversation_id)
        ]
        return JsonResponse({"conversation_id": str(conversation_id), "messages": messages})

    @api.get("/healthz", response_model=None)
    async def get_health() -> Response:
        return JsonResponse({"status": "alive"})

    @api.get("/readyz", response_model=None)
    async def get_readiness() -> Response:
        reason = "draining" if drain.draining else None
        if reason is None:
            try:
                await database.ready()
            except ServiceError as error:
                reason = f"database: {error}"
        return JsonResponse({"status": reason or "ready"}, 503 if reason else 200)

    @api.exception_handler(ServiceError)
    async def on_service_error(request: Request, error: ServiceError) -> Response:
        request.scope[OUTCOME] = error.outcome
        return JsonResponse(error.content(), error.status, error.headers)

    @api.exception_handler(RequestValidationError)
    async def on_invalid_request(_: Request, error: RequestValidationError) -> Response:
        return JsonResponse({"error": {"code": "validation", "message": _explained(error)}}, 422)

    app: ASGIApp = api
    if settings.max_concurrency is not None:
        app = Admission(app, settings.max_concurrency)
    return ServerSpans(app, tracing)


def _explained(error: RequestValidationError) -> str:
    def explain(one: Any) -> str:
        return f"{'.'.join(map(str, one['loc'][1:])) or 'body'}: {one['msg']}"

    return "; ".join(explain(one) for one in error.errors())
