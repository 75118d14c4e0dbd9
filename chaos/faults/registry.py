"""Every kind of fault with its side on real wires. Read by ``inject``; a new kind is entered here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from windtunnel.chaos.faults.bandwidth import Bandwidth
from windtunnel.chaos.faults.blackhole import Blackhole
from windtunnel.chaos.faults.fragmentation import Fragmentation
from windtunnel.chaos.faults.latency import Latency
from windtunnel.chaos.faults.outage import Outage
from windtunnel.chaos.faults.reset import Reset
from windtunnel.chaos.faults.side import RealSide
from windtunnel.chaos.faults.slow_close import SlowClose
from windtunnel.chaos.faults.toxic import Toxic
from windtunnel.chaos.faults.truncation import Truncation

REAL: Mapping[str, Callable[[Any], RealSide]] = {
    "latency": Latency,
    "bandwidth": Bandwidth,
    "blackhole": Blackhole,
    "reset": Reset,
    "outage": Outage,
    "slow_close": SlowClose,
    "fragmentation": Fragmentation,
    "truncation": Truncation,
    "toxic": Toxic,
}
"""By ``fault.kind``; each is made from the fault."""
