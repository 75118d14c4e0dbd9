"""The addresses of a running stack, on the terminal. Used by ``up``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from windtunnel.harness.report.console import console, grid, say, table

if TYPE_CHECKING:  # only for the types: it brings all of telemetry, which no other report needs
    from windtunnel.harness.stack.stack import Stack


def print_stack(stack: Stack, out: Console | None = None) -> None:
    """Where to send requests, where to send faults, what runs, and the link behind each proxy."""
    out = out or console()
    say(out, (f"{stack.architecture.name} is up ({stack.backend}). Ctrl-C ends it.", "bold"))
    doors = grid()
    doors.add_row("requests", stack.entry_url)
    doors.add_row("toxiproxy", stack.toxiproxy_url)
    out.print(doors)
    parts = table("instance", "address", "log")
    for instance in stack.instances:
        parts.add_row(instance.name, instance.address, str(instance.log))
    out.print(parts)
    links = table("proxy", "from", "to", "listens on", "leads to")
    for proxy in stack.proxies:
        links.add_row(proxy.name, proxy.caller, proxy.callee, proxy.listen, proxy.upstream)
    out.print(links)
