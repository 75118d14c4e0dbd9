"""What is left when a command and its supervisor were both killed: found by the ledger, ended, removed.

Called at the next start. A supervisor holds the lock on its ledger as long as it lives: a ledger that can be locked
has no owner.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from windtunnel.harness.stack.supervisor import (
    KILL_TIMEOUT_S,
    LEDGER,
    MARKER,
    PREFIX,
    descendants,
    finish,
    kill,
    machine,
    processes,
    remove,
)

POLL_S = 0.02


def sweep(folder: Path) -> tuple[str, ...]:
    """End and remove what supervisors that are dead left below ``folder``; what was swept, in words.

    Only directories of this user are looked at. Two sweeps at once do not disturb each other.
    """
    swept: list[str] = []
    for directory in sorted(folder.glob(f"{PREFIX}*")):
        with contextlib.suppress(OSError):
            if directory.is_symlink() or directory.stat().st_uid != os.getuid():
                continue
            with (directory / LEDGER).open("r+", encoding="utf-8") as ledger:
                try:
                    fcntl.flock(ledger, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue  # its supervisor lives
                swept += _sweep_one(directory, list(_lines(ledger)))
    return tuple(swept)


def _lines(ledger: Any) -> Iterator[tuple[str, Any]]:
    for line in ledger:
        with contextlib.suppress(ValueError):  # the last line of a supervisor that was killed while it wrote
            yield from json.loads(line).items()


def _sweep_one(directory: Path, entries: list[tuple[str, Any]]) -> list[str]:
    swept: list[str] = []
    if ("machine", machine()) in entries:  # else the numbers mean other processes, or none
        owned = {(pid, started) for what, (pid, started) in _of(entries, "process")}
        deadline = time.monotonic() + KILL_TIMEOUT_S
        while (left := _left(directory, owned)) and time.monotonic() < deadline:
            for pid in left:
                kill(pid, signal.SIGKILL)
                swept.append(f"process {pid}")
            time.sleep(POLL_S)
    for _, argv in _of(entries, "at_exit"):
        finish(argv)
    for path in (*(Path(path) for _, path in _of(entries, "remove")), directory):
        if os.path.lexists(path) and remove(path):
            swept.append(f"directory {path}")
    return list(dict.fromkeys(swept))


def _of(entries: list[tuple[str, Any]], what: str) -> list[tuple[str, Any]]:
    return [entry for entry in entries if entry[0] == what]


def _left(directory: Path, owned: set[tuple[int, int]]) -> list[int]:
    """Processes of the ledger, theirs, and those that carry the directory in their environment."""
    everyone = [process for process in processes() if process.state != "Z"]
    roots = [process for process in everyone if (process.pid, process.started) in owned]
    found = {process.pid for process in roots}
    for root in roots:
        found |= {process.pid for process in descendants(root.pid, everyone)}
    mark = f"{MARKER}={directory}".encode()
    for process in everyone:
        with contextlib.suppress(OSError):
            if mark in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
                found.add(process.pid)
    return sorted(found - {os.getpid()})
