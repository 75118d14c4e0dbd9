"""What must never pass: a fault that was not there, a caller that went around its proxy. Each ends as inconclusive."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from windtunnel.chaos.toxiproxy import Toxiproxy
from windtunnel.harness import catalogue
from windtunnel.harness.catalogue import Question
from windtunnel.harness.execute import Progress, execute
from windtunnel.harness.judge import judge
from windtunnel.harness.stack.embedded import EmbeddedStack
from windtunnel.harness.verdict import Verdict
from windtunnel.spec.reading import parse
from windtunnel.spec.run import Run
from windtunnel.spec.scenario import Scenario

pytestmark = pytest.mark.measured

MVP, LAPTOP = catalogue.architecture("mvp")
SCENARIO = """
question: Is what we are told about this run true?
architecture: mvp
seed: 3
load: {rate_per_s: 10, flows: {chat: 1}}
windows: {warm_up_s: 1, before_s: 1.5, during_s: 3.5, after_s: 1}
faults: [FAULT]
objectives:
  before: {error_ratio: {max: 0}}
  during: {acknowledged_writes_lost: {max: 0}}
"""


def question(fault: str) -> Question:
    scenario = parse(SCENARIO.replace("FAULT", fault), Scenario)
    return Question(scenario, MVP, LAPTOP, Path("scenario"))


@pytest.fixture(name="stack", scope="module")
def _stack() -> Iterator[EmbeddedStack]:
    with EmbeddedStack(MVP, LAPTOP) as stack:
        yield stack


def measure(stack: EmbeddedStack, fault: str, meanwhile: Callable[[], None] = lambda: None) -> Run:
    """Run the scenario; ``meanwhile`` happens once, when the fault has been in force for a while."""
    stack.reset()
    done = threading.Event()

    def watch(progress: Progress) -> None:
        if progress.at_s > 4 and not done.is_set():
            done.set()
            meanwhile()

    return execute(question(fault), stack, replay="windtunnel run", version="test", watch=watch)


def test_a_fault_that_was_there_is_proven(stack: EmbeddedStack) -> None:
    run = measure(stack, "{latency: app->llm, latency_ms: 300}")
    (injection,) = run.record.injections
    assert injection.proven, injection.evidence
    assert 2.5 <= injection.injected_at_s < injection.healed_at_s <= 7
    calls = [row for row in run.spans.to_pylist() if row["callee"] == "llm" and row["kind"] == "client"]
    spoilt = [row["duration_ms"] for row in calls if 3 < row["start_s"] < 5]
    clean = [row["duration_ms"] for row in calls if row["start_s"] < 2]
    assert min(spoilt) > 300 + min(clean) * 0.5


def test_a_toxic_removed_behind_our_back_is_inconclusive(stack: EmbeddedStack) -> None:
    def remove() -> None:
        with Toxiproxy(stack.toxiproxy_url) as api:
            for toxic in api.toxics("app.0~llm.0"):
                api.remove_toxic("app.0~llm.0", toxic.name)

    run = measure(stack, "{latency: app->llm, latency_ms: 300}", remove)
    (injection,) = run.record.injections
    ruling = judge(run)
    assert not injection.proven
    assert ruling.verdict is Verdict.INCONCLUSIVE
    assert ruling.exit_code == 3
    assert any("latency app->llm" in reason for reason in ruling.reasons)


def test_a_misspelt_attribute_is_inconclusive(stack: EmbeddedStack) -> None:
    run = measure(stack, "{toxic: app->llm, type: latency, attributes: {latancy: 300}}")
    assert not run.record.injections[0].proven
    assert any("latancy" in evidence.what for evidence in run.record.injections[0].evidence)
    assert judge(run).verdict is Verdict.INCONCLUSIVE


def test_a_caller_around_its_proxy_is_inconclusive() -> None:
    with EmbeddedStack(MVP, LAPTOP) as other:  # its LLM is the one that the stray calls
        address = next(instance.address for instance in other.instances if instance.component == "llm")
        app = MVP.components["app"].model_copy(update={"environment": {"LLM_URL": f"http://{address}"}})
        stray = MVP.model_copy(update={"components": MVP.components | {"app": app}})
        scenario = parse(SCENARIO.replace("faults: [FAULT]\n", ""), Scenario)
        with EmbeddedStack(stray, LAPTOP) as stack:
            run = execute(
                Question(scenario, stray, LAPTOP, Path("scenario")), stack, replay="windtunnel run", version="test"
            )
    ruling = judge(run)
    assert ruling.verdict is Verdict.INCONCLUSIVE
    assert any(address in reason for reason in ruling.reasons), ruling.reasons
