"""A question answered by the model: in one run, in several, or exactly. Used by ``simulate``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from windtunnel.harness.catalogue import Question
from windtunnel.harness.judge import WORST_FIRST, judge
from windtunnel.harness.measure import VERSION
from windtunnel.harness.telling import Telling
from windtunnel.harness.verdict import Ruling, Verdict
from windtunnel.sim.analytic.demand import Saturated
from windtunnel.sim.answers.exact import Exact, exact
from windtunnel.sim.answers.forecast import Answer, pooled
from windtunnel.sim.answers.replicate import AT_MOST, replications, until_precise
from windtunnel.sim.compiler import compile_model
from windtunnel.sim.simulate import Engine, simulate
from windtunnel.spec.parameters import Parameters
from windtunnel.spec.problem import within
from windtunnel.spec.run import Run
from windtunnel.spec.seeds import SEEDS


@dataclass(frozen=True)
class Foretold:
    """A forecast with everything that is said about it."""

    run: Run
    """Of several the first of those with the worst verdict."""
    ruling: Ruling
    answer: Answer
    """Of all of them."""
    replicated: tuple[Verdict, ...]
    """Of several: the verdict of each."""


def foretell(
    question: Question,
    parameters: Parameters | None,
    replay: Callable[[int], str],
    *,
    engine: Engine,
    tell: Telling,
    count: int | None = None,
    precision: float | None = None,
) -> Foretold:
    """Simulate once, ``count`` times, or until mean and p95 are known to a relative half-width of ``precision``.

    ``replay``: the command that makes the run of a seed again. Replications take the seeds from the scenario's on.
    """
    name, first = question.scenario.name, question.scenario.seed
    most = AT_MOST if precision is not None else count or 1

    def run(seed: int) -> Run:
        tell.count(f"simulating {name}", (seed - first) % SEEDS, most)
        scenario = question.scenario.model_copy(update={"seed": seed})
        with within(str(question.file)):
            return simulate(
                scenario,
                question.architecture,
                question.deployment,
                parameters,
                replay=replay(seed),
                version=VERSION,
                engine=engine,
                progress=(lambda done: tell.share(f"simulating {name}", done)) if most == 1 else None,
            )

    every = replications(run, first, most) if precision is None else until_precise(run, first, precision)
    worst: tuple[Run, Ruling] | None = None
    answers, verdicts = [], []
    for made, said in every:
        ruling = judge(made)
        answers.append(said)
        verdicts.append(ruling.verdict)
        if worst is None or WORST_FIRST.index(ruling.verdict) < WORST_FIRST.index(worst[1].verdict):
            worst = (made, ruling)
    assert worst is not None, "there is at least one run"
    return Foretold(*worst, pooled(answers), tuple(verdicts) if len(verdicts) > 1 else ())


def foretell_exactly(question: Question, parameters: Parameters | None) -> Exact | Saturated:
    """What queueing theory says. SpecError with every feature that no formula has."""
    with within(str(question.file)):
        model = compile_model(question.scenario, question.architecture, question.deployment, parameters)
        try:
            return exact(question.scenario, model)
        except Saturated as saturated:
            return saturated
