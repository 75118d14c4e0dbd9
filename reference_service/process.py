"""What every process of the reference service is told: who it is, where it listens, where its traces go."""

from __future__ import annotations

from dataclasses import dataclass

from windtunnel.reference_service.environment import Environment


@dataclass(frozen=True)
class ProcessSettings:
    """HOST, PORT (0: any free one), COMPONENT, REPLICA, SEED, OTEL_EXPORTER_OTLP_ENDPOINT (None: no traces).

    DRAIN_NOTICE_MS is how long readiness fails before the listening socket closes (see serving).
    """

    host: str
    port: int
    component: str
    replica: str
    seed: int
    otlp_endpoint: str | None
    drain_notice_s: float

    @classmethod
    def read(cls, environment: Environment) -> ProcessSettings:
        """Raises `SettingError` for the first variable that is missing or malformed."""
        otlp = "OTEL_EXPORTER_OTLP_ENDPOINT"
        component = environment.text("COMPONENT")
        return cls(
            host=environment.text("HOST", "127.0.0.1"),
            port=environment.whole("PORT"),
            component=component,
            replica=environment.text("REPLICA", f"{component}.0"),
            seed=environment.whole("SEED"),
            otlp_endpoint=environment.url(otlp, "http", "https") if environment.has(otlp) else None,
            drain_notice_s=environment.milliseconds_as_s("DRAIN_NOTICE_MS", 500, zero=True),
        )
