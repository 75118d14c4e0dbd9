"""What a fault changes on one proxy, and how that is undone and looked up. Made by faults, carried out by ``inject``.

Change
    AddToxic   a toxic in one direction
    Disable    the proxy refuses: ``enabled: false``
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from windtunnel.chaos.capabilities import HttpCall
from windtunnel.chaos.toxiproxy import ProxyState, Stream, Toxiproxy, proxy_path, toxic_path
from windtunnel.spec.problem import did_you_mean


@dataclass(frozen=True)
class AddToxic:
    """A toxic, named by whoever injects it."""

    type: str
    attributes: Mapping[str, Any]
    stream: Stream
    toxicity: float = 1.0
    lingers_ms: float = field(default=0, kw_only=True)
    """How long an open connection may hold up the removal (reset_peer sleeps and cannot be woken)."""

    def apply(self, api: Toxiproxy, proxy: str, name: str) -> None:
        """Add it. ToxiproxyError."""
        api.add_toxic(proxy, self.type, self.attributes, stream=self.stream, toxicity=self.toxicity, name=name)

    def undo(self, api: Toxiproxy, proxy: str, name: str) -> None:
        """Remove it. ToxiproxyError; NotFound where it is gone already."""
        api.remove_toxic(proxy, name)

    def heal(self, url: str, proxy: str, name: str) -> HttpCall:
        """What undoes it in somebody else's hands."""
        return HttpCall("DELETE", url + toxic_path(proxy, name))

    def undone(self, state: ProxyState, name: str) -> bool:
        """Whether the server has it no more."""
        return state.toxic(name) is None

    def difference(self, state: ProxyState, name: str) -> str | None:
        """How what the server has differs from what was asked, in words; None: as asked."""
        if not state.enabled:
            return "the proxy is disabled"
        found = state.toxic(name)
        if found is None:
            return "the toxic is gone"
        asked = {"type": self.type, "stream": self.stream, "toxicity": round(self.toxicity, 6)}
        have = {"type": found.type, "stream": found.stream.lower(), "toxicity": round(found.toxicity, 6)}
        wrong = [f"asked {key} {asked[key]!r}, found {have[key]!r}" for key in asked if asked[key] != have[key]]
        for key, value in self.attributes.items():
            if key not in found.attributes:
                meant = did_you_mean(key, found.attributes)
                wrong.append(f"{self.type} has no attribute {key!r}" + (f", did you mean {meant!r}?" if meant else ""))
            elif found.attributes[key] != value:
                wrong.append(f"asked {key} {value!r}, found {found.attributes[key]!r}")
        return "; ".join(wrong) or None


@dataclass(frozen=True)
class Disable:
    """The proxy closes its connections and refuses new ones."""

    lingers_ms: float = field(default=0, kw_only=True)

    def apply(self, api: Toxiproxy, proxy: str, _: str) -> None:
        """Disable it. ToxiproxyError."""
        api.update(proxy, enabled=False)

    def undo(self, api: Toxiproxy, proxy: str, _: str) -> None:
        """Enable it again. ToxiproxyError."""
        api.update(proxy, enabled=True)

    def heal(self, url: str, proxy: str, _: str) -> HttpCall:
        """What undoes it in somebody else's hands."""
        return HttpCall("PATCH", url + proxy_path(proxy), {"enabled": True})

    def undone(self, state: ProxyState, _: str) -> bool:
        """Whether the proxy is up again."""
        return state.enabled

    def difference(self, state: ProxyState, _: str) -> str | None:
        """In words, if the proxy is up after all."""
        return "the proxy is enabled" if state.enabled else None


Change = AddToxic | Disable


def whole(name: str, value: float) -> int:
    """A setting as Toxiproxy counts it. ValueError on a fraction, which the server would refuse."""
    if value != int(value):
        raise ValueError(f"{name}: found {value:g}, expected a whole number: Toxiproxy counts no finer")
    return int(value)
