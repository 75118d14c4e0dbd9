"""A question answered by the model in one run, in several, exactly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.sim.answers.drawings import Parts, queue
from windtunnel.harness.catalogue import Question
from windtunnel.harness.foretell import foretell, foretell_exactly
from windtunnel.harness.telling import Telling
from windtunnel.harness.verdict import Verdict
from windtunnel.sim.analytic.demand import Saturated
from windtunnel.sim.answers.exact import Exact
from windtunnel.spec.problem import SpecError

QUIET = Telling(quiet=True)


def asked(parts: Parts, **objectives: Any) -> Question:
    scenario, architecture, deployment = parts
    said = scenario.model_dump(mode="json", by_alias=True) | {"objectives": {"during": objectives}}
    return Question(type(scenario).model_validate(said), architecture, deployment, Path("q.yaml"))


def replay(seed: int) -> str:
    return f"windtunnel simulate q.yaml --seed {seed}"


def test_one_run() -> None:
    question = asked(queue(load=0.5), throughput_per_s={"min": 40})
    found = foretell(question, None, replay, engine="simpy", tell=QUIET)
    assert (found.ruling.verdict, found.replicated, found.answer.runs) == (Verdict.PASS, (), 1)
    assert found.run.record.replay.endswith("--seed 1")


def test_of_several_the_worst_is_judged_and_can_be_made_again() -> None:
    """About as many seeds are above the bound as below."""
    question = asked(queue(load=0.5), throughput_per_s={"max": 50})
    found = foretell(question, None, replay, engine="simpy", tell=QUIET, count=6)
    assert len(found.replicated) == found.answer.runs == 6
    assert set(found.replicated) == {Verdict.PASS, Verdict.FAIL}
    assert found.ruling.verdict is Verdict.FAIL
    first = found.replicated.index(Verdict.FAIL)
    seed = question.scenario.seed + first
    assert found.run.record.replay == replay(seed)
    seeded = replace(question, scenario=question.scenario.model_copy(update={"seed": seed}))
    again = foretell(seeded, None, replay, engine="simpy", tell=QUIET)
    assert again.run.digest() == found.run.digest()


def test_until_it_is_known_well_enough() -> None:
    question = asked(queue(load=0.3), error_ratio={"max": 0})
    found = foretell(question, None, replay, engine="simpy", tell=QUIET, precision=0.2)
    assert found.answer.runs == 10, "the fewest"
    (window,) = found.answer.windows
    assert window.mean_ms
    assert window.mean_ms.relative_half_width < 0.2


def test_exactly() -> None:
    found = foretell_exactly(asked(queue(), error_ratio={"max": 0}), None)
    assert isinstance(found, Exact)
    assert found.mean_ms == pytest.approx(50)
    assert isinstance(foretell_exactly(asked(queue(load=1.5), error_ratio={"max": 0}), None), Saturated)
    with pytest.raises(SpecError, match=r"^q\.yaml: links\S+: found hedging"):
        foretell_exactly(asked(queue(link={"hedge": {"after_ms": 5}}), error_ratio={"max": 0}), None)


def test_what_the_model_refuses_is_told_with_the_file() -> None:
    question = asked(queue(), error_ratio={"max": 0})
    calls = question.architecture.model_dump(mode="json", by_alias=True)
    calls["flows"]["ask"]["steps"][0].pop("service_ms")
    timeless = replace(question, architecture=type(question.architecture).model_validate(calls))
    with pytest.raises(SpecError, match=r"^q\.yaml: \S+: found nothing, expected"):
        foretell(timeless, None, replay, engine="simpy", tell=QUIET)
