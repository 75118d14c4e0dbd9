"""One question to a service: load, faults, objectives. Executed for real and simulated, unchanged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator

from windtunnel.spec.alert import Alert
from windtunnel.spec.architecture import CLIENT, Architecture
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.fault import Fault, WindowName
from windtunnel.spec.frozen import Frozen, Name, Positive, Seconds
from windtunnel.spec.load import Load
from windtunnel.spec.objective import Objectives
from windtunnel.spec.problem import Problem, did_you_mean, problem_at


@dataclass(frozen=True)
class Window:
    """A stretch of the run, seconds after its zero."""

    name: str
    start_s: float
    end_s: float


class Windows(Frozen):
    """How long each part lasts. The warm-up is run and recorded, and not judged."""

    warm_up_s: Seconds = 3
    before_s: Seconds = 0
    during_s: Annotated[float, Field(gt=0)]
    after_s: Seconds = 0

    @property
    def total_s(self) -> float:
        """The whole run."""
        return self.warm_up_s + self.before_s + self.during_s + self.after_s

    def spans(self) -> tuple[Window, ...]:
        """The windows that have a length, in time's order, warm-up included."""
        found: list[Window] = []
        now = 0.0
        for name in ("warm_up", "before", "during", "after"):
            length: float = getattr(self, f"{name}_s")
            if length > 0:
                found.append(Window(name, now, now + length))
            now += length
        return tuple(found)

    def named(self, name: str) -> Window | None:
        """The window of that name, or None where it has no length."""
        return next((window for window in self.spans() if window.name == name), None)


class Scenario(Frozen):
    """One screen that says what is asked, under what load and faults, and what a good answer is."""

    name: Name = "unnamed"
    """The file's name where the file says nothing."""
    question: str
    architecture: str
    """A built-in one (mvp, scale) or a path, seen from the scenario's file."""
    deployment: str | None = None
    """A built-in one or a path. None: ``<architecture>.laptop`` beside the architecture, where that exists."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    load: Load
    windows: Windows
    faults: tuple[Fault, ...] = ()
    objectives: Annotated[dict[WindowName, Objectives], Field(min_length=1)]
    scrape_s: Positive = 0.5
    """How often monitoring looks: the step of the forecast's time series, and of the alerts."""
    alerts: dict[Name, Alert] = {}
    """Rules of the monitoring; the answer says when each fires."""
    requires: tuple[Literal["containers", "root"], ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Scenario:
        for index, fault in enumerate(self.faults):
            if self.windows.named(fault.at) is None:
                raise problem_at(
                    f"faults[{index}].at",
                    f"{fault.at!r}",
                    f"a window with a length: set windows.{fault.at}_s",
                )
        for name, objectives in self.objectives.items():
            if self.windows.named(name) is None:
                raise problem_at(f"objectives.{name}", "objectives", f"a length for windows.{name}_s above 0")
            if "recovery_s" in objectives and (name != "after" or not self.faults):
                raise problem_at(
                    f"objectives.{name}.recovery_s",
                    "a recovery",
                    "it under `after`, in a scenario with faults",
                )
        return self


def misfits(scenario: Scenario, architecture: Architecture, deployment: Deployment) -> list[Problem]:
    """What a scenario or a deployment names that the architecture does not have; empty: they fit."""
    found: list[Problem] = []

    def unknown(path: str, word: str, what: str, known: Iterable[str]) -> None:
        names = list(known)
        expected = f"{what} of the architecture {architecture.name} ({', '.join(names)})"
        found.append(Problem(path, repr(word), expected, suggestion=did_you_mean(word, names)))

    for name in scenario.load.flows:
        if name not in architecture.flows:
            unknown(f"load.flows.{name}", name, "a flow", architecture.flows)
    links = {link.name: link for link in architecture.links}
    for index, fault in enumerate(scenario.faults):
        ends = [end.partition(".") for end in fault.target.split("->")]
        link = "->".join(component for component, _, _ in ends)
        if link not in links:
            unknown(f"faults[{index}].{fault.kind}", fault.target, "a link", links)
            continue
        for component, _, replica in ends:
            count = 1 if component == CLIENT else deployment.replicas(component)
            if replica and int(replica) >= count:
                expected = f"a replica that runs: {component} has {count} in the deployment {deployment.name}"
                found.append(Problem(f"faults[{index}].{fault.kind}", repr(fault.target), expected))
    for component in deployment.place:
        if component not in architecture.components:
            unknown(f"place.{component}", component, "a component", architecture.components)
    return found
