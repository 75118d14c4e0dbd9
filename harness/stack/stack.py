"""What every running stack offers, whichever backend it stands on. Used by execute, calibrate, up and the faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from windtunnel.chaos.capabilities import HttpCall, Lease, Proxy
from windtunnel.harness.stack.telemetry import Telemetry
from windtunnel.spec.architecture import Architecture
from windtunnel.spec.deployment import Deployment


@dataclass(frozen=True)
class Instance:
    """One running copy of a component."""

    name: str
    """``app.0``."""
    component: str
    address: str
    """Its own host:port, around the proxies: for the harness's own eyes only."""
    log: Path


class Process(Protocol):
    """Something started beside the stack and owned by its supervisor: the load generator."""

    @property
    def pid(self) -> int:
        """Process id."""

    def wait(self, timeout_s: float) -> int:
        """Its exit code (negative: the signal). TimeoutError when it is still running then."""

    def kill(self) -> None:
        """End it and its children, now."""


class Stack(Protocol):
    """A running architecture: satisfies chaos.capabilities.Proxied. A context manager closes it."""

    architecture: Architecture
    deployment: Deployment
    backend: str
    """embedded or containers."""
    directory: Path
    """Logs and data of this start; gone when the stack is closed, except for the logs that were asked for."""
    telemetry: Telemetry
    """Receives the spans of every component."""

    @property
    def toxiproxy_url(self) -> str: ...

    @property
    def proxies(self) -> tuple[Proxy, ...]: ...

    def lease(self, heal: Sequence[HttpCall], ttl_s: float) -> Lease: ...

    @property
    def entry_url(self) -> str:
        """``http://host:port`` of the client's link, proxied: where load goes."""

    @property
    def instances(self) -> tuple[Instance, ...]: ...

    def strays(self) -> tuple[str, ...]:
        """Connections that go around a proxy, in words (``app.0 talks to 127.0.0.1:5432 (db.0) directly``);
        empty: every component's established outgoing connections lead to its own proxies or to the telemetry."""

    def dead(self) -> tuple[str, ...]:
        """Instances that should run and do not, in words, with the end of their log."""

    def cpu_seconds(self) -> Mapping[str, float]:
        """Processor seconds used since the start, by component; Toxiproxy is ``toxiproxy``."""

    def start(self, name: str, argv: Sequence[str], environment: Mapping[str, str], log: Path) -> Process:
        """Run a command that dies with the stack."""

    def reset(self) -> None:
        """Empty the data: rows, cached answers, the mock's ledger, toxics. Proven by looking, else RuntimeError."""

    def close(self) -> None:
        """End everything. Twice is once."""

    def __enter__(self) -> Stack: ...

    def __exit__(self, *exception: object) -> None: ...
