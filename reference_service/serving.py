"""The HTTP server that each process of the reference service runs: uvicorn with uvloop, and an orderly end.

On SIGTERM or SIGINT readiness fails first while requests are still taken (so that a balancer can look away),
then the listening socket closes, requests that run are finished within a bound, and the process exits with 0.
A second signal ends it at once.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from types import FrameType

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Longer than any client of ours keeps an idle connection, so that it is never the server who closes first:
# a request sent into a connection that is just being closed would be an error that no scenario asked for.
KEEP_ALIVE_S = 75

TRANSPORT = "windtunnel.transport"
"""The extension of each request's scope that holds its connection: for those who write many small pieces on time."""


class _WithTransport(HttpToolsProtocol):
    """uvicorn's protocol, which also tells applications the connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: self.transport}  # type: ignore[dict-item]  # ASGI leaves values open


@dataclass
class Drain:
    """Whether the process is on its way out; shared by the server, which sets it, and readiness, which tells it.

    `notice_s` is the time between failing readiness and closing the listening socket, `limit_s` (whole
    seconds) bounds how long running requests may take to finish after that.
    """

    notice_s: float
    limit_s: int
    asked_at_s: float | None = None

    @property
    def draining(self) -> bool:
        return self.asked_at_s is not None

    @property
    def notice_over(self) -> bool:
        return self.asked_at_s is not None and time.monotonic() - self.asked_at_s >= self.notice_s


class Server(uvicorn.Server):
    """Serves one ASGI application and announces its address on standard output when it listens."""

    def __init__(self, app: ASGIApp, *, name: str, host: str, port: int, drain: Drain) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                loop="uvloop",
                http=_WithTransport,
                ws="none",
                lifespan="on",
                log_level="warning",
                access_log=False,
                server_header=False,
                backlog=2048,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=drain.limit_s,
            )
        )
        self._name = name
        self._drain = drain

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that the server listens on; meaningful once `started`."""
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        return host, port

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        if self._drain.draining:
            self.should_exit = self.force_exit = True
        else:
            self._drain.asked_at_s = time.monotonic()

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._drain.notice_over

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = self.address
        print(f"{self._name} listening on http://{host}:{port}", flush=True)
