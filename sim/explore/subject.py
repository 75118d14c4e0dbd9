"""What is simulated, and how a key such as ``place.app.replicas`` changes it. Used by sweeps and sizing.

A key reaches all three files. Its first word says which: ``load.rate_per_s`` is the scenario's, ``links[app->db].pool``
and ``components.llm.slots`` the architecture's, ``place.app.replicas`` and ``hosts.laptop.cores`` the deployment's;
``architecture.links[...]`` says so in full. In brackets stand a link's name or the place in a list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from windtunnel.sim.compiler import compile_model
from windtunnel.sim.model import Model
from windtunnel.spec.architecture import Architecture
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.parameters import Parameters
from windtunnel.spec.problem import Problem, SpecError, did_you_mean
from windtunnel.spec.reading import validate
from windtunnel.spec.scenario import Scenario

PARTS: dict[str, type[BaseModel]] = {"scenario": Scenario, "architecture": Architecture, "deployment": Deployment}
NAMED = frozenset({"components", "flows", "hosts"})
"""What has members with names, none of which comes to be by setting one of its keys."""
_KEY = re.compile(r"[A-Za-z_]\w*(?:\.\w+|\[[^\[\]]+\])*")
_STEP = re.compile(r"\w+|\[[^\[\]]+\]")


@dataclass(frozen=True)
class Subject:
    """A scenario with the architecture, the deployment and the times that it is simulated with."""

    scenario: Scenario
    architecture: Architecture
    deployment: Deployment
    parameters: Parameters | None = None
    """None: every call says its own times."""

    def model(self) -> Model:
        """Compiled. SpecError where the parts do not fit, or a call has no times."""
        return compile_model(self.scenario, self.architecture, self.deployment, self.parameters)

    def seeded(self, seed: int) -> Subject:
        """With another seed."""
        return replace(self, scenario=self.scenario.model_copy(update={"seed": seed}))

    def changed(self, settings: Mapping[str, Any]) -> Subject:
        """With other values at some keys. SpecError for a key that there is not, or a value that it cannot have."""
        data: dict[str, dict[str, Any]] = {}
        for key, value in settings.items():
            part, steps = located(key)
            if part not in data:
                data[part] = getattr(self, part).model_dump(mode="json", by_alias=True)
            _put(data[part], steps, value, key)
        return replace(self, **{part: validate(said, PARTS[part]) for part, said in data.items()})  # type: ignore[arg-type]

    def value(self, key: str) -> Any:
        """What stands at a key now; None: nothing. SpecError for a key that there is not."""
        part, steps = located(key)
        place = getattr(self, part).model_dump(mode="json", by_alias=True)
        for depth, step in enumerate(steps):
            if place is None:
                return None
            place = _get(place, step, steps[:depth], key)
        return place


def located(key: str) -> tuple[str, tuple[str, ...]]:
    """Which part a key is about (scenario, architecture, deployment), and the way to it. SpecError for none of them."""
    if not _KEY.fullmatch(key):
        raise SpecError([Problem(key, "no key", "KEY.KEY such as load.rate_per_s or links[app->db].pool")])
    steps = tuple(step.strip("[]") for step in _STEP.findall(key))
    if steps[0] in PARTS:
        if len(steps) == 1:
            raise SpecError([Problem(key, "a whole file", f"a key of it, such as {key}.KEY")])
        part, steps = steps[0], steps[1:]
        fields = list(PARTS[part].model_fields)
    else:
        part = next((name for name, spec in PARTS.items() if steps[0] in spec.model_fields), "")
        fields = [field for spec in PARTS.values() for field in spec.model_fields if field not in PARTS]
    if part not in PARTS or steps[0] not in fields:
        expected = f"one of {', '.join(dict.fromkeys(fields))}"
        raise SpecError([Problem(key, repr(steps[0]), expected, suggestion=did_you_mean(steps[0], fields))])
    return part, steps


def _put(data: dict[str, Any], steps: tuple[str, ...], value: Any, key: str) -> None:
    place: Any = data
    for depth, step in enumerate(steps[:-1]):
        inner = _get(place, step, steps[:depth], key)
        if inner is None:
            place[step] = inner = {}
        place = inner
    if isinstance(place, list):
        place[_index(place, steps[-1], key)] = value
    elif isinstance(place, dict):
        place[steps[-1]] = value
    else:
        raise _no_keys(place, steps[-1], key)


def _get(place: Any, step: str, above: tuple[str, ...], key: str) -> Any:
    """One step down; None: nothing is said there."""
    if isinstance(place, list):
        return place[_index(place, step, key)]
    if not isinstance(place, dict):
        raise _no_keys(place, step, key)
    if above and above[-1] in NAMED and len(above) == 1 and step not in place:
        raise SpecError([Problem(key, repr(step), f"one of {', '.join(place)}", suggestion=did_you_mean(step, place))])
    return place.get(step)


def _index(items: list[Any], step: str, key: str) -> int:
    """Of a link by its name, of anything else by its number."""
    links = [
        f"{item['from']}->{item['to']}" for item in items if isinstance(item, dict) and {"from", "to"} <= set(item)
    ]
    if step in links:
        return links.index(step)
    if step.isdigit() and int(step) < len(items):
        return int(step)
    known = (
        f"one of {', '.join(links)}" if links else f"a number below {len(items)}" if items else "nothing: it is empty"
    )
    raise SpecError([Problem(key, repr(step), known, suggestion=did_you_mean(step, links))])


def _no_keys(value: Any, step: str, key: str) -> SpecError:
    return SpecError([Problem(key, repr(step), f"nothing below {value!r}")])
