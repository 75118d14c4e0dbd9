"""Waiting until a part of a stack is ready, and the one HTTP exchange that asks for it. Used by both backends."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from pathlib import Path

from windtunnel.harness.stack.errors import NotReady, StackError, tail
from windtunnel.harness.stack.ports import LOOPBACK

POLL_S = 0.02
ASK_TIMEOUT_S = 2.0

Probe = Callable[[], str | None]
"""None when all is well; else in words what is not."""


def await_ready(
    name: str,
    probe: Probe,
    ended: Probe,
    log: Path,
    given_up: threading.Event,
    timeout_s: float,
    poll_s: float = POLL_S,
) -> None:
    """Poll until the probe has nothing to complain about.

    Raises NotReady when it ends meanwhile (``ended`` says how) or is not ready after ``timeout_s``, StackError when
    ``given_up`` is set because another part failed.
    """
    deadline = time.monotonic() + timeout_s
    while not given_up.is_set():
        if how := ended():
            raise NotReady(f"{name} ended with {how} while it was starting; its log ends\n{tail(log)}")
        status = probe()
        if status is None:
            return
        if time.monotonic() > deadline:
            raise NotReady(f"{name} was not ready after {timeout_s:g} s; {status}; its log ends\n{tail(log)}")
        given_up.wait(poll_s)
    raise StackError("another part of the stack failed")


def ask(port: int, method: str, path: str) -> tuple[int, bytes]:
    """One HTTP exchange with a part of the stack, around the proxies. OSError or HTTPException when it fails."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=ASK_TIMEOUT_S)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def http_ready(port: int, path: str = "/readyz") -> str | None:
    """None when it answers 200; else in words what it did."""
    try:
        status, body = ask(port, "GET", path)
    except (OSError, http.client.HTTPException) as error:
        return f"GET {path}: {error or type(error).__name__}"
    return None if status == 200 else f"GET {path} was answered {status}: {body[:200].decode(errors='replace').strip()}"
