"""Every kind of fault that the spec knows, imagined. Used by the compiler of the model."""

from __future__ import annotations

from windtunnel.sim.faults import (
    bandwidth,
    blackhole,
    fragmentation,
    latency,
    outage,
    reset,
    slow_close,
    toxic,
    truncation,
)
from windtunnel.sim.faults.passage import Imagined
from windtunnel.spec.fault import AnyFault, Toxic

IMAGINED: dict[str, Imagined] = {
    "latency": latency.IMAGINED,
    "bandwidth": bandwidth.IMAGINED,
    "blackhole": blackhole.IMAGINED,
    "reset": reset.IMAGINED,
    "outage": outage.IMAGINED,
    "slow_close": slow_close.IMAGINED,
    "fragmentation": fragmentation.IMAGINED,
    "truncation": truncation.IMAGINED,
    "toxic": toxic.IMAGINED,
}


def imagined(fault: AnyFault) -> tuple[AnyFault, Imagined]:
    """A fault and how it is imagined; a toxic that has a kind of its own is that kind from here on."""
    known = toxic.named(fault) if isinstance(fault, Toxic) else None
    return known or (fault, IMAGINED[fault.kind])  # type: ignore[return-value]
