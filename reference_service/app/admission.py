"""A replica's limit of concurrent requests: the one beyond it is refused at once instead of slowing the others."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from windtunnel.reference_service.errors import Overloaded, send_error

_HEALTH_CHECKS = frozenset({"/healthz", "/readyz"})


class Admission:
    """ASGI middleware: at most `limit` requests at once; health checks are not counted and never refused."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _HEALTH_CHECKS:
            await self._app(scope, receive, send)
            return
        if self._running >= self._limit:
            error = Overloaded(f"this replica handles {self._limit} requests at once already")
            await send_error(error, scope, receive, send)
            return
        self._running += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._running -= 1
