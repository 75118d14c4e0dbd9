"""The main job from end to end, on one machine, in about a minute: the command a newcomer types first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from windtunnel.harness import catalogue, store
from windtunnel.harness.compare import compare
from windtunnel.harness.judge import judge
from windtunnel.harness.measure import Backend, calibrated, command, forecast, low_load, measured, started
from windtunnel.harness.telling import Telling
from windtunnel.harness.verdict import Comparison, Ruling
from windtunnel.spec.run import Run
from windtunnel.spec.seeds import seeds_from

SCENARIO = "llm_timeouts"
CALIBRATION_RATE_PER_S = 8.0
CALIBRATION_S = 16.0


@dataclass(frozen=True)
class Demonstration:
    """What came out: a forecast that was stored before, the run that followed, and what they say."""

    forecast: Run
    measured: Run
    forecast_ruling: Ruling
    measured_ruling: Ruling
    comparison: Comparison


def demonstrate(tell: Telling, *, backend: Backend = "embedded", root: Path = store.ROOT) -> Demonstration:
    """Start the stack, calibrate at low load, forecast, measure under a fault, judge, compare."""
    question = catalogue.question(SCENARIO)
    scenario = question.scenario
    replay = command("run", SCENARIO, "--seed", scenario.seed)
    with started(question.architecture, question.deployment, backend=backend, seed=scenario.seed, tell=tell) as stack:
        tell.say(
            f"stack up: {len(stack.instances)} processes, {len(stack.proxies)} proxied links, at {stack.entry_url}"
        )
        low = low_load(
            question.architecture,
            question.deployment,
            rate_per_s=CALIBRATION_RATE_PER_S,
            seconds=CALIBRATION_S,
            seed=list(seeds_from(scenario.seed, 2))[1],  # other requests than those that are forecast
            like=scenario.load,
        )
        calibration = measured(
            low, stack, tell=tell, replay=command("calibrate", question.architecture.name), root=root
        )
        parameters, digest, file = calibrated([calibration])
        tell.say(f"calibrated from {len(calibration.samples)} requests: {file} ({digest})")
        tell.stage("forecasting")
        foretold = forecast(question, parameters, command("simulate", SCENARIO, "--seed", scenario.seed))
        store.save(foretold, root)
        foretold_ruling = judge(foretold)
        tell.say(f"forecast stored before the run: {foretold.record.id}, {foretold_ruling.verdict}")
        stack.reset()
        happened = measured(question, stack, tell=tell, replay=replay, root=root)
        tell.stage("ending the stack")
    return Demonstration(
        forecast=foretold,
        measured=happened,
        forecast_ruling=foretold_ruling,
        measured_ruling=judge(happened),
        comparison=compare(foretold, happened, parameters.provenance),
    )
