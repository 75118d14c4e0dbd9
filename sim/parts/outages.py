"""When which replicas are down: killed, with their zone, or at random. Used by the compiler."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from windtunnel.sim.draws import Draws, Purpose
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.fault import AnyFault, Kill, RandomOutages, ZoneOutage
from windtunnel.spec.problem import Problem
from windtunnel.spec.scenario import Scenario, Window

MOST_OUTAGES = 100_000
"""Of one fault, over all replicas, on average: more of them are no scenario but a slip of the unit."""


@dataclass(frozen=True)
class Outage:
    """A replica (None: every one) of a component is gone from begin_s to end_s."""

    fault: int
    """Index of the scenario's fault."""
    component: str
    replica: int | None
    begin_s: float
    end_s: float


def outages(scenario: Scenario, deployment: Deployment, copies: Mapping[str, int]) -> tuple[Outage, ...]:
    """All of them, in the order of the faults. ``copies``: replicas by component."""
    found: list[Outage] = []
    for index, fault in enumerate(scenario.faults):
        window = scenario.windows.named(fault.at)
        assert window is not None, "a scenario's faults lie in windows that have a length"
        for component, replica in _targets(fault, deployment, copies):
            if isinstance(fault, RandomOutages):
                assert replica is not None, "each replica fails for itself"
                spells = _at_random(fault, Draws(scenario.seed), index, replica, window)
            else:
                spells = iter([(window.start_s, window.end_s)])
            found += [Outage(index, component, replica, begin_s, end_s) for begin_s, end_s in spells]
    return tuple(found)


def too_many(scenario: Scenario, deployment: Deployment, copies: Mapping[str, int]) -> Iterator[Problem]:
    """Random outages that would be more than anybody means."""
    for index, fault in enumerate(scenario.faults):
        window = scenario.windows.named(fault.at)
        if isinstance(fault, RandomOutages) and window is not None:
            replicas = len(list(_targets(fault, deployment, copies)))
            expected = replicas * (window.end_s - window.start_s) / (fault.mtbf_s + fault.mttr_s)
            if expected > MOST_OUTAGES:
                yield Problem(
                    f"faults[{index}].mtbf_s",
                    f"about {expected:,.0f} outages",
                    f"at most {MOST_OUTAGES:,}: a longer one",
                )


def _targets(fault: AnyFault, deployment: Deployment, copies: Mapping[str, int]) -> Iterator[tuple[str, int | None]]:
    """(component, replica) that a fault takes down; none where it does something else."""
    match fault:
        case Kill():
            component, _, replica = fault.target.partition(".")
            yield component, int(replica) if replica else None
        case RandomOutages():
            component, _, replica = fault.target.partition(".")
            yield from ((component, each) for each in ([int(replica)] if replica else range(copies[component])))
        case ZoneOutage():
            everybody = ((component, place) for component, count in copies.items() for place in range(count))
            yield from (each for each in everybody if deployment.zone(*each) == fault.target)
        case _:
            return


def _at_random(
    fault: RandomOutages, draws: Draws, index: int, replica: int, window: Window
) -> Iterator[tuple[float, float]]:
    """Times up and down in turn, both exponential, from the window's start on: an alternating renewal process."""
    now_s, drawn = window.start_s, 0
    while now_s < window.end_s:
        begin_s = now_s + _exponential(fault.mtbf_s, draws.uniform(replica, index, 0, Purpose.OUTAGE, drawn))
        now_s = begin_s + _exponential(fault.mttr_s, draws.uniform(replica, index, 0, Purpose.OUTAGE, drawn + 1))
        drawn += 2
        if begin_s < min(now_s, window.end_s):
            yield begin_s, min(now_s, window.end_s)


def _exponential(mean_s: float, u: float) -> float:
    return -mean_s * math.log1p(-u)
