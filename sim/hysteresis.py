"""Where a service collapses when the load rises, and where it recovers when the load falls again. Used by notebooks.

A metastable failure outlives its trigger: what the trigger brought about (retries, an empty cache) keeps the service
down. Between the load at which it recovers and the load that it holds as long as nothing happens lie the loads at which
it may be up or down; which of the two it is depends on what has happened to it: hysteresis.

N. Bronson, A. Aghayev, A. Charapko, T. Zhu, "Metastable Failures in Distributed Systems", HotOS 2021.
L. Huang et al., "Metastable Failures in the Wild", OSDI 2022: triggers are spikes of load or drops of capacity, what
sustains the failure is more work or less capacity; ``scenarios/metastable_*.yaml`` has one of each of the four.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from windtunnel.sim.explore.subject import Subject
from windtunnel.sim.model import SUCCESSFUL
from windtunnel.spec.load import Load
from windtunnel.spec.problem import Problem, SpecError
from windtunnel.spec.scenario import Scenario

UP = 0.9
"""The share of good answers from which on a service is up: between up and down nothing lasts for long."""


@dataclass(frozen=True)
class Step:
    """One load, with and without the trigger."""

    rate_per_s: float
    quiet: float
    """Share of good answers where nothing has happened."""
    shaken: float
    """Share of good answers long after the trigger has gone."""


@dataclass(frozen=True)
class Hysteresis:
    """The way up and the way down."""

    steps: tuple[Step, ...]
    """By rate, ascending."""

    @property
    def holds_per_s(self) -> float:
        """The highest of the rates up to which the service is up as long as nothing happens; 0: not at the lowest."""
        return self._up_to([step.quiet for step in self.steps])

    @property
    def recovers_per_s(self) -> float:
        """The highest of the rates up to which the service is up again after the trigger; 0: not at the lowest."""
        return self._up_to([step.shaken for step in self.steps])

    def _up_to(self, shares: Sequence[float]) -> float:
        held = [step for step, _ in takewhile(lambda pair: pair[1] >= UP, zip(self.steps, shares, strict=True))]
        return held[-1].rate_per_s if held else 0.0


def hysteresis(subject: Subject, rates_per_s: Sequence[float]) -> Hysteresis:
    """A run for each rate with the scenario's trigger (its flash crowd, its faults), and one without.

    Looked at is the second half of the window ``after``. The crowd is the same at every rate. SpecError where the
    scenario has no such window or nothing that could be a trigger.
    """
    scenario = subject.scenario
    if scenario.windows.named("after") is None:
        raise SpecError([Problem("windows.after_s", "0", "seconds after the trigger")])
    if scenario.load.arrivals != "flash" and not scenario.faults:
        raise SpecError(
            [Problem("", "neither a flash crowd nor faults", "something that could bring the service down")]
        )
    return Hysteresis(
        tuple(
            Step(
                rate,
                quiet=_good(replace(subject, scenario=undisturbed(_at(scenario, rate)))),
                shaken=_good(replace(subject, scenario=_at(scenario, rate))),
            )
            for rate in sorted(rates_per_s)
        )
    )


def undisturbed(scenario: Scenario) -> Scenario:
    """The scenario without its faults and its flash crowd, and without the recovery from them as an objective."""
    load = scenario.load
    if load.arrivals == "flash":
        load = Load(rate_per_s=load.rate_per_s, flows=load.flows, prompts=load.prompts, tenants=load.tenants)
    kept = {
        window: {metric: bound for metric, bound in objectives.items() if metric != "recovery_s"}
        for window, objectives in scenario.objectives.items()
    }
    objectives = {window: bounds for window, bounds in kept.items() if bounds}
    return scenario.model_copy(update={"load": load, "faults": (), "objectives": objectives})


def _at(scenario: Scenario, rate_per_s: float) -> Scenario:
    load = Load.model_validate(scenario.load.model_dump() | {"rate_per_s": rate_per_s})
    return scenario.model_copy(update={"load": load})


def _good(subject: Subject) -> float:
    """Share of good answers to the requests that are due in the second half of ``after``."""
    from windtunnel.sim.compiled import Compiled  # only where something runs: numba alone takes a second

    window = subject.scenario.windows.named("after")
    assert window is not None, "hysteresis has looked"
    engine = Compiled(subject.model(), spans=False)
    engine.run()
    rows = engine.samples()
    late = rows[(rows["intended"] >= (window.start_s + window.end_s) / 2) & (rows["intended"] < window.end_s)]
    good = [outcome in SUCCESSFUL for outcome in late["outcome"].tolist()]
    return sum(good) / len(good) if good else 1.0
