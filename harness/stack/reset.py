"""Emptying a stack between runs, each part proven by looking. Used by both backends.

Every function answers None when that is proven, else in words what may be left.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from windtunnel.chaos.capabilities import Proxy
from windtunnel.harness.stack import postgres, valkey
from windtunnel.harness.stack.ready import ask
from windtunnel.spec.architecture import LLM, Cache, Component, Database


def reset_instance(part: Component, port: int) -> str | None:
    """Remove rows, cached answers or the mock's ledger behind a port of 127.0.0.1; nothing of other kinds."""
    try:
        if isinstance(part, Database):
            return postgres.empty(port)
        if isinstance(part, Cache):
            return valkey.empty(port)
        if isinstance(part, LLM):
            ask(port, "POST", "/admin/reset")
            _, ledger = ask(port, "GET", "/admin/ledger")
            received = json.loads(ledger).get("received")
            return None if received == 0 else f"its ledger still has {received} requests"
    except Exception as error:  # whatever a driver raises: not proven
        return f"{type(error).__name__}: {error}"
    return None


def reset_toxiproxy(url: str, proxies: Iterable[Proxy]) -> str | None:
    """Remove every toxic and enable every proxy."""
    from windtunnel.chaos.toxiproxy import Toxiproxy, ToxiproxyError  # httpx costs 0.2 s

    try:
        with Toxiproxy(url) as toxiproxy:
            toxiproxy.reset()
            states = toxiproxy.proxies()
    except ToxiproxyError as error:
        return str(error)
    left = [name for name, state in states.items() if state.toxics or not state.enabled]
    missing = {proxy.name for proxy in proxies} - set(states)
    if left:
        return f"faults are left on {', '.join(left)}"
    return f"found no proxy {', '.join(sorted(missing))}" if missing else None
