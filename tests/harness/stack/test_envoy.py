from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import httpx
import pytest

from tests.harness.stack.watching import eventually
from windtunnel.harness.stack import envoy
from windtunnel.harness.stack.ports import Ports
from windtunnel.harness.stack.supervision import Supervisor
from windtunnel.harness.stack.telemetry import Telemetry

TIMEOUT_MS, INTERVAL_MS = 800, 200


class Replica:
    """A server behind the gateway: /slow does not answer, /stream answers in pieces, /cut hangs up; else its name."""

    def __init__(self, name: str) -> None:
        self.ready = True
        self.asked: list[str] = []
        self.traceparents: list[str] = []
        self.checks_at_s: list[float] = []
        self.release = threading.Event()
        replica = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if self.path == "/readyz":
                    replica.checks_at_s.append(time.monotonic())
                    self.answer(200 if replica.ready else 503, b"")
                    return
                replica.asked.append(self.path)
                replica.traceparents.append(self.headers.get("traceparent", ""))
                if self.path == "/slow":
                    replica.release.wait(5)
                if self.path == "/cut":
                    self.close_connection = True
                elif self.path == "/stream":
                    self.send_response(200)
                    self.send_header("Content-Length", "10")
                    self.end_headers()
                    self.wfile.write(b"first")
                    self.wfile.flush()
                    replica.release.wait(0.5)
                    self.wfile.write(b"later")
                else:
                    self.answer(503 if self.path == "/busy" else 200, name.encode())

            def answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A client that gave up."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}).start()

    def close(self) -> None:
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


class World:
    """A gateway, two replicas behind it, and a receiver of spans."""

    def __init__(self, stack: ExitStack) -> None:
        self.replicas = [Replica("one"), Replica("two")]
        for replica in self.replicas:
            stack.callback(replica.close)
        self.telemetry = stack.enter_context(Telemetry())
        ports = stack.enter_context(Ports())
        self.settings = envoy.GatewaySettings(
            component="gateway",
            instance="gateway.0",
            address=f"127.0.0.1:{ports.take()}",
            admin=f"127.0.0.1:{ports.take()}",
            callee="app",
            replicas=[replica.address for replica in self.replicas],
            timeout_ms=TIMEOUT_MS,
            health_interval_ms=INTERVAL_MS,
            pool=None,
            telemetry=self.telemetry.address,
        )
        supervisor = stack.enter_context(Supervisor())
        child = envoy.start(supervisor, self.settings, supervisor.directory, supervisor.directory / "log", wave=0)
        eventually(
            lambda: child.code is not None or envoy.ready(self.settings) is None, 20, "the gateway and both are ready"
        )
        assert child.code is None, child.log.read_text()
        self.client = stack.enter_context(httpx.Client(base_url=f"http://{self.settings.address}", timeout=5))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with ExitStack() as stack:
        yield World(stack)


@contextmanager
def fresh(world: World) -> Iterator[None]:
    for replica in world.replicas:
        replica.asked.clear()
        replica.traceparents.clear()
    yield


def test_the_configuration_is_a_pure_function_and_has_no_retries(world: World) -> None:
    text = str(envoy.configuration(world.settings))
    assert text == str(envoy.configuration(world.settings))
    assert "retr" not in text


@pytest.mark.parametrize(
    ("ms", "text"), [(1000, "1s"), (8000, "8s"), (1500, "1.5s"), (0.25, "0.00025s"), (100, "0.1s")]
)
def test_durations(ms: float, text: str) -> None:
    assert envoy.seconds(ms) == text


def test_requests_go_to_the_replicas_in_turn(world: World) -> None:
    said = [world.client.get("/who").text for _ in range(8)]
    assert all(first != second for first, second in pairwise(said))


def test_an_answer_that_does_not_come_is_a_504_in_time_and_is_not_tried_again(world: World) -> None:
    with fresh(world):
        began = time.monotonic()
        assert world.client.get("/slow").status_code == 504
        assert 0.9 * TIMEOUT_MS / 1000 <= time.monotonic() - began < 3 * TIMEOUT_MS / 1000
        assert [path for replica in world.replicas for path in replica.asked] == ["/slow"]


@pytest.mark.parametrize("path", ["/busy", "/cut"])
def test_a_failure_is_a_503_and_is_not_tried_again(world: World, path: str) -> None:
    with fresh(world):
        assert world.client.get(path).status_code == 503
        assert [asked for replica in world.replicas for asked in replica.asked] == [path]


def test_a_stream_is_passed_on_piece_by_piece(world: World) -> None:
    with world.client.stream("GET", "/stream") as answer:
        pieces = answer.iter_raw()
        began = time.monotonic()
        assert next(pieces) == b"first"
        assert time.monotonic() - began < 0.4  # the rest comes 0.5 s later
        assert b"".join(pieces) == b"later"


def test_the_trace_goes_on_through_the_gateway(world: World) -> None:
    trace, parent = "ab" * 8 + "0000000000000007", "1111111111111111"
    with fresh(world):
        assert world.client.get("/who", headers={"traceparent": f"00-{trace}-{parent}-01"}).status_code == 200
        world.telemetry.wait_quiet(5)
        spans = {span.kind: span for span in world.telemetry.raw() if span.trace_id.hex() == trace}
        passed_on = [seen for replica in world.replicas for seen in replica.traceparents]
        assert spans["server"].trace_id.hex() == spans["client"].trace_id.hex() == trace
        assert spans["server"].parent_id.hex() == parent
        assert spans["client"].parent_id == spans["server"].span_id
        assert passed_on == [f"00-{trace}-{spans['client'].span_id.hex()}-01"]
        assert {(span.service, span.instance) for span in spans.values()} == {("gateway", "gateway.0")}
        assert spans["client"].first("peer.service") == "app"
        assert spans["server"].request == ("GET", "/who")


def test_health_makes_no_spans(world: World) -> None:
    world.telemetry.wait_quiet(5)
    world.telemetry.clear()
    checks = len(world.replicas[0].checks_at_s)
    assert world.client.get("/readyz").status_code == 200
    eventually(lambda: len(world.replicas[0].checks_at_s) > checks + 3, 5, "health checks go on")
    world.telemetry.wait_quiet(5)
    assert list(world.telemetry.raw()) == []


def test_health_is_asked_as_often_as_the_architecture_says(world: World) -> None:
    checks = world.replicas[1].checks_at_s
    seen = len(checks)
    eventually(lambda: len(checks) >= seen + 6, 10, "six checks")
    gaps = [second - first for first, second in pairwise(checks[seen : seen + 6])]
    assert sorted(gaps)[len(gaps) // 2] == pytest.approx(INTERVAL_MS / 1000, rel=0.3)


def test_a_replica_that_is_not_ready_is_out_until_it_is(world: World) -> None:
    def who_answers() -> set[str]:
        return {world.client.get("/who").text for _ in range(6)}

    world.replicas[0].ready = False
    eventually(lambda: who_answers() == {"two"}, 5, "only the other one is asked")
    assert "1 of 2 replicas of app did not pass" in (envoy.ready(world.settings) or "")
    world.replicas[0].ready = True
    eventually(lambda: who_answers() == {"one", "two"}, 5, "both are asked again")
    assert envoy.ready(world.settings) is None


def test_with_none_ready_the_service_itself_answers(world: World) -> None:
    for replica in world.replicas:
        replica.ready = False
    eventually(lambda: "2 of 2" in (envoy.ready(world.settings) or ""), 5, "both are out")
    assert world.client.get("/who").text in ("one", "two")
    for replica in world.replicas:
        replica.ready = True
    eventually(lambda: envoy.ready(world.settings) is None, 5, "both are back")
