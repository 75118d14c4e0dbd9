"""Which instances there are, and the proxies between them: pure functions of architecture and deployment.

Used by the backends. Every link is one Toxiproxy proxy per calling replica and called instance. A caller that is not
a gateway cannot balance: its replica i calls replica i (modulo their number) of the callee.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from windtunnel.chaos.capabilities import Proxy
from windtunnel.harness.stack.errors import StackError
from windtunnel.spec.architecture import CLIENT, PROTOCOL, Architecture, Cache, Database, Gateway
from windtunnel.spec.deployment import Deployment

CLIENT_INSTANCE = f"{CLIENT}.0"


@dataclass(frozen=True)
class Wiring:
    """Addresses and proxies of a stack."""

    addresses: Mapping[str, str]
    """host:port of each instance itself, by its name."""
    proxies: tuple[Proxy, ...]

    def behind(self, caller: str, callee: str) -> tuple[str, ...]:
        """Where a calling instance reaches each instance of a component, proxied."""
        return tuple(p.listen for p in self.proxies if p.caller == caller and component(p.callee) == callee)

    def route(self, caller: str, callee: str) -> str:
        """The one of them that a caller which does not balance is given."""
        choices = self.behind(caller, callee)
        return choices[int(caller.rpartition(".")[2]) % len(choices)]


def wire(architecture: Architecture, deployment: Deployment, take: Callable[[], str]) -> Wiring:
    """Give every instance and every proxy an address from ``take``. StackError for what no backend can run."""
    check(architecture, deployment)
    addresses = {
        instance: take() for component in architecture.components for instance in deployment.instances(component)
    }
    proxies = []
    for link in architecture.links:
        callers = (CLIENT_INSTANCE,) if link.caller == CLIENT else deployment.instances(link.caller)
        for caller in callers:
            for callee in deployment.instances(link.callee):
                proxies.append(
                    Proxy(
                        name=f"{caller}~{callee}",
                        caller=caller,
                        callee=callee,
                        listen=take(),
                        upstream=addresses[callee],
                        protocol=PROTOCOL[architecture.components[link.callee].kind],
                    )
                )
    return Wiring(addresses, tuple(proxies))


def check(architecture: Architecture, deployment: Deployment) -> None:
    """Refuse, in a sentence, what cannot be run: before anything is started."""
    entries = architecture.callees(CLIENT)
    if len(entries) != 1:
        raise StackError(f"found {len(entries)} links from {CLIENT}, expected one: where the load goes")
    unknown = deployment.place.keys() - architecture.components.keys()
    if unknown:
        words = ", ".join(sorted(unknown))
        raise StackError(f"found {words} placed by {deployment.name}, expected components of {architecture.name}")
    for name, part in architecture.components.items():
        replicas = deployment.replicas(name)
        if replicas > 1 and isinstance(part, (Database, Cache)):
            raise StackError(f"found {replicas} replicas of {name}, expected 1: a {part.kind} is not replicated yet")
        if replicas > 1 and name == entries[0]:
            raise StackError(f"found {replicas} replicas of {name}, expected 1, or a gateway before it that balances")
        behind = architecture.callees(name)
        if isinstance(part, Gateway) and len(behind) != 1:
            raise StackError(f"found {len(behind)} links from the gateway {name}, expected one: what is behind it")


def component(instance: str) -> str:
    """``app`` of ``app.0``."""
    return instance.rpartition(".")[0]
