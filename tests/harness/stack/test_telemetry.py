from __future__ import annotations

import gzip
import http.client
import threading
import time
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan

from windtunnel.harness.stack.telemetry import Telemetry
from windtunnel.spec.run import SPANS

NONCE = b"windtunl"
ZERO_S = 1_800_000_000.0
CLIENT, SERVER, INTERNAL = OtlpSpan.SPAN_KIND_CLIENT, OtlpSpan.SPAN_KIND_SERVER, OtlpSpan.SPAN_KIND_INTERNAL


def trace(request: int) -> bytes:
    return NONCE + request.to_bytes(8, "big")


def request_of(trace_id: bytes) -> int | None:
    return int.from_bytes(trace_id[8:], "big") if trace_id[:8] == NONCE else None


def span(
    number: int, parent: int, kind: Any, name: str = "", at_ms: float = 0.0, ms: float = 1.0, **more: Any
) -> OtlpSpan:
    start_ns = int(ZERO_S * 1e9) + int(at_ms * 1e6)
    return OtlpSpan(
        trace_id=more.pop("trace_id", trace(1)),
        span_id=number.to_bytes(8, "big"),
        parent_span_id=parent.to_bytes(8, "big"),
        kind=kind,
        name=name,
        start_time_unix_nano=start_ns,
        end_time_unix_nano=start_ns + int(ms * 1e6),
        attributes=pairs(more.pop("attributes", {})),
    )


def pairs(attributes: dict[str, Any]) -> list[KeyValue]:
    def value(found: Any) -> AnyValue:
        if isinstance(found, bool):
            return AnyValue(bool_value=found)
        if isinstance(found, int):
            return AnyValue(int_value=found)
        return AnyValue(double_value=found) if isinstance(found, float) else AnyValue(string_value=found)

    return [KeyValue(key=key, value=value(found)) for key, found in attributes.items()]


def export(service: str, *spans: OtlpSpan) -> bytes:
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.extend(pairs({"service.name": service, "service.instance.id": f"{service}.0"}))
    resource_spans.scope_spans.add().spans.extend(spans)
    return request.SerializeToString()


def rows(*exports: bytes, op_of: Any = lambda method, path: f"{method} {path}") -> list[dict[str, Any]]:
    telemetry = Telemetry()
    for body in exports:
        telemetry.take(body)
    table = telemetry.spans(ZERO_S, request_of, op_of)
    assert table.schema.equals(SPANS)
    return list(table.to_pylist())


def test_a_call_and_its_answer_become_rows() -> None:
    called = {
        "peer.service": "llm",
        "windtunnel.op": "messages",
        "windtunnel.attempt": 1,
        "windtunnel.outcome": "ok",
        "windtunnel.first_token_ms": 180.5,
        "gen_ai.usage.output_tokens": 20,
    }
    answered = {"windtunnel.queue_ms": 7.25, "windtunnel.outcome": "ok", "windtunnel.output_tokens": 20}
    call, answer = rows(
        export("app", span(2, 1, CLIENT, "llm messages", at_ms=100, ms=420, attributes=called)),
        export("llm", span(3, 2, SERVER, "POST /v1/messages", at_ms=101, ms=415, attributes=answered)),
    )
    assert call == {
        "request": 1,
        "kind": "client",
        "caller": "app",
        "callee": "llm",
        "op": "messages",
        "replica": "app.0",
        "attempt": 1,
        "start_s": pytest.approx(0.1),
        "duration_ms": pytest.approx(420),
        "outcome": "ok",
        "wait_ms": None,
        "first_token_ms": 180.5,
        "tokens": 20,
    }
    assert (answer["kind"], answer["caller"], answer["callee"], answer["op"]) == ("server", "app", "llm", "messages")
    assert (answer["replica"], answer["wait_ms"], answer["tokens"]) == ("llm.0", 7.25, 20)


def test_what_is_not_of_the_run_is_left_out_and_what_is_sent_twice_is_once() -> None:
    mine = export("app", span(2, 1, SERVER, "GET /x"))
    found = rows(
        mine,
        mine,
        export("app", span(5, 1, INTERNAL, "inside")),
        export("app", span(6, 1, SERVER, "GET /readyz", trace_id=b"x" * 16)),
        b"this is no protobuf",
    )
    assert [(row["request"], row["op"], row["caller"]) for row in found] == [(1, "GET /x", "")]


def envoy(status: str, flags: str = "-", client: bool = True, server: bool = True) -> bytes:
    """The two spans that Envoy makes of a request: its call knows neither method nor path."""
    shared = {"component": "proxy", "upstream_cluster": "app", "http.status_code": status, "response_flags": flags}
    whole = shared | {"http.method": "POST", "http.url": "http://127.0.0.1:80/v1/chat?x=1"}
    spans = [span(11, 10, SERVER, "ingress", ms=5, attributes=whole)] if server else []
    spans += [span(12, 11, CLIENT, "router app egress", at_ms=0.5, ms=4, attributes=shared)] if client else []
    return export("gateway", *spans)


def app(**attributes: Any) -> bytes:
    return export("app", span(13, 12, SERVER, "POST /v1/chat", at_ms=1, ms=3, attributes=attributes))


def test_a_gateways_call_is_named_as_the_request_that_it_passes_on() -> None:
    found = rows(envoy("200"), app(), op_of=lambda method, path: {("POST", "/v1/chat"): "chat"}[method, path])
    assert [(row["kind"], row["caller"], row["callee"], row["op"]) for row in found] == [
        ("server", "", "gateway", "chat"),
        ("client", "gateway", "app", "chat"),
        ("server", "gateway", "app", "chat"),
    ]


@pytest.mark.parametrize(
    ("exports", "outcomes"),
    [
        ((envoy("200"), app(**{"windtunnel.outcome": "ok"})), ["ok", "ok", "ok"]),
        # the stream ended in an error event: only the app knows
        ((envoy("200"), app(**{"windtunnel.outcome": "timeout"})), ["timeout"] * 3),
        ((envoy("503"), app(**{"windtunnel.outcome": "error"})), ["error"] * 3),
        ((envoy("503"), app(**{"windtunnel.outcome": "rejected"})), ["rejected"] * 3),
        ((envoy("504", "UT"), app(**{"windtunnel.outcome": "ok"})), ["timeout", "timeout", "ok"]),
        ((envoy("200", "UT"), app(**{"windtunnel.outcome": "ok"})), ["timeout", "timeout", "ok"]),
        ((envoy("503", "UF"),), ["error", "error"]),
        ((envoy("503", "UH", client=False),), ["error"]),
        ((envoy("429"),), ["rejected", "rejected"]),
        ((envoy("0", "DC"),), ["error", "error"]),
        ((export("own", span(1, 0, SERVER, "GET /a", attributes={"http.response.status_code": 404})),), ["error"]),
        ((export("own", span(1, 0, SERVER, "GET /a", attributes={"http.response.status_code": 503})),), ["rejected"]),
        ((export("own", span(1, 0, SERVER, "GET /a")),), ["ok"]),
    ],
)
def test_outcomes(exports: tuple[bytes, ...], outcomes: list[str]) -> None:
    assert [row["outcome"] for row in rows(*exports)] == outcomes


def test_a_server_is_not_blamed_for_an_optional_call_that_failed() -> None:
    failed = span(2, 1, CLIENT, attributes={"peer.service": "cache", "windtunnel.outcome": "timeout"})
    answer = span(1, 0, SERVER, "GET /a", attributes={"http.response.status_code": 200})
    assert [row["outcome"] for row in rows(export("own", answer, failed)) if row["kind"] == "server"] == ["ok"]


def test_it_receives_plain_zipped_and_chunked_exports_and_refuses_other_paths() -> None:
    body = export("app", span(2, 1, SERVER, "GET /x"))
    with Telemetry() as telemetry:
        url = f"{telemetry.endpoint}/v1/traces"
        assert httpx.post(url, content=body).status_code == 200
        zipped = {"Content-Encoding": "gzip"}
        assert httpx.post(url, content=gzip.compress(body), headers=zipped).status_code == 200
        halves = iter([body[:7], body[7:]])
        assert httpx.post(url, content=halves).status_code == 200  # httpx sends an iterator in chunks
        assert httpx.post(f"{telemetry.endpoint}/v1/metrics", content=body).status_code == 404
        assert [found.name for found in telemetry.raw()] == ["GET /x"] * 3
        telemetry.clear()
        assert list(telemetry.raw()) == []


def test_it_keeps_up_on_one_connection() -> None:
    body = export("app", *(span(number, 0, SERVER, "GET /x") for number in range(1, 51)))
    with Telemetry() as telemetry:
        connection = http.client.HTTPConnection(telemetry.address, timeout=5)
        for _ in range(100):
            connection.request("POST", "/v1/traces", body)
            connection.getresponse().read()
        connection.close()
        assert len(list(telemetry.raw())) == 5000


def test_quiet_is_waited_for() -> None:
    telemetry = Telemetry()
    sending = threading.Event()

    def send() -> None:
        while not sending.wait(0.05):
            telemetry.take(b"")

    sender = threading.Thread(target=send)
    sender.start()
    assert not telemetry.wait_quiet(timeout_s=0.5, quiet_s=0.2)
    sending.set()
    sender.join()
    began = time.monotonic()
    assert telemetry.wait_quiet(timeout_s=5, quiet_s=0.2)
    assert 0.2 <= time.monotonic() - began < 2
