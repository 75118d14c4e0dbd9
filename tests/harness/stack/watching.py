"""What the tests of this folder look at: processes that are still there, conditions that must come true in time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import TracebackType

from windtunnel.harness.stack.supervisor import MARKER, processes, stat


def eventually(condition: Callable[[], bool], within_s: float, what: str) -> None:
    """Poll until it is true; AssertionError when it is not in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.02)


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    found = stat(pid)
    return found is not None and found.state != "Z"


def left_of(directory: Path) -> list[str]:
    """What is left of a stack: processes that carry its mark or name its directory, and the directory."""
    mark = f"{MARKER}={directory}".encode()
    found = [str(directory)] if directory.exists() else []
    for process in processes():
        with contextlib.suppress(OSError):
            where = Path(f"/proc/{process.pid}")
            environment = (where / "environ").read_bytes()
            command = (where / "cmdline").read_bytes()
            if process.state != "Z" and (mark in environment.split(b"\0") or str(directory).encode() in command):
                found.append(f"{process.pid} {command.decode(errors='replace')}")
    return found


class Recorder:
    """An HTTP server that keeps the requests it gets (method and path), and answers each with one status."""

    def __init__(self, status: int = 204) -> None:
        self._status = status

    def __enter__(self) -> Recorder:
        status = self._status
        requests: list[tuple[str, str]] = []
        self.requests = requests

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                requests.append((self.command, self.path))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_DELETE = do_PATCH = do_POST = do_GET = handle_any

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
