"""Whether a window of a forecast keeps up with its load, with the reason in words. Used by answers.

Three signs that it does not: the number of requests in the system grows; messages pile up in a queue; or what is turned
away or times out would have needed more than there is of what is busy all the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from windtunnel.sim.answers.counted import is_counted
from windtunnel.sim.answers.readings import Readings
from windtunnel.sim.answers.saturation import number_in_system, saturation
from windtunnel.sim.answers.uses import Use
from windtunnel.spec.architecture import CLIENT, Queue
from windtunnel.spec.run import Run
from windtunnel.spec.scenario import Window

LOOKS = 401
"""At the number in system, in a window."""
FEWEST_LOOKS = 201
"""Of monitoring, of which growth can be told."""
GROWS = "requests in the system grow"
NOTABLE = 10
"""Requests by which the number in system has to grow in the window's second half; fewer come and go by chance."""
NOTABLE_SHARE = 0.01
"""Of the arrivals in that half, likewise: where the load itself rises and falls, so does the number in system."""
FULL = 0.9
"""Share of its capacity from which on something is busy all the time."""
LOST = 0.01
"""Share of the requests turned away or timed out that is no accident."""
ALWAYS = 0.98
"""Share of its capacity from which on a queue that was not seen to come back is taken for one that never will: a mean
over so short a window would say nothing in any case."""
HIGH = 0.8
"""Share of its capacity from which on it is a question whether a system keeps up."""


@dataclass(frozen=True)
class Excess:
    """Of the load over what is worked off."""

    UNDECIDED: ClassVar[str] = "the window is too short to tell whether"

    why: str | None
    """It does not keep up, for this reason. None: it does, or that cannot be told."""
    doubt: str | None = None
    """That it cannot be told, in words."""


def excess(
    run: Run, window: Window, requests: float, errors: Mapping[str, float], scarcest: Use | None, readings: Readings
) -> Excess:
    """Of one window: its requests, those of them that failed by outcome, and what is nearest to its limit."""
    undecided = False
    for of, in_system, every_s, arrivals in _numbers(run, window, requests, readings):
        found = saturation(in_system, every_s)
        half_s = (window.end_s - window.start_s) / 2
        notable = found.growth_per_s.mean * half_s > max(NOTABLE, NOTABLE_SHARE * arrivals / 2)
        if found.verdict == "saturated" and notable:
            full = scarcest is not None and scarcest.utilisation >= FULL
            room = f", and {scarcest.name} has no room left" if scarcest is not None and full else ""
            return Excess(f"{of} by {found.growth_per_s.mean:.3g} a second{room}")
        undecided = undecided or found.verdict != "stable"
    if lost := _lost(requests, errors, scarcest):
        return Excess(lost)
    if undecided and scarcest is not None and run.record.scenario.load.arrivals != "closed":
        if scarcest.utilisation >= ALWAYS:
            return Excess(f"{scarcest.name} is busy all the time, and its queue was not seen to come back")
        if scarcest.utilisation >= HIGH:
            return Excess(
                None, f"{Excess.UNDECIDED} it keeps up: {scarcest.name} is used to {scarcest.utilisation:.0%}"
            )
    return Excess(None)


def _numbers(
    run: Run, window: Window, requests: float, readings: Readings
) -> list[tuple[str, NDArray[np.float64], float, float]]:
    """(what grows, in words; its size over the window; every so many seconds; what came to it)."""
    scenario, found = run.record.scenario, []
    if scenario.load.arrivals != "closed" and not is_counted(run):
        at_s = np.linspace(window.start_s, window.end_s, LOOKS)
        begun_s, done_s = run.samples["intended_s"].to_numpy(), run.samples["done_s"].to_numpy()
        in_system = number_in_system(begun_s, done_s, at_s).astype(np.float64)
        found.append((GROWS, in_system, float(at_s[1] - at_s[0]), requests))
    elif scenario.load.arrivals != "closed":
        in_system = _in_system(run, window, readings)
        if len(in_system) >= FEWEST_LOOKS:
            found.append((GROWS, in_system, scenario.scrape_s, requests))
    for name, part in run.record.architecture.components.items():
        _, waiting = readings.looks("queue", name, window)
        if isinstance(part, Queue) and len(waiting) >= FEWEST_LOOKS:
            found.append((f"messages in {name} grow", waiting, scenario.scrape_s, 0.0))
    return found


def _in_system(run: Run, window: Window, readings: Readings) -> NDArray[np.float64]:
    """From counters: the client's first exchanges so far, less the requests that have ended."""
    at_s, ended = readings.looks("requests", "", window)
    begun = np.zeros(len(at_s))
    for link in run.record.architecture.links:
        if link.caller == CLIENT:
            _, attempts = readings.looks("attempts", link.name, window)
            _, retries = readings.looks("retries", link.name, window)
            begun += attempts - retries
    return begun - ended


def _lost(requests: float, errors: Mapping[str, float], scarcest: Use | None) -> str | None:
    """What was turned away or timed out counts as asked for: then more is asked for than there is."""
    if scarcest is None or not requests or scarcest.utilisation < FULL:
        return None
    lost = sum(errors.get(outcome, 0.0) for outcome in ("timeout", "rejected", "open")) / requests
    if lost < LOST or scarcest.utilisation < 1 - lost:
        return None
    return f"{lost * 100:.1f} % of the requests are turned away or time out, and {scarcest.name} has no room for them"
