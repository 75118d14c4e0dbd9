"""What a fault does to wires and stations, and what no engine will show of it. Used by the compiler."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from windtunnel.sim.faults import outage as gone
from windtunnel.sim.faults.passage import Facts
from windtunnel.sim.faults.registry import imagined
from windtunnel.sim.model import FaultWindow, Hop, Slow, Station, Wire
from windtunnel.sim.parts.outages import Outage
from windtunnel.spec import fault as said
from windtunnel.spec.scenario import Scenario


def fault_windows(
    scenario: Scenario, outages: Sequence[Outage], wires: Sequence[Wire], places: Mapping[str, int]
) -> Iterator[FaultWindow]:
    """Faults on links as they are said; a replica that is gone is an outage of every wire into it.

    ``places``: of the stations, by name. In the order of the scenario's faults.
    """
    numbers = {wire.name: number for number, wire in enumerate(wires)}
    for index, fault in enumerate(scenario.faults):
        if isinstance(fault, said.LinkFault):
            yield _on_link(index, fault, scenario, numbers)
        for outage in outages:
            if outage.fault == index:
                yield from _into(outage, fault, wires, places)


def _on_link(index: int, fault: said.AnyLinkFault, scenario: Scenario, numbers: Mapping[str, int]) -> FaultWindow:
    window = scenario.windows.named(fault.at)
    assert window is not None, "a scenario's faults lie in windows that have a length"
    known, imagination = imagined(fault)
    (caller, _, caller_replica), (callee, _, callee_replica) = (
        side.partition(".") for side in fault.target.split("->")
    )
    return FaultWindow(
        index=index,
        begin_s=window.start_s,
        end_s=window.end_s,
        wire=numbers[f"{caller}->{callee}"],
        caller_replica=int(caller_replica) if caller_replica else None,
        callee_replica=int(callee_replica) if callee_replica else None,
        kills=False,
        fault=known,
        imagined=imagination,
    )


def _into(
    outage: Outage, fault: said.AnyFault, wires: Sequence[Wire], places: Mapping[str, int]
) -> Iterator[FaultWindow]:
    for number, wire in enumerate(wires):
        if wire.callee == places[outage.component]:
            replica = "" if outage.replica is None else f".{outage.replica}"
            yield FaultWindow(
                index=outage.fault,
                begin_s=outage.begin_s,
                end_s=outage.end_s,
                wire=number,
                caller_replica=None,
                callee_replica=outage.replica,
                kills=True,
                fault=said.Outage(kind="outage", target=f"{wire.name}{replica}", at=fault.at),
                imagined=gone.IMAGINED,
            )


def slow_spells(scenario: Scenario, places: Mapping[str, int]) -> Iterator[Slow]:
    """Brownouts."""
    for fault in scenario.faults:
        if isinstance(fault, said.Brownout):
            window = scenario.windows.named(fault.at)
            assert window is not None, "a scenario's faults lie in windows that have a length"
            component, _, replica = fault.target.partition(".")
            yield Slow(places[component], int(replica) if replica else None, window.start_s, window.end_s, fault.factor)


def unmodelled(
    scenario: Scenario,
    windows: Sequence[FaultWindow],
    outages: Sequence[Outage],
    slow: Sequence[Slow],
    stations: Sequence[Station],
    wires: Sequence[Wire],
    hops: Sequence[Hop],
) -> tuple[str, ...]:
    """What faults would do that no engine will show, in words, each once."""
    words: list[str | None] = []
    for window in windows:
        if not window.kills:
            calls = [
                Facts(f"{wires[hop.wire].name}:{hop.op}", hop.request_bytes, hop.response_bytes)
                for hop in hops
                if hop.wire == window.wire
            ]
            words.append(window.imagined.unmodelled(window.fault, calls))
    hit = [(scenario.faults[outage.fault].kind, outage.component) for outage in outages]
    hit += [("brownout", stations[spell.station].name) for spell in slow]
    on_messages = {station.name for station in stations if station.queue or station.consumes is not None}
    words += [
        f"{kind} of {component}: its messages go on as if nothing had happened"
        for kind, component in hit
        if component in on_messages
    ]
    return tuple(dict.fromkeys(word for word in words if word))
