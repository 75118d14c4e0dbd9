"""Receives the spans of every component (OTLP over HTTP) and turns them into the columns of a run.

Used by both backends; execute and calibrate read the table. Spans are kept as they came and are read when asked for:
receiving costs next to nothing while load runs.

Protocol: OTLP/HTTP with binary protobuf, https://opentelemetry.io/docs/specs/otlp/#otlphttp.
"""

from __future__ import annotations

import contextlib
import gzip
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from typing import Any

import pyarrow as pa
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # published without types
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from windtunnel.spec.run import SPANS

QUIET_S = 0.7
"""Longer than the flush interval of every exporter of ours (0.5 s)."""
POLL_S = 0.05
KINDS = {OtlpSpan.SPAN_KIND_CLIENT: "client", OtlpSpan.SPAN_KIND_SERVER: "server"}


@dataclass(frozen=True)
class Span:
    """A span as it came, with the resource it came from. Only kinds client and server."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    kind: str
    name: str
    service: str
    instance: str
    start_ns: int
    end_ns: int
    failed: bool
    attributes: Mapping[str, Any]

    def first(self, *keys: str) -> Any:
        """The value of the first attribute that is there; None when none is."""
        return next((self.attributes[key] for key in keys if key in self.attributes), None)

    def number(self, *keys: str) -> float | None:
        """The same for numbers; Envoy writes them as text. None also for what is not a number."""
        value = self.first(*keys)
        try:
            return None if value is None else float(value)
        except (TypeError, ValueError):
            return None

    @property
    def request(self) -> tuple[str, str] | None:
        """Method and path of an HTTP span, from the attributes (new names and old) or from its name; None: unknown."""
        name_method, _, name_path = self.name.partition(" ")
        method = str(self.first("http.request.method", "http.method") or name_method)
        path = str(self.first("url.path", "http.target", "url.full", "http.url", "http.route") or name_path)
        known = method.isupper() and ("://" in path or path.startswith("/"))
        return (method, urllib.parse.urlsplit(path).path) if known else None


@dataclass
class Telemetry:
    """A receiver on a free port of ``host``, from ``open`` (or ``with``) to ``close``."""

    host: str = "127.0.0.1"
    _received: list[tuple[bytes, bool]] = field(default_factory=list, repr=False)
    _last_s: float = field(default=0.0, repr=False)
    _server: ThreadingHTTPServer | None = field(default=None, repr=False)
    _thread: threading.Thread | None = field(default=None, repr=False)

    def open(self) -> None:
        """Begin to listen."""
        telemetry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                chunked = self.headers.get("Transfer-Encoding", "").lower() == "chunked"  # Envoy sends so
                body = unchunk(self.rfile) if chunked else self.rfile.read(int(self.headers.get("Content-Length", 0)))
                known = self.path == "/v1/traces"
                if known:
                    telemetry.take(body, self.headers.get("Content-Encoding") == "gzip")
                self.send_response(200 if known else 404)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing: standard error belongs to the command."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_: object) -> None:
                """A sender that is killed while it sends is not an error of ours."""

        self._server = Server((self.host, 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": POLL_S}, name="telemetry", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening; what was received stays. Twice is once."""
        if self._server and self._thread:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(5)
        self._server = None

    def __enter__(self) -> Telemetry:
        self.open()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def address(self) -> str:
        """``host:port``. RuntimeError when it is not open."""
        if self._server is None:
            raise RuntimeError("the telemetry receiver is not open")
        return f"{self.host}:{self._server.server_address[1]}"

    @property
    def endpoint(self) -> str:
        """For OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://{self.address}"

    def take(self, body: bytes, zipped: bool = False) -> None:
        """Keep one export request."""
        self._received.append((body, zipped))
        self._last_s = time.monotonic()

    def clear(self) -> None:
        """Forget what came so far."""
        self._received.clear()

    def wait_quiet(self, timeout_s: float, quiet_s: float = QUIET_S) -> bool:
        """Wait until nothing came for ``quiet_s``: then the exporters have sent what they had. False: it never was."""
        deadline = time.monotonic() + timeout_s
        self._last_s = max(self._last_s, time.monotonic())
        while (now := time.monotonic()) < deadline:
            if now - self._last_s >= quiet_s:
                return True
            time.sleep(POLL_S)
        return False

    def raw(self) -> Iterator[Span]:
        """Every client and server span so far, in the order of arrival; what is not an export request is left out."""
        for body, zipped in tuple(self._received):
            with contextlib.suppress(DecodeError, OSError, EOFError):
                yield from read(gzip.decompress(body) if zipped else body)

    def spans(
        self,
        zero_unix_s: float,
        request_of: Callable[[bytes], int | None],
        op_of: Callable[[str, str], str] = lambda method, path: "call",  # noqa: ARG005
    ) -> pa.Table:
        """The spans that belong to requests of the run, as ``spec.run.SPANS``, in the order of their start.

        ``zero_unix_s``: the run's zero on the wall clock. ``request_of``: trace id to request number; None drops the
        span. ``op_of``: method and path of an HTTP hop to its operation, for spans that do not name one themselves.
        """
        return table(self.raw(), zero_unix_s, request_of, op_of)


def unchunk(stream: BufferedIOBase) -> bytes:
    """The body of a chunked message (RFC 9112, 7.1), which http.server leaves to us. ValueError on another form."""
    body = b""
    while size := int(stream.readline().partition(b";")[0], 16):
        body += stream.read(size)
        stream.readline()
    while stream.readline().strip():  # trailers
        pass
    return body


def read(body: bytes) -> Iterator[Span]:
    """The client and server spans of one export request."""
    for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                if span.kind in KINDS:
                    yield Span(
                        trace_id=span.trace_id,
                        span_id=span.span_id,
                        parent_id=span.parent_span_id,
                        kind=KINDS[span.kind],
                        name=span.name,
                        service=str(resource.get("service.name", "")),
                        instance=str(resource.get("service.instance.id", "")),
                        start_ns=span.start_time_unix_nano,
                        end_ns=span.end_time_unix_nano,
                        failed=span.status.code == Status.STATUS_CODE_ERROR,
                        attributes=attributes(span.attributes),
                    )


def attributes(pairs: Any) -> dict[str, Any]:
    """Scalar attributes by key; lists and maps are left out."""

    def value(any_value: AnyValue) -> Any:
        which = any_value.WhichOneof("value")
        return getattr(any_value, which) if which and which not in ("array_value", "kvlist_value") else None

    return {pair.key: found for pair in pairs if (found := value(pair.value)) is not None}


def table(
    spans: Iterator[Span],
    zero_unix_s: float,
    request_of: Callable[[bytes], int | None],
    op_of: Callable[[str, str], str],
) -> pa.Table:
    """``spec.run.SPANS`` of raw spans. Sent twice (an exporter that tried again) is once."""
    by_id: dict[tuple[bytes, bytes], Span] = {}
    requests: dict[bytes, int] = {}
    for span in spans:
        if span.trace_id not in requests and (request := request_of(span.trace_id)) is not None:
            requests[span.trace_id] = request
        if span.trace_id in requests:
            by_id[span.trace_id, span.span_id] = span
    answers = {(span.trace_id, span.parent_id): span for span in by_id.values()}  # by the call they answer or begin
    zero_ns = round(zero_unix_s * 1e9)

    def row(span: Span) -> dict[str, Any]:
        parent = by_id.get((span.trace_id, span.parent_id))
        calls = span.kind == "client"
        first_token_ms, tokens = span.number("windtunnel.first_token_ms"), span.number(*TOKENS)
        return {
            "request": requests[span.trace_id],
            "kind": span.kind,
            "caller": span.service if calls else (parent.service if parent else ""),
            "callee": str(span.first("peer.service", "upstream_cluster", "upstream_cluster.name") or "")
            if calls
            else span.service,
            "op": operation(span, by_id, op_of),
            "replica": span.instance,
            "attempt": int(span.number("windtunnel.attempt") or 0),
            "start_s": (span.start_ns - zero_ns) / 1e9,
            "duration_ms": (span.end_ns - span.start_ns) / 1e6,
            "outcome": outcome(span, answers),
            "wait_ms": span.number("windtunnel.pool_wait_ms", "windtunnel.queue_ms"),
            "first_token_ms": first_token_ms,
            "tokens": None if tokens is None else int(tokens),
        }

    rows = sorted((row(span) for span in by_id.values()), key=lambda row: (row["start_s"], row["request"]))
    return pa.Table.from_pylist(rows, schema=SPANS)


TOKENS = ("windtunnel.output_tokens", "gen_ai.usage.output_tokens")


REJECTIONS = (429, 503, 529)


def operation(span: Span, by_id: Mapping[tuple[bytes, bytes], Span], op_of: Callable[[str, str], str]) -> str:
    """What the span names itself, else what the call that it answers names, else by method and path.

    Envoy's calls tell neither: they are named as the request that they pass on.
    """
    named = span.first("windtunnel.op")
    if named is not None:
        return str(named)
    parent = by_id.get((span.trace_id, span.parent_id))
    answers_a_call = span.kind == "server" and parent is not None and parent.kind == "client"
    if parent and (answers_a_call or span.request is None):
        return operation(parent, by_id, op_of)
    return op_of(*span.request) if span.request else "call"


def outcome(span: Span, answers: Mapping[tuple[bytes, bytes], Span]) -> str:
    """What the span says itself, else its own time-out, else what the one behind it says, else by HTTP status.

    A proxy sees 200 where a stream ends in an error event: whoever answered knows better.
    """
    named = span.first("windtunnel.outcome")
    if named is not None:
        return str(named)
    status = span.number("http.response.status_code", "http.status_code")
    flags = set(str(span.first("response_flags") or "-").split(","))
    if status == 504 or "UT" in flags:
        return "timeout"
    behind = answers.get((span.trace_id, span.span_id))
    if behind and (span.kind == "client" or span.first("component") == "proxy"):
        return outcome(behind, answers)
    if status is None:
        return "error" if span.failed else "ok"
    if status in REJECTIONS and flags <= {"-", "UO"}:  # else Envoy tells that it reached nobody
        return "rejected"
    return "error" if status >= 400 or status == 0 else "ok"
