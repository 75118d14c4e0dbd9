"""A toxic by its own name on real wires. Seen as the fault that has a word of ours for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, log
from typing import Any

from pydantic import ValidationError

from windtunnel.chaos import canary
from windtunnel.chaos.canary import CannotShow, Probe, Sight
from windtunnel.chaos.faults.bandwidth import Bandwidth
from windtunnel.chaos.faults.blackhole import Blackhole
from windtunnel.chaos.faults.change import AddToxic
from windtunnel.chaos.faults.fragmentation import Fragmentation
from windtunnel.chaos.faults.latency import Latency
from windtunnel.chaos.faults.reset import Reset
from windtunnel.chaos.faults.side import RealSide
from windtunnel.chaos.faults.slow_close import SlowClose
from windtunnel.chaos.faults.truncation import Truncation
from windtunnel.spec import fault as spec
from windtunnel.spec.run import Evidence

Attributes = Mapping[str, Any]

MOST_CANARIES = 64
UNSEEN = 0.001
"""How often, at most, a toxicity below 1 may pass all canaries by, and be called not proven for it."""


def _latency(of: dict[str, Any], given: Attributes) -> RealSide:
    jitter = given.get("jitter", 0)
    return Latency(spec.Latency(kind="latency", latency_ms=given.get("latency", 0), jitter_ms=jitter, **of))


def _bandwidth(of: dict[str, Any], given: Attributes) -> RealSide:
    return Bandwidth(spec.Bandwidth(kind="bandwidth", rate_kb_per_s=given.get("rate", 0), **of))


def _slow_close(of: dict[str, Any], given: Attributes) -> RealSide:
    return SlowClose(spec.SlowClose(kind="slow_close", delay_ms=given.get("delay", 0), **of))


def _timeout(of: dict[str, Any], given: Attributes) -> RealSide:
    return Blackhole(spec.Blackhole(kind="blackhole", close_after_ms=given.get("timeout", 0), **of))


def _reset_peer(of: dict[str, Any], given: Attributes) -> RealSide:
    return Reset(spec.Reset(kind="reset", after_ms=given.get("timeout", 0), **of))


def _slicer(of: dict[str, Any], given: Attributes) -> RealSide:
    sizes = {"size_bytes": given.get("average_size", 0), "variation_bytes": given.get("size_variation", 0)}
    return Fragmentation(spec.Fragmentation(kind="fragmentation", delay_us=given.get("delay", 0), **sizes, **of))


def _limit_data(of: dict[str, Any], given: Attributes) -> RealSide:
    return Truncation(spec.Truncation(kind="truncation", bytes=given.get("bytes", 0), **of))


_ALIKE: Mapping[str, Callable[[dict[str, Any], Attributes], RealSide]] = {
    "latency": _latency,
    "bandwidth": _bandwidth,
    "slow_close": _slow_close,
    "timeout": _timeout,
    "reset_peer": _reset_peer,
    "slicer": _slicer,
    "limit_data": _limit_data,
}


@dataclass(frozen=True)
class Toxic:
    """Type, attributes and toxicity as they are given; the server says what it thinks of them."""

    fault: spec.Toxic

    def change(self) -> AddToxic:
        """The toxic."""
        given = self.fault
        lingers = given.attributes.get("timeout", 0) if given.type == "reset_peer" else 0
        lingers_ms = lingers if isinstance(lingers, int) else 0
        return AddToxic(given.type, given.attributes, given.stream, given.toxicity, lingers_ms=lingers_ms)

    def _alike(self) -> RealSide | None:
        """The fault of ours that does the same; None where there is none, as with settings that do nothing."""
        make = _ALIKE.get(self.fault.type)
        try:
            return make and make({"target": self.fault.target, "stream": self.fault.stream}, self.fault.attributes)
        except ValidationError:
            return None

    def probe(self, protocol: canary.Protocol, patience_ms: float) -> Probe | CannotShow:
        """That of the like fault; with a toxicity below 1 so many that one of them will be taken."""
        alike = self._alike()
        if alike is None:
            settings = ", ".join(f"{key}={value}" for key, value in self.fault.attributes.items()) or "no attributes"
            return CannotShow(f"no canary shows a toxic {self.fault.type} with {settings}")
        probe = alike.probe(protocol, patience_ms)
        toxicity = self.fault.toxicity
        if isinstance(probe, CannotShow) or toxicity == 1:
            return probe
        count = ceil(log(UNSEEN) / log(1 - toxicity)) if toxicity > 0 else MOST_CANARIES + 1
        if count > MOST_CANARIES:
            return CannotShow(f"{MOST_CANARIES} canaries may all be passed by at a toxicity of {toxicity:g}")
        return Probe(probe.request_bytes, probe.answer_bytes, probe.closing, probe.patience_ms, count)

    def effect(self, before: Sight, now: Sight) -> Evidence:
        """As the like fault sees it; with a toxicity below 1, on one canary at least."""
        alike = self._alike()
        assert alike is not None, "an effect is asked for only where a probe shows it"
        if self.fault.toxicity == 1:
            return alike.effect(before, now)
        each = [alike.effect(before, Sight((exchange,), now.patience_ms)) for exchange in now.exchanges]
        taken = [evidence for evidence in each if evidence.proven]
        words = f"{len(taken)} of {len(each)} canaries taken at a toxicity of {self.fault.toxicity:g}"
        words += " (drawn by the server: unrepeatable)"
        return Evidence(proven=bool(taken), what=f"{words}: {(taken or each)[0].what}")
