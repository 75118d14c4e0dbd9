"""One question to a service: load, faults, objectives. Executed for real and simulated, unchanged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator

from windtunnel.spec.alert import Alert
from windtunnel.spec.architecture import CLIENT, Architecture, Component, Database, Queue
from windtunnel.spec.costs import Costs
from windtunnel.spec.deployment import Deployment, Placement
from windtunnel.spec.fault import AnyFault, ComponentFault, Fault, WindowName, ZoneOutage
from windtunnel.spec.frozen import Frozen, Name, Positive, Seconds
from windtunnel.spec.load import Load
from windtunnel.spec.objective import Objectives
from windtunnel.spec.problem import Problem, did_you_mean, problem_at
from windtunnel.spec.seeds import Seed

BESIDE = (CLIENT, "toxiproxy")
"""What runs beside the components, and burns processor time where a deployment says that it stands."""


@dataclass(frozen=True)
class Window:
    """A stretch of the run, seconds after its zero."""

    name: str
    start_s: float
    end_s: float


SHORTEST_S = 0.001
"""Of a window: times of the run are told apart down to about that, however long it is."""


class Windows(Frozen):
    """How long each part lasts. The warm-up is run and recorded, and not judged."""

    warm_up_s: Seconds = 3
    """Seconds that are run and recorded, and not judged."""
    before_s: Seconds = 0
    """Seconds without the faults of the next window."""
    during_s: Positive
    """Seconds of what is asked about; faults are in this window unless they say another."""
    after_s: Seconds = 0
    """Seconds after them, to see whether it recovers."""

    @model_validator(mode="after")
    def _told_apart(self) -> Windows:
        for key in type(self).model_fields:
            if 0 < getattr(self, key) < SHORTEST_S:
                raise problem_at(
                    key, f"{getattr(self, key):g}", f"0, or at least {SHORTEST_S:g}: a window with a length"
                )
        return self

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
    """What the answer is an answer to."""
    architecture: str
    """A built-in one (mvp, scale) or a path, seen from the scenario's file."""
    deployment: str | None = None
    """A built-in one or a path. None: ``<architecture>.laptop`` beside the architecture, where that exists."""
    seed: Seed = 1
    """Decides every random draw."""
    load: Load
    """Who asks, how often."""
    windows: Windows
    """How long each part lasts."""
    faults: tuple[Fault, ...] = ()
    """What goes wrong, and when."""
    objectives: Annotated[dict[WindowName, Objectives], Field(min_length=1)]
    """What has to be true, by window."""
    scrape_s: Positive = 0.5
    """How often monitoring looks: the step of the forecast's time series, and of the alerts."""
    alerts: dict[Name, Alert] = {}
    """Rules of the monitoring; the answer says when each fires."""
    requires: tuple[Literal["containers", "root"], ...] = ()
    """What a machine must have for it to be measured."""

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
    """What a scenario or a deployment names that the others do not have; empty: they fit."""
    drawing = f"the architecture {architecture.name}"
    found = [
        _unknown(f"load.flows.{name}", name, f"a flow of {drawing}", architecture.flows)
        for name in scenario.load.flows
        if name not in architecture.flows
    ]
    for index, fault in enumerate(scenario.faults):
        found += _mistaken(fault, f"faults[{index}].{fault.kind}", architecture, deployment)
    components = {f"alerts.{name}.of": alert.of for name, alert in scenario.alerts.items() if alert.of is not None}
    components |= {f"place.{name}": name for name in deployment.place if name not in BESIDE}
    components |= {f"costs.replica_hour.{name}": name for name in (deployment.costs or Costs()).replica_hour}
    found += [
        _unknown(path, name, f"a component of {drawing}", architecture.components)
        for path, name in components.items()
        if name not in architecture.components
    ]
    for name, placement in deployment.place.items():
        found += _misplaced(architecture.components.get(name), placement, f"place.{name}")
    return found


def _mistaken(fault: AnyFault, here: str, architecture: Architecture, deployment: Deployment) -> Iterator[Problem]:
    """What is wrong with a fault's target."""
    if isinstance(fault, ZoneOutage):
        if fault.target not in deployment.zones:
            yield _unknown(here, fault.target, f"a zone of the deployment {deployment.name}", deployment.zones)
        return
    ends = [end.partition(".") for end in fault.target.split("->")]
    named = "->".join(component for component, _, _ in ends)
    if isinstance(fault, ComponentFault):
        what, known = "component", [n for n, part in architecture.components.items() if not isinstance(part, Queue)]
    else:
        what, known = "link", [link.name for link in architecture.links]
    if isinstance(architecture.components.get(named), Queue):
        yield Problem(here, f"the queue {named}", "a component with work of its own, such as the queue's worker")
    elif named not in known:
        yield _unknown(here, fault.target, f"a {what} of the architecture {architecture.name}", known)
    else:
        for component, _, replica in ends:
            count = _copies(component, architecture, deployment)
            if replica and int(replica) >= count:
                expected = f"a replica that runs: {component} has {count} in the deployment {deployment.name}"
                yield Problem(here, repr(fault.target), expected)


def _misplaced(part: Component | None, placement: Placement, here: str) -> Iterator[Problem]:
    """What is wrong with how often a component is there."""
    if isinstance(part, Queue) and (placement.replicas > 1 or placement.autoscale):
        yield Problem(here, "several of a queue", "one: it is its workers that there can be more of")
    if isinstance(part, Database) and part.standbys:
        whole = 1 + part.standbys
        if placement.autoscale is not None:
            yield Problem(f"{here}.autoscale", "it for a database with standbys", f"{whole} replicas all the time")
        elif placement.replicas not in (1, whole):
            yield Problem(f"{here}.replicas", f"{placement.replicas}", f"{whole}, primary and standbys, or nothing")


def _copies(component: str, architecture: Architecture, deployment: Deployment) -> int:
    """How many replicas of a component there may be at once; one client."""
    if component == CLIENT:
        return 1
    part = architecture.components[component]
    return 1 + part.standbys if isinstance(part, Database) and part.standbys else deployment.most_replicas(component)


def _unknown(path: str, word: str, what: str, known: Iterable[str]) -> Problem:
    names = list(known)
    return Problem(
        path, repr(word), f"{what} ({', '.join(names) or 'it has none'})", "", None, did_you_mean(word, names)
    )
