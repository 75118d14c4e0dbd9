"""When a balancer leaves which replica out, since its readiness checks fail. Used by the compiler.

A service is ready when its databases answer it: a check crosses the balancer's link and theirs, to the replica that
is primary then.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from windtunnel.sim.faults.passage import Leg
from windtunnel.sim.model import FaultWindow, Reign, Sick, Station, Wire

PROBE_BYTES = 200
PROBE_TIMEOUT_S = 1.0
"""A readiness check: about so many bytes each way, and failed when it takes longer."""
ALWAYS = (Reign(0.0, 0),)


def sick_spells(faults: Sequence[FaultWindow], wires: Sequence[Wire], stations: Sequence[Station]) -> Iterator[Sick]:
    """From the first check that a fault makes fail, which tells at once or at its time-out, to the first after it."""
    failing = [(fault, silent) for fault in faults if (silent := _check_fails(fault)) is not None]
    for number, wire in enumerate(wires):
        every_s = wire.health_interval_s
        if every_s is None:
            continue
        behind = [
            (other, databases.reigns or ALWAYS)
            for other, link in enumerate(wires)
            if link.caller == wire.callee and link.to_database
            for databases in (stations[link.callee],)
        ]
        for fault, silent in failing:
            for replica, begin_s, end_s in _felt(fault, number, behind, stations[wire.callee].replicas):
                told_s = math.ceil(begin_s / every_s) * every_s + (PROBE_TIMEOUT_S if silent else 0.0)
                healed_s = math.ceil(end_s / every_s) * every_s
                if told_s < healed_s:
                    yield Sick(number, replica, told_s, healed_s)


def _felt(
    fault: FaultWindow, wire: int, behind: Sequence[tuple[int, Sequence[Reign]]], replicas: int
) -> Iterator[tuple[int, float, float]]:
    """Which replica's checks meet the fault, from when until when."""
    if fault.wire == wire and fault.caller_replica in (None, 0):
        for replica in range(replicas) if fault.callee_replica is None else (fault.callee_replica,):
            yield replica, fault.begin_s, fault.end_s
    for database, reigns in behind:
        if fault.wire != database:
            continue
        ends_s = [reign.begin_s for reign in reigns[1:]] + [math.inf]
        spells = [
            (max(fault.begin_s, reign.begin_s), min(fault.end_s, end_s))
            for reign, end_s in zip(reigns, ends_s, strict=True)
            if fault.callee_replica in (None, reign.replica)
        ]
        spells = [(begin_s, until_s) for begin_s, until_s in spells if begin_s < until_s]
        if spells:  # of thousands of replicas that fail, few are primary
            for replica in range(replicas) if fault.caller_replica is None else (fault.caller_replica,):
                yield from ((replica, begin_s, until_s) for begin_s, until_s in spells)


def _check_fails(fault: FaultWindow) -> bool | None:
    """Whether a readiness check through this fault fails; True: by its time-out, False: at once, None: it passes."""
    legs = (Leg("upstream", PROBE_BYTES), Leg("downstream", PROBE_BYTES))
    passages = [fault.imagined.passage(fault.fault, leg, lambda _: 0.5) for leg in legs]
    late_ms = sum(passage.last_ms for passage in passages)
    if any(passage.lost or passage.broken_off for passage in passages):
        late_ms = min((p.cut_after_ms for p in passages if p.cut_after_ms is not None), default=math.inf)
        return late_ms >= PROBE_TIMEOUT_S * 1000
    return True if late_ms > PROBE_TIMEOUT_S * 1000 else None
