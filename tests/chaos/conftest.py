"""The real servers that the tests of this room stand on: Toxiproxy, Valkey, PostgreSQL and a small HTTP server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from windtunnel.chaos.canary import Protocol
from windtunnel.chaos.capabilities import HttpCall, Proxy
from windtunnel.chaos.toxiproxy import Toxiproxy
from windtunnel.harness.stack import postgres, valkey
from windtunnel.harness.stack.cache import Cache, default_root
from windtunnel.harness.stack.ports import Ports
from windtunnel.harness.stack.ready import await_ready, http_ready
from windtunnel.harness.stack.supervision import Child, Supervisor, in_words
from windtunnel.harness.stack.toxiproxy_server import toxiproxy_server

READY_WITHIN_S = 20


@pytest.fixture(scope="session")
def supervisor() -> Iterator[Supervisor]:
    """Owns every server, so that none outlives the tests."""
    with Supervisor() as supervisor:
        yield supervisor


@pytest.fixture(scope="session")
def cache(supervisor: Supervisor) -> Cache:
    return Cache(default_root(), supervisor)


@pytest.fixture(scope="session")
def ports() -> Iterator[Ports]:
    with Ports() as ports:
        yield ports


def await_server(child: Child, probe: Callable[[], str | None]) -> None:
    def ended() -> str | None:
        return None if child.code is None else in_words(child.code)

    await_ready(child.name, probe, ended, child.log, threading.Event(), READY_WITHIN_S)


@pytest.fixture(scope="session")
def toxiproxy_url(supervisor: Supervisor, cache: Cache, ports: Ports) -> str:
    binary = str(toxiproxy_server(cache, supervisor, print))
    port = ports.take()
    argv = [binary, "-host", "127.0.0.1", "-port", str(port), "-proxy-metrics"]
    child = supervisor.start("toxiproxy", argv, environment={}, log=supervisor.directory / "toxiproxy.log")
    await_server(child, lambda: http_ready(port, "/version"))
    return f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def redis_server(supervisor: Supervisor, ports: Ports) -> str:
    port, folder = ports.take(), supervisor.directory
    child = valkey.start(supervisor, "valkey", port, 64, folder, folder / "valkey.log", 9)
    await_server(child, lambda: valkey.ready(port))
    return f"127.0.0.1:{port}"


@pytest.fixture(scope="session")
def postgres_server(supervisor: Supervisor, cache: Cache, ports: Ports) -> str:
    port, folder = ports.take(), supervisor.directory / "postgres"
    folder.mkdir()
    server = postgres.Postgres(cache, supervisor, print)
    child = server.start("postgres", port, 100, folder, supervisor.directory / "postgres.log", 9)
    await_server(child, lambda: postgres.ready(port))
    return f"127.0.0.1:{port}"


@pytest.fixture
def api(toxiproxy_url: str) -> Iterator[Toxiproxy]:
    with Toxiproxy(toxiproxy_url) as api:
        yield api
        for name in api.proxies():
            api.delete(name)


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

    def __init__(self, api: Toxiproxy, ports: Ports) -> None:
        self.api = api
        self.ports = ports
        self.toxiproxy_url = api.url
        self.proxies: tuple[Proxy, ...] = ()
        self.leases: list[KeptLease] = []
        self.log: list[str] = []

    def add(self, caller: str, callee: str, upstream: str, protocol: Protocol = "http") -> Proxy:
        name = f"{caller}~{callee}"
        state = self.api.create(name, f"127.0.0.1:{self.ports.take()}", upstream)
        proxy = Proxy(name, caller, callee, state.listen, upstream, protocol)
        self.proxies += (proxy,)
        return proxy

    def lease(self, heal: Sequence[HttpCall], ttl_s: float) -> KeptLease:
        self.leases.append(KeptLease(heal, ttl_s, self.log))
        return self.leases[-1]


class Healthy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        body = b"{}" + b" " * (3000 if self.path == "/openapi.json" else 0)
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
def links(api: Toxiproxy, ports: Ports) -> Links:
    return Links(api, ports)
