"""The three things that the commands do: forecast a question, measure it on a stack, calibrate an architecture."""

from __future__ import annotations

import importlib.metadata
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

from windtunnel.chaos.inject import undoable
from windtunnel.harness import store
from windtunnel.harness.catalogue import STATE, Question, digest
from windtunnel.harness.execute import execute
from windtunnel.harness.stack.only_in_the_model import refuse
from windtunnel.harness.stack.stack import Stack
from windtunnel.harness.telling import Telling
from windtunnel.sim.calibrate import calibrate
from windtunnel.sim.simulate import simulate
from windtunnel.spec.architecture import Architecture
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.load import Load, Prompts
from windtunnel.spec.objective import Bound
from windtunnel.spec.parameters import Parameters
from windtunnel.spec.problem import Problem, SpecError
from windtunnel.spec.run import Run
from windtunnel.spec.scenario import Scenario, Windows

VERSION = importlib.metadata.version("windtunnel")
Backend = Literal["embedded", "containers"]


def refuse_what_cannot_be_measured(question: Question) -> None:
    """SpecError with what only the model knows of a question: faults, load, components. Nothing is started for it."""
    scenario = question.scenario
    problems = [replace(problem, file=str(question.file)) for problem in undoable(scenario.faults)]
    if scenario.load.arrivals == "closed":
        expected = "an open load: users that wait and think exist in the model only"
        problems.append(Problem("load.arrivals", "'closed'", expected, str(question.file)))
    try:
        refuse(question.architecture, question.deployment)
    except SpecError as error:
        problems += error.problems
    if problems:
        raise SpecError(problems)


@contextmanager
def started(
    architecture: Architecture,
    deployment: Deployment,
    *,
    backend: Backend,
    seed: int,
    tell: Telling,
    keep_logs: Path | None = None,
) -> Iterator[Stack]:
    """The architecture, running; ended when the block is left, however that happens. SpecError where that cannot be."""
    refuse(architecture, deployment)
    if backend == "embedded":
        from windtunnel.harness.stack.embedded import EmbeddedStack as Chosen
    else:
        from windtunnel.harness.stack.containers import ContainerStack as Chosen  # type: ignore[assignment]
    with Chosen(architecture, deployment, seed=seed, progress=tell.stage, keep_logs=keep_logs) as stack:
        yield stack


def forecast(question: Question, parameters: Parameters, replay: str) -> Run:
    """The scenario as the model sees it."""
    return simulate(
        question.scenario, question.architecture, question.deployment, parameters, replay=replay, version=VERSION
    )


def measured(question: Question, stack: Stack, *, tell: Telling, replay: str, root: Path = store.ROOT) -> Run:
    """The scenario as it went, stored."""
    tell.stage(f"measuring {question.scenario.name} on the {stack.backend} stack")
    run = execute(question, stack, replay=replay, version=VERSION, watch=tell.watch)
    store.save(run, root)
    return run


def low_load(
    architecture: Architecture,
    deployment: Deployment,
    *,
    rate_per_s: float,
    seconds: float,
    seed: int,
    like: Load | None,
) -> Question:
    """The scenario that calibration measures: a rate at which nobody queues, with the flows and prompts of ``like``."""
    load = like or Load(rate_per_s=1, flows=dict.fromkeys(architecture.flows, 1.0), prompts=Prompts())
    scenario = Scenario(
        name="calibration",
        question="How long does each call take when nobody has to wait?",
        architecture=architecture.name,
        seed=seed,
        load=Load(rate_per_s=rate_per_s, flows=load.flows, prompts=load.prompts),
        windows=Windows(warm_up_s=4, during_s=seconds),
        objectives={"during": {"error_ratio": Bound(max=0.0)}},
    )
    return Question(scenario, architecture, deployment, Path(architecture.name))


def calibrated(runs: list[Run], place: Path | None = None) -> tuple[Parameters, str, Path]:
    """Parameters fitted to runs, stored where forecasts of the architecture find them; with their digest."""
    parameters = calibrate(runs)
    file = place or STATE / "parameters" / f"{parameters.architecture}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    made = file.with_suffix(".part")
    made.write_text(parameters.model_dump_json(indent=1, by_alias=True))
    made.replace(file)
    return parameters, digest(parameters), file


def command(*words: str | float) -> str:
    """A command line that can be pasted: what replays a run."""
    return shlex.join(["windtunnel", *(f"{word:g}" if isinstance(word, float) else str(word) for word in words)])
