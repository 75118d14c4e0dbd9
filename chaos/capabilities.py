"""What a target can suffer. Small protocols: a stack offers those that it can, a fault asks for those it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True)
class Proxy:
    """One Toxiproxy proxy: one calling replica to one called instance."""

    name: str
    """``app.0~llm.0``: needs no escaping in a URL."""
    caller: str
    """The calling instance: ``app.0``; ``client.0`` for the load."""
    callee: str
    """The called instance: ``llm.0``."""
    listen: str
    """host:port where the caller connects."""
    upstream: str
    """host:port of the callee, as Toxiproxy sees it."""
    protocol: Literal["http", "postgres", "redis"]


@dataclass(frozen=True)
class HttpCall:
    """A request that undoes something: what a lease sends when it runs out."""

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    url: str
    json: dict[str, object] | None = None


class Lease(Protocol):
    """Somebody who outlives us will undo what we did, unless we come back in time."""

    def renew(self, ttl_s: float) -> None:
        """Put the end off to ``ttl_s`` from now."""

    def release(self) -> None:
        """We have undone it ourselves."""


class Proxied(Protocol):
    """Its links go through Toxiproxy."""

    @property
    def toxiproxy_url(self) -> str:
        """The control address: ``http://127.0.0.1:8474``."""

    @property
    def proxies(self) -> tuple[Proxy, ...]:
        """All of them."""

    def lease(self, heal: Sequence[HttpCall], ttl_s: float) -> Lease:
        """Have ``heal`` sent by the supervisor in ``ttl_s`` seconds, or at once when this process dies."""


def on_link(proxied: Proxied, link: str) -> tuple[Proxy, ...]:
    """The proxies of ``app->llm`` (all replicas) or ``app.0->llm``. ValueError where there is none."""
    caller, _, callee = link.partition("->")

    def matches(instance: str, wanted: str) -> bool:
        return instance == wanted or instance.rpartition(".")[0] == wanted

    found = tuple(p for p in proxied.proxies if matches(p.caller, caller) and matches(p.callee, callee))
    if not found:
        known = ", ".join(
            sorted({p.caller.rpartition(".")[0] + "->" + p.callee.rpartition(".")[0] for p in proxied.proxies})
        )
        raise ValueError(f"found no link {link}, expected one of {known}")
    return found
