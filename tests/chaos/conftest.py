"""The real servers that the tests of this room stand on: Toxiproxy, Valkey, PostgreSQL and a small HTTP server."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from windtunnel.chaos.toxiproxy import Toxiproxy, ToxiproxyError

VERSION = "2.12.0"
MODULE = "github.com/Shopify/toxiproxy/v2"


def toxiproxy_binary() -> Path:
    """The server on PATH, or one built from its Go module, once per machine."""
    found = shutil.which("toxiproxy-server")
    if found:
        return Path(found)
    home = Path(tempfile.gettempdir()) / f"windtunnel-tests-{os.getuid()}-toxiproxy-{VERSION}"
    home.mkdir(mode=0o700, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "server").exists():
            go = shutil.which("go")
            if go is None:
                pytest.skip("neither toxiproxy-server nor go on PATH")
            flags = f"-s -w -X {MODULE}.Version={VERSION}"
            subprocess.run(
                [go, "install", "-trimpath", "-ldflags", flags, f"{MODULE}/cmd/server@v{VERSION}"],
                env=os.environ | {"CGO_ENABLED": "0", "GOBIN": str(home)},
                check=True,
                timeout=200,
            )
    return home / "server"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def started(command: Callable[[int], list[str]], ready: Callable[[int], bool]) -> tuple[subprocess.Popen[bytes], int]:
    """A server on a free port, ready. Another process may take the port first: then on another one."""
    for _ in range(5):
        port = free_port()
        process = subprocess.Popen(command(port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < deadline:
            if ready(port) and process.poll() is None:
                return process, port
            time.sleep(0.01)
        process.kill()
        process.wait()
    raise AssertionError(f"{command(0)[0]} did not become ready")


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def toxiproxy_url() -> Iterator[str]:
    def ready(port: int) -> bool:
        try:
            with Toxiproxy(f"http://127.0.0.1:{port}", timeout_s=1) as api:
                return api.version() == VERSION
        except ToxiproxyError:
            return False

    binary = str(toxiproxy_binary())
    process, port = started(lambda port: [binary, "-host", "127.0.0.1", "-port", str(port), "-proxy-metrics"], ready)
    yield f"http://127.0.0.1:{port}"
    stop(process)


@pytest.fixture
def api(toxiproxy_url: str) -> Iterator[Toxiproxy]:
    with Toxiproxy(toxiproxy_url) as api:
        yield api
        for name in api.proxies():
            api.delete(name)


class Healthy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        body = b'{"status":"ok"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def http_server() -> Iterator[str]:
    """host:port of an HTTP server that keeps connections open."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Healthy) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
