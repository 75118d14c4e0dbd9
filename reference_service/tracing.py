"""Spans by hand, the same in the app and in the mock LLM: one SERVER span a request, one CLIENT span a call.

The harness collects them over OTLP/HTTP and reads calls, outcomes and durations from them: they are the
measured side of the capacity model, so names and attributes are a contract:

    peer.service        "db" | "cache" | "llm"                       (CLIENT)
    windtunnel.op       "begin" | "finish" | "history" | "get" | "set" | "messages"  (CLIENT)
    windtunnel.attempt  0, 1, ...                                     (CLIENT)
    windtunnel.outcome  ok | hit | miss | timeout | error | rejected  (CLIENT and SERVER)
    windtunnel.cancelled  true when the caller went away              (CLIENT and SERVER; outcome is then "error")

A CLIENT span lasts from just before the call, waiting for a pool included, to its last byte. Context travels
as W3C traceparent. Without an endpoint nothing is recorded and the SDK is not even imported.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OUTCOME = "windtunnel.outcome"
CANCELLED = "windtunnel.cancelled"
_EXPORT_EVERY_MS = 500
_EXPORT_TIMEOUT_S = 2.0
_QUEUE_SPANS = 16_384
_UNTRACED = frozenset({"/healthz", "/readyz"})
_propagator = TraceContextTextMapPropagator()


class Tracing:
    """Makes the spans of one process. `close` sends what is left; it may block for the export time-out."""

    def __init__(self, *, component: str, replica: str, endpoint: str | None) -> None:
        self._provider: Any = None
        self._tracer: trace.Tracer = trace.NoOpTracer()
        if endpoint is not None:
            self._provider = _provider(component, replica, endpoint)
            self._tracer = self._provider.get_tracer("windtunnel.reference_service")

    @contextmanager
    def server_span(self, name: str, headers: Mapping[str, str]) -> Iterator[trace.Span]:
        """A SERVER span that continues the caller's trace and is the parent of all spans made inside."""
        with self._span(name, trace.SpanKind.SERVER, {}, _propagator.extract(headers)) as span:
            token = otel_context.attach(trace.set_span_in_context(span))
            try:
                yield span
            finally:
                otel_context.detach(token)

    @contextmanager
    def call(
        self, callee: str, op: str, *, attempt: int = 0, attributes: Mapping[str, AttributeValue] | None = None
    ) -> Iterator[trace.Span]:
        """A CLIENT span around one attempt of one call; an error's `outcome` attribute becomes the span's."""
        described: dict[str, AttributeValue] = {
            "peer.service": callee,
            "windtunnel.op": op,
            "windtunnel.attempt": attempt,
            **(attributes or {}),
        }
        with self._span(f"{callee} {op}", trace.SpanKind.CLIENT, described, None) as span:
            yield span

    @contextmanager
    def _span(
        self,
        name: str,
        kind: trace.SpanKind,
        attributes: Mapping[str, AttributeValue],
        parent: otel_context.Context | None,
    ) -> Iterator[trace.Span]:
        span = self._tracer.start_span(name, context=parent, kind=kind, attributes={OUTCOME: "ok", **attributes})
        try:
            yield span
        except asyncio.CancelledError:
            span.set_attributes({OUTCOME: "error", CANCELLED: True})
            raise
        except Exception as error:
            span.set_attribute(OUTCOME, getattr(error, "outcome", "error"))
            raise
        finally:
            span.end()

    def close(self) -> None:
        if self._provider is not None:
            self._provider.shutdown()


def headers_to_pass_on(span: trace.Span) -> dict[str, str]:
    """The traceparent header (and tracestate) that makes the callee's span a child of `span`."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, trace.set_span_in_context(span))
    return carrier


class ServerSpans:
    """ASGI middleware: one SERVER span for each request but the health checks.

    Its outcome is what an application wrote to the scope under the attribute's name, else it follows the status.
    """

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self._app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _UNTRACED:
            await self._app(scope, receive, send)
            return
        status = 0

        async def noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        method = scope["method"]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        with self._tracing.server_span(f"{method} {scope['path']}", headers) as span:
            await self._app(scope, receive, noting_status)
            if (route := scope.get("route")) is not None:  # a template, so that names stay few
                span.update_name(f"{method} {route.path}")
            span.set_attribute("http.response.status_code", status)
            span.set_attribute(OUTCOME, scope.get(OUTCOME) or ("ok" if 200 <= status < 400 else "error"))
            if scope.get(CANCELLED):
                span.set_attribute(CANCELLED, True)


def _provider(component: str, replica: str, endpoint: str) -> Any:
    # Heavy, and of no use without an endpoint.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_TIMEOUT_S)
    provider = TracerProvider(
        resource=Resource({"service.name": component, "service.instance.id": replica}), shutdown_on_exit=False
    )
    provider.add_span_processor(
        BatchSpanProcessor(exporter, max_queue_size=_QUEUE_SPANS, schedule_delay_millis=_EXPORT_EVERY_MS)
    )
    return provider
