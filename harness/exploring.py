"""The subject of a sweep or a size, from the words and settings of a command line. Used by cli."""

from __future__ import annotations

from pathlib import Path

import yaml

from windtunnel.harness import catalogue
from windtunnel.sim.explore.subject import Subject, located
from windtunnel.spec.problem import Problem, SpecError
from windtunnel.spec.reading import CoreLoader, plain, read
from windtunnel.spec.scenario import Scenario, misfits
from windtunnel.spec.schema import kind_of


def subject(word: str, settings: tuple[str, ...] = (), parameters_file: str | None = None) -> Subject:
    """A scenario with what it names, after ``KEY=VALUE`` settings of any of its files, and the times to forecast with.

    Times are the calibrated ones where there are any; else every call has to say its own. SpecError for every mistake.
    """
    ours = tuple(setting for setting in settings if not _is_of_scenario(setting))
    found = catalogue.question(word, tuple(setting for setting in settings if setting not in ours))
    return _finished(Subject(found.scenario, found.architecture, found.deployment), ours, parameters_file)


def sizable(
    word: str, settings: tuple[str, ...] = (), parameters_file: str | None = None, like: str | None = None
) -> Subject:
    """The same of a scenario or of an architecture, which takes load and objectives from the scenario ``like``: the
    first built-in one on it without faults, where nothing is said."""
    if not _is_architecture(word):
        return subject(word, settings, parameters_file)
    architecture, deployment = catalogue.architecture(word)
    usual = like or next(
        (
            name
            for name in catalogue.built_in(catalogue.SCENARIOS)
            if (one := read(catalogue.SCENARIOS / f"{name}.yaml", Scenario)).architecture == word and not one.faults
        ),
        None,
    )
    if usual is None:
        expected = "a scenario on it, or --like SCENARIO: size needs a load and objectives"
        raise SpecError([Problem("", f"the architecture {architecture.name} alone", expected)])
    ours = tuple(setting for setting in settings if not _is_of_scenario(setting))
    scenario = catalogue.question(usual, tuple(setting for setting in settings if setting not in ours)).scenario
    problems = misfits(scenario, architecture, deployment)
    if problems:
        raise SpecError([Problem(p.path, p.found, p.expected, usual, None, p.suggestion) for p in problems])
    return _finished(Subject(scenario, architecture, deployment), ours, parameters_file)


def _finished(found: Subject, settings: tuple[str, ...], parameters_file: str | None) -> Subject:
    changes = {}
    for setting in settings:
        key, _, text = setting.partition("=")
        try:
            changes[key] = yaml.load(text, CoreLoader)
        except yaml.YAMLError:
            raise SpecError([Problem(f"--set {key}", repr(text), "a value as in YAML")]) from None
    parameters = catalogue.parameters_if_any(found.architecture.name, parameters_file)
    changed = Subject(found.scenario, found.architecture, found.deployment, parameters).changed(changes)
    changed.model()
    return changed


def _is_of_scenario(setting: str) -> bool:
    """Whether it is for catalogue.question, which also tells what is wrong with the setting as such."""
    key, equals, _ = setting.partition("=")
    return not equals or not key or key in ("architecture", "deployment") or located(key)[0] == "scenario"


def _is_architecture(word: str) -> bool:
    if "/" not in word and not word.endswith((".yaml", ".yml", ".json")):
        return word in catalogue.built_in(catalogue.ARCHITECTURES)
    return kind_of(set(plain(Path(word).expanduser()))) == "architecture"
