"""What the tests of this folder look at: processes that are still there, conditions that must come true in time."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import TracebackType

from windtunnel.harness.stack.supervisor import processes, stat


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


def mentioning(directory: Path) -> list[str]:
    """Processes that name a directory, or one below it, in their environment or command line, or stand in it."""
    found = []
    for process in processes():
        with contextlib.suppress(OSError):
            where = Path(f"/proc/{process.pid}")
            command = (where / "cmdline").read_bytes()
            text = (where / "environ").read_bytes() + command + os.fsencode((where / "cwd").readlink())
            if process.state != "Z" and process.pid != os.getpid() and os.fsencode(directory) in text:
                found.append(f"{process.pid} {command.decode(errors='replace')}")
    return found


def left_of(directory: Path) -> list[str]:
    """What is left of a stack: its directory, and processes that name it."""
    return ([str(directory)] if directory.exists() else []) + mentioning(directory)


@contextlib.contextmanager
def an_open_folder() -> Iterator[Path]:
    """A folder of our own that other users may enter (pytest's are closed), for a command's TMPDIR."""
    folder = Path(tempfile.mkdtemp(prefix="windtunnel-test-", dir="/tmp"))
    folder.chmod(0o777)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


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
