"""Finds what a command line names: scenarios, architectures, deployments and parameters, built in or the user's own.

A name without a suffix is a built-in one (``llm_timeouts``, ``scale``), anything else a path. Where a
scenario names an architecture or a trace by path, the path is seen from the scenario's file.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import windtunnel
from windtunnel.spec.architecture import Architecture
from windtunnel.spec.deployment import Deployment, Host
from windtunnel.spec.load import Load
from windtunnel.spec.parameters import Parameters
from windtunnel.spec.problem import Problem, SpecError, did_you_mean, within
from windtunnel.spec.reading import read, validate, value
from windtunnel.spec.scenario import Scenario, misfits
from windtunnel.spec.trace import read_trace

ROOMS = Path(windtunnel.__file__).parent
SCENARIOS = ROOMS / "chaos" / "scenarios"
MODEL_SCENARIOS = ROOMS / "sim" / "scenarios"
"""Of services that exist in the model only: they can be simulated, and a run refuses them in a sentence."""
ARCHITECTURES = ROOMS / "reference_service" / "architectures"
PARAMETERS = ROOMS / "reference_service" / "parameters"
STATE = Path(".windtunnel")
"""Runs and parameters of the user, below the working directory."""


@dataclass(frozen=True)
class Question:
    """A scenario with the architecture and the deployment that it names, found to fit each other."""

    scenario: Scenario
    architecture: Architecture
    deployment: Deployment
    file: Path


def built_in(*folders: Path) -> list[str]:
    """Names of what we bring along."""
    return sorted(path.stem for folder in folders for path in folder.glob("*.yaml") if "." not in path.stem)


def locate(word: str, folders: tuple[Path, ...], what: str, beside: Path | None = None) -> Path:
    """The file that a word means. SpecError where there is none."""
    if "/" not in word and not word.endswith((".yaml", ".yml", ".json")):
        brought = {path.stem: path for folder in reversed(folders) for path in folder.glob("*.yaml")}
        if word in brought:
            return brought[word]
        names = built_in(*folders)
        expected = f"a path, or a built-in {what} ({', '.join(names)})"
        raise SpecError([Problem("", f"the {what} {word!r}", expected, suggestion=did_you_mean(word, names))])
    path = _home(Path(word))
    return path if path.is_absolute() or beside is None else beside / path


def question(word: str, settings: tuple[str, ...] = ()) -> Question:
    """The scenario that a word means, with ``load.rate_per_s=50``-like settings put in its place.

    SpecError with every mistake of the three files and of what they say about each other.
    """
    file = locate(word, (SCENARIOS, MODEL_SCENARIOS), "scenario")
    scenario = read(file, Scenario)
    if settings:
        scenario = _changed(file, scenario, settings)
    if scenario.name == "unnamed":
        scenario = scenario.model_copy(update={"name": _name_of(file)})
    if scenario.load.trace is not None:
        with within(str(file), "load.trace"):
            seen = file.parent / _home(scenario.load.trace)
        read_trace(seen)
        scenario = scenario.model_copy(update={"load": scenario.load.model_copy(update={"trace": seen})})
    with within(str(file), "architecture"):
        architecture_file = locate(scenario.architecture, (ARCHITECTURES,), "architecture", file.parent)
    architecture = read(architecture_file, Architecture)
    with within(str(file), "deployment"):
        deployment = deployment_for(architecture_file, scenario.deployment, file.parent)
    problems = misfits(scenario, architecture, deployment)
    if problems:
        raise SpecError([Problem(p.path, p.found, p.expected, str(file), None, p.suggestion) for p in problems])
    return Question(scenario, architecture, deployment, file)


def architecture(word: str) -> tuple[Architecture, Deployment]:
    """An architecture with its laptop deployment."""
    file = locate(word, (ARCHITECTURES,), "architecture")
    return read(file, Architecture), deployment_for(file, None, Path())


def deployment_for(architecture_file: Path, word: str | None, beside: Path) -> Deployment:
    """The deployment that is named, else ``<architecture>.laptop.yaml`` beside the architecture, else one of each."""
    if word is not None and ("/" in word or word.endswith((".yaml", ".yml"))):
        return read(locate(word, (ARCHITECTURES,), "deployment", beside), Deployment)
    name = word or "laptop"
    file = architecture_file.with_name(f"{architecture_file.stem}.{name}.yaml")
    if file.exists():
        return read(file, Deployment)
    if word is not None:
        known = [path.stem.partition(".")[2] for path in file.parent.glob(f"{architecture_file.stem}.*.yaml")]
        expected = f"a path, or one beside {architecture_file.name} ({', '.join(known) or 'there is none'})"
        raise SpecError([Problem("deployment", repr(word), expected, suggestion=did_you_mean(word, known))])
    return Deployment(name="laptop", hosts={"laptop": Host(cores=2)})


def usual_load(architecture: str) -> Load | None:
    """The load of the first built-in scenario on an architecture; None where there is none."""
    scenarios = (read(SCENARIOS / f"{name}.yaml", Scenario) for name in built_in(SCENARIOS))
    return next((scenario.load for scenario in scenarios if scenario.architecture == architecture), None)


def parameters_if_any(architecture: str, word: str | None = None) -> Parameters | None:
    """As ``parameters``; None where nobody has measured any: then every call has to say its own times."""
    own, brought = STATE / "parameters" / f"{architecture}.json", PARAMETERS / f"{architecture}.json"
    return parameters(architecture, word)[0] if word is not None or own.exists() or brought.exists() else None


def parameters(architecture: str, word: str | None = None) -> tuple[Parameters, str]:
    """What forecasts of an architecture rest on, and its digest: the file that is named, else the last
    calibration below ``.windtunnel``, else what we bring along. SpecError where there is none."""
    own = STATE / "parameters" / f"{architecture}.json"
    brought = PARAMETERS / f"{architecture}.json"
    if word is not None:
        file = Path(word)
    else:
        file = own if own.exists() else brought
        if not file.exists():
            raise SpecError(
                [
                    Problem(
                        "",
                        f"no parameters of {architecture}",
                        f"them; `windtunnel calibrate {architecture}` measures them",
                    )
                ]
            )
    found = read(file, Parameters)
    return found, digest(found)


def digest(parameters: Parameters) -> str:
    """Names a set of parameters by its content."""
    return hashlib.sha256(parameters.model_dump_json().encode()).hexdigest()[:12]


def _changed(file: Path, scenario: Scenario, settings: tuple[str, ...]) -> Scenario:
    data = scenario.model_dump(mode="json", by_alias=True)
    for setting in settings:
        path, equals, text = setting.partition("=")
        keys = path.split(".")
        if not equals or not all(keys):
            raise SpecError([Problem("--set", repr(setting), "KEY.KEY=VALUE, such as load.rate_per_s=50")])
        place: Any = data
        for key in keys[:-1]:
            place = place.setdefault(key, {}) if isinstance(place, dict) else place[_index(place, key, setting)]
        with within("--set", path):
            place[keys[-1] if isinstance(place, dict) else _index(place, keys[-1], setting)] = value(text)
    return validate(data, Scenario, f"{file} with --set")


def _index(place: Any, key: str, setting: str) -> int:
    """The member of a list that a key of a setting means."""
    if not isinstance(place, list):
        raise SpecError([Problem("--set", f"{setting!r}, where nothing is below {key!r}", "keys of a scenario")])
    if key not in map(str, range(len(place))):
        expected = f"a number below {len(place)}" if place else "another key: this list is empty"
        raise SpecError([Problem("--set", f"{setting!r} with the index {key!r}", expected)])
    return int(key)


def _home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        raise SpecError([Problem("", repr(str(path)), "a path; the home of this user is not known")]) from None


def _name_of(file: Path) -> str:
    name = "".join(letter if letter.isalnum() else "_" for letter in file.stem.lower())[:40]
    return name if name[:1].isalpha() else f"s_{name}"[:40]
