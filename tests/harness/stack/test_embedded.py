from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.harness.stack.subjects import LAPTOP, own_service, reference
from tests.harness.stack.watching import an_open_folder, eventually, left_of, mentioning
from windtunnel.chaos.capabilities import HttpCall, on_link
from windtunnel.chaos.toxiproxy import Toxiproxy
from windtunnel.harness.stack import postgres, valkey
from windtunnel.harness.stack.cache import Cache
from windtunnel.harness.stack.connections import port
from windtunnel.harness.stack.embedded import EmbeddedStack
from windtunnel.harness.stack.errors import Missing, NotReady, NotReset
from windtunnel.harness.stack.stack import Stack
from windtunnel.harness.stack.supervision import Supervisor

NONCE = "ab" * 8

SERVICE = """
import json, os, socket, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(dict(os.environ)).encode())

held = [socket.create_connection(address.split(":")) for address in os.environ.get("AROUND", "").split() if address]
ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""


def chat(stack: EmbeddedStack, request: int, message: str = "hello") -> httpx.Response:
    headers = {"traceparent": f"00-{NONCE}{request:016x}-1111111111111111-01"}
    return httpx.post(f"{stack.entry_url}/v1/chat", json={"message": message}, headers=headers, timeout=15)


def request_of(trace_id: bytes) -> int | None:
    return int.from_bytes(trace_id[8:], "big") if trace_id[:8].hex() == NONCE else None


def instance(stack: Stack, name: str) -> str:
    return next(each.address for each in stack.instances if each.name == name)


@pytest.fixture(scope="module")
def scale() -> Iterator[EmbeddedStack]:
    with EmbeddedStack(*reference("scale"), seed=7) as stack:
        yield stack
    assert left_of(stack.directory) == []


def test_scale_answers_through_its_proxies_and_shows_every_hop(scale: EmbeddedStack) -> None:
    stack: Stack = scale  # it satisfies the protocol
    zero_s = time.time()
    scale.telemetry.clear()
    assert chat(scale, 5).json()["cached"] is False
    assert chat(scale, 6).json()["cached"] is True
    assert scale.telemetry.wait_quiet(10)
    spans = scale.telemetry.spans(
        zero_s, request_of, lambda method, path: {("POST", "/v1/chat"): "chat"}[method, path]
    ).to_pylist()
    calls = [
        (span["request"], span["caller"], span["callee"], span["op"], span["outcome"])
        for span in spans
        if span["kind"] == "client"
    ]
    assert calls == [
        (5, "gateway", "app", "chat", "ok"),
        (5, "app", "db", "begin", "ok"),
        (5, "app", "cache", "get", "miss"),
        (5, "app", "llm", "messages", "ok"),
        (5, "app", "cache", "set", "ok"),
        (5, "app", "db", "finish", "ok"),
        (6, "gateway", "app", "chat", "ok"),
        (6, "app", "db", "begin", "ok"),
        (6, "app", "cache", "get", "hit"),
        (6, "app", "db", "finish", "ok"),
    ]
    assert {span["replica"] for span in spans if span["callee"] == "app" and span["kind"] == "server"} == {
        "app.0",
        "app.1",
    }
    assert all(0 <= span["start_s"] < 30 for span in spans)
    assert stack.dead() == ()


def test_every_link_of_scale_is_a_proxy_and_nobody_goes_around(scale: EmbeddedStack) -> None:
    chat(scale, 1)
    with Toxiproxy(scale.toxiproxy_url) as toxiproxy:
        made = {(state.name, state.listen, state.upstream) for state in toxiproxy.proxies().values()}
    assert made == {(proxy.name, proxy.listen, proxy.upstream) for proxy in scale.proxies}
    assert len(made) == 1 + 2 + 3 * 2
    assert len(on_link(scale, "app->llm")) == 2
    assert scale.strays() == ()


def test_a_fault_on_a_link_is_felt_and_a_lease_heals_it(scale: EmbeddedStack) -> None:
    (proxy,) = on_link(scale, "client->gateway")
    toxic = f"{scale.toxiproxy_url}/proxies/{proxy.name}/toxics"
    lease = scale.lease([HttpCall("DELETE", f"{toxic}/slow")], ttl_s=0.5)
    httpx.post(toxic, json={"name": "slow", "type": "latency", "attributes": {"latency": 300}}).raise_for_status()
    began = time.monotonic()
    assert httpx.get(f"{scale.entry_url}/readyz").status_code == 200
    assert time.monotonic() - began >= 0.3
    eventually(lambda: httpx.get(toxic).json() == [], 5, "the lease ran out and healed")
    lease.release()


def test_reset_empties_everything_and_proves_it(scale: EmbeddedStack) -> None:
    db, cache, llm = (instance(scale, name) for name in ("db.0", "cache.0", "llm.0"))
    (proxy,) = on_link(scale, "app.0->cache")
    with Toxiproxy(scale.toxiproxy_url) as toxiproxy:
        assert chat(scale, 2, "something new").status_code == 200
        toxiproxy.add_toxic(proxy.name, "latency", {"latency": 1})
        toxiproxy.update("app.1~cache.0", enabled=False)
        with psycopg.connect(postgres.url(port(db))) as connection:
            assert connection.execute("SELECT count(*) > 0 FROM messages").fetchone() == (True,)
            assert connection.execute("SELECT count(*) FROM pg_extension WHERE extname = 'vector'").fetchone() == (1,)
        scale.reset()
        with psycopg.connect(postgres.url(port(db))) as connection:
            assert connection.execute("SELECT count(*) FROM messages").fetchone() == (0,)
            assert connection.execute("SELECT count(*) FROM conversations").fetchone() == (0,)
        assert valkey.ask(port(cache), "DBSIZE") == ":0"
        assert httpx.get(f"http://{llm}/admin/ledger").json()["received"] == 0
        assert all(state.enabled and not state.toxics for state in toxiproxy.proxies().values())
    assert chat(scale, 3, "something new").json()["cached"] is False


def test_processor_time_is_told_by_component(scale: EmbeddedStack) -> None:
    before = scale.cpu_seconds()
    assert set(before) >= {"app", "db", "cache", "llm", "gateway", "toxiproxy"}
    assert before["app"] > 0.5  # two interpreters have imported a web framework
    burn = "import time\nwhile time.process_time() < 0.5: pass"
    child = scale.start("load", [sys.executable, "-c", burn], {}, scale.directory / "load.log")
    assert child.wait(20) == 0
    after = scale.cpu_seconds()
    assert after["load"] >= 0.5  # it is dead, and counts
    assert all(after[name] >= before[name] for name in before)


def test_what_is_started_beside_it_sees_only_what_it_is_given(scale: EmbeddedStack) -> None:
    log = scale.directory / "beside.log"
    assert scale.start("beside", ["/usr/bin/env"], {"GIVEN": "this"}, log).wait(10) == 0
    names = {line.partition("=")[0] for line in log.read_text().splitlines()}
    assert "GIVEN" in names
    assert names <= {"GIVEN", "PATH", "PYTHONPATH", "HOME", "TMPDIR", "LANG", "PYTHONUNBUFFERED", "WINDTUNNEL_STACK"}


def test_mvp_runs_without_gateway_and_cache_and_a_dead_part_is_told(tmp_path: Path) -> None:
    with EmbeddedStack(*reference("mvp"), seed=7, keep_logs=tmp_path / "logs") as stack:
        assert chat(stack, 1).status_code == 200
        assert stack.dead() == ()
        os.kill(stack._children["llm.0"].pid, signal.SIGKILL)
        eventually(lambda: len(stack.dead()) == 1, 5, "it is noticed")
        assert stack.dead()[0].startswith("llm.0 ended with SIGKILL; its log ends\n")
        assert chat(stack, 2, "another").status_code == 502
        with pytest.raises(NotReset, match=r"llm\.0: ConnectionRefusedError"):
            stack.reset()
    assert left_of(stack.directory) == []
    assert {log.stem for log in (tmp_path / "logs").iterdir()} == {"app.0", "db.0", "llm.0", "toxiproxy"}


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for a user's module, which the stack finds as the user's Python would."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_users_service_is_told_its_place_and_nothing_of_our_environment(
    service: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (service / "mine.py").write_text(SERVICE)
    monkeypatch.setenv("SECRET_OF_THE_SHELL", "1")
    drawing = own_service(
        "mine", components={"db": {"kind": "database"}}, links=[{"from": "app", "to": "db", "timeout_ms": 900}]
    )
    with EmbeddedStack(drawing, LAPTOP, seed=3) as stack:
        told = httpx.get(stack.entry_url).json()
        (proxy,) = on_link(stack, "app->db")
        assert told["DB_URL"] == f"postgresql://windtunnel@{proxy.listen}/windtunnel"
        assert (told["DB_TIMEOUT_MS"], told["COMPONENT"], told["REPLICA"], told["SEED"]) == ("900", "app", "app.0", "3")
        assert told["OTEL_EXPORTER_OTLP_ENDPOINT"] == stack.telemetry.endpoint
        assert "SECRET_OF_THE_SHELL" not in told


def test_two_stacks_that_start_at_once_do_not_meet(service: Path) -> None:
    (service / "mine.py").write_text(SERVICE)
    drawing = own_service("mine")
    with ThreadPoolExecutor() as pool:
        starts = [pool.submit(EmbeddedStack, drawing, LAPTOP, seed=seed) for seed in (1, 2)]
        with starts[0].result() as one, starts[1].result() as two:
            assert [httpx.get(stack.entry_url).json()["SEED"] for stack in (one, two)] == ["1", "2"]
            one.close()
            assert httpx.get(two.entry_url).json()["SEED"] == "2"


def test_who_goes_around_a_proxy_is_named(service: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        (service / "stray.py").write_text(SERVICE)
        around = f"127.0.0.1:{elsewhere.getsockname()[1]}"
        drawing = own_service("stray")
        part = drawing.components["app"].model_copy(update={"environment": {"AROUND": around}})
        drawing = drawing.model_copy(update={"components": {"app": part}})
        with EmbeddedStack(drawing, LAPTOP) as stack:
            assert stack.strays() == (f"app.0 talks to {around} (nobody in the drawing) directly",)


@pytest.mark.parametrize(
    ("module", "text", "sentence"),
    [
        ("not_there", None, r"(?s)app\.0 ended with exit code 1 while it was starting.*No module named not_there"),
        ("dies", "raise SystemExit('no licence')", r"(?s)app\.0 ended with exit code 1.*\| no licence"),
    ],
)
def test_a_service_that_dies_at_its_start_is_a_sentence_at_once_and_leaves_nothing(
    service: Path, monkeypatch: pytest.MonkeyPatch, module: str, text: str | None, sentence: str
) -> None:
    if text:
        (service / f"{module}.py").write_text(text)
    began = time.monotonic()
    with an_open_folder() as folder:
        monkeypatch.setattr("tempfile.tempdir", str(folder))
        with pytest.raises(NotReady, match=sentence):
            EmbeddedStack(own_service(module), LAPTOP)
        assert time.monotonic() - began < 15
        assert mentioning(folder) == []
        assert list(folder.iterdir()) == []


def test_another_processor_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(Missing, match="found the processor riscv64, expected one of x86_64, aarch64"):
        EmbeddedStack(*reference("mvp"))


def test_logs_that_cannot_be_kept_are_a_sentence() -> None:
    with pytest.raises(Missing, match="the folder for logs /proc/logs cannot be made"):
        EmbeddedStack(*reference("mvp"), keep_logs=Path("/proc/logs"))


def test_postgres_is_prepared_from_nothing() -> None:
    with Supervisor() as supervisor:
        told: list[str] = []
        prepared = postgres.Postgres(Cache(supervisor.directory / "cache", supervisor), supervisor, told.append)
        assert told == ["preparing PostgreSQL, once; a few seconds"]
        folder = supervisor.directory / "db.0"
        folder.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as probe:
            free = int(probe.getsockname()[1])
        child = prepared.start("db.0", free, 33, folder, folder / "log", wave=0)
        eventually(lambda: postgres.ready(free) is None or child.code is not None, 30, "it answers")
        with psycopg.connect(postgres.url(free)) as connection:
            for name, value in (("fsync", "on"), ("synchronous_commit", "on"), ("max_connections", "33")):
                assert connection.execute("SELECT current_setting(%s)", [name]).fetchone() == (value,)
            connection.execute("CREATE TABLE t (v vector(3)); INSERT INTO t VALUES ('[1,2,3]')")
            assert connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (
                False,
            )
        assert postgres.empty(free) is None
