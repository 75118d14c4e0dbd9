"""The spans that the harness reads: one SERVER span a request, one CLIENT span a call attempt, in one trace."""

import concurrent.futures
from uuid import uuid4

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT_ID = "b7ad6b7169203331"


class Collector:
    """An OTLP/HTTP receiver that keeps what it gets."""

    def __init__(self) -> None:
        self.received: list[tuple[str, str, Span]] = []

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            named = {one.key: one.value.string_value for one in resource.resource.attributes}
            for scoped in resource.scope_spans:
                for span in scoped.spans:
                    self.received.append((named["service.name"], named["service.instance.id"], span))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def spans(self, service: str) -> list[Span]:
        found = [span for name, _, span in self.received if name == service]
        return sorted(found, key=lambda span: span.start_time_unix_nano)


def attributes(span: Span) -> dict[str, object]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def outline(span: Span) -> tuple[str, object, object]:
    found = attributes(span)
    return span.name, found.get("windtunnel.attempt"), found["windtunnel.outcome"]


@pytest.fixture
def traced(serve, start_mock, start_app, valkey_url):
    collector = Collector()
    endpoint = serve(collector).url

    def start(llm: dict[str, str] | None = None, **app: str):
        mock = start_mock(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, REPLICA="llm.0", **(llm or {}))
        cache = {"CACHE_URL": valkey_url, "CACHE_TIMEOUT_MS": "500", "CACHE_TTL_S": "60"}
        described = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "REPLICA": "app.1"}
        return collector, mock, start_app(mock.url, **described | cache | app)

    return start


def test_a_request_is_one_trace_from_the_caller_to_the_llm(traced, wait_until):
    collector, _, app = traced(SEED="100")
    headers = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"}
    body = app.client.post("/v1/chat", json={"message": "traced? 1"}, headers=headers).json()
    wait_until(lambda: len(collector.spans("app")) >= 6 and collector.spans("llm"), what="the spans")
    server, *calls = collector.spans("app")
    [llm] = collector.spans("llm")
    assert {replica for _, replica, _ in collector.received} == {"app.1", "llm.0"}
    assert outline(server) == ("POST /v1/chat", None, "ok")
    assert (server.kind, server.parent_span_id.hex()) == (Span.SPAN_KIND_SERVER, PARENT_ID)
    assert [outline(call) for call in calls] == [
        ("db begin", 0, "ok"),
        ("cache get", 0, "miss"),
        ("llm messages", 0, "ok"),
        ("cache set", 0, "ok"),
        ("db finish", 0, "ok"),
    ]
    assert {span.trace_id.hex() for span in (server, *calls, llm)} == {TRACE_ID}
    assert {call.parent_span_id for call in calls} == {server.span_id}
    assert {call.kind for call in calls} == {Span.SPAN_KIND_CLIENT}
    assert [attributes(call)["peer.service"] for call in calls] == ["db", "cache", "llm", "cache", "db"]
    assert [attributes(call)["windtunnel.op"] for call in calls] == ["begin", "get", "messages", "set", "finish"]
    assert 0 <= attributes(calls[0])["windtunnel.pool_wait_ms"] < 100
    asked = attributes(calls[2])
    assert (asked["gen_ai.operation.name"], asked["gen_ai.request.model"]) == ("chat", "claude-haiku-4-5")
    assert asked["gen_ai.usage.output_tokens"] == body["usage"]["output_tokens"]
    assert asked["gen_ai.usage.input_tokens"] == body["usage"]["input_tokens"]
    # The LLM's own span continues the call's, and both agree on when the first token came.
    assert (llm.kind, llm.parent_span_id) == (Span.SPAN_KIND_SERVER, calls[2].span_id)
    answered = attributes(llm)
    assert outline(llm) == ("POST /v1/messages", None, "ok")
    assert answered["windtunnel.output_tokens"] == body["usage"]["output_tokens"]
    assert answered["windtunnel.queue_ms"] == pytest.approx(0, abs=1)
    assert answered["windtunnel.first_token_ms"] == pytest.approx(20)
    assert 20 <= asked["windtunnel.first_token_ms"] < 120
    for call in calls:
        assert server.start_time_unix_nano <= call.start_time_unix_nano
        assert call.end_time_unix_nano <= server.end_time_unix_nano


def test_outcomes_tell_hits_time_outs_and_what_was_refused(traced, wait_until):
    slow = {"FIRST_TOKEN_MS": '{"kind":"constant","value":3000}'}
    collector, _, app = traced(slow, LLM_TIMEOUT_MS="150", LLM_RETRIES="1")
    assert app.chat("traced? 2").status_code == 504
    app.client.get("/v1/conversations/00000000-0000-0000-0000-000000000000")
    app.client.get("/healthz")
    wait_until(lambda: len(collector.spans("app")) >= 7 and len(collector.spans("llm")) >= 2, what="the spans")
    assert [outline(span) for span in collector.spans("app")] == [
        ("POST /v1/chat", None, "timeout"),
        ("db begin", 0, "ok"),
        ("cache get", 0, "miss"),
        ("llm messages", 0, "timeout"),
        ("llm messages", 1, "timeout"),
        ("GET /v1/conversations/{conversation_id}", None, "error"),
        ("db history", 0, "ok"),
    ]
    assert [attributes(span)["windtunnel.cancelled"] for span in collector.spans("llm")] == [True, True]


def test_a_hit_asks_no_llm(traced, wait_until):
    collector, _, app = traced()
    for _ in range(2):
        assert app.chat("traced? 3").status_code == 200
    wait_until(lambda: len(collector.spans("app")) >= 10, what="the spans")
    assert [outline(span) for span in collector.spans("app")][-4:] == [
        ("POST /v1/chat", None, "ok"),
        ("db begin", 0, "ok"),
        ("cache get", 0, "hit"),
        ("db finish", 0, "ok"),
    ]


def test_what_is_refused_is_told_from_what_fails(traced, wait_until):
    slow = {"FIRST_TOKEN_MS": '{"kind":"constant","value":1000}', "SLOTS": "1", "QUEUE_LIMIT": "0"}
    collector, mock, app = traced(slow, MAX_CONCURRENCY="2")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answered = pool.submit(app.chat, f"traced? {uuid4()}")
        wait_until(lambda: mock.ledger()["in_flight"] == 1)
        assert mock.client.post("/v1/messages").status_code == 401  # a failure, not a refusal
        assert app.chat(f"traced? {uuid4()}").status_code == 502
        assert answered.result().status_code == 200
    wait_until(lambda: len(collector.spans("app")) >= 9 and len(collector.spans("llm")) >= 3, what="the spans")
    assert [outline(span)[2] for span in collector.spans("llm")] == ["ok", "error", "rejected"]
    asked = [outline(span) for span in collector.spans("app") if span.name == "llm messages"]
    assert asked == [("llm messages", 0, "ok"), ("llm messages", 0, "rejected")]


def test_a_replica_that_is_full_says_so_in_its_span(traced, wait_until):
    collector, mock, app = traced({"FIRST_TOKEN_MS": '{"kind":"constant","value":800}'}, MAX_CONCURRENCY="1")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answered = pool.submit(app.chat, f"traced? {uuid4()}")
        wait_until(lambda: mock.ledger()["in_flight"] == 1)
        assert app.chat("no room").status_code == 503
        assert answered.result().status_code == 200
    wait_until(lambda: len(collector.spans("app")) >= 7, what="the spans")
    served = [outline(span) for span in collector.spans("app") if span.name == "POST /v1/chat"]
    assert served == [("POST /v1/chat", None, "ok"), ("POST /v1/chat", None, "rejected")]
