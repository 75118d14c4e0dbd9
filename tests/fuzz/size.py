"""How much a case asks for: a broken spec may be a good one of an hour or a million users, which is no mistake."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from windtunnel.harness import catalogue
from windtunnel.sim.parts.effort import MOST_REQUESTS
from windtunnel.spec.architecture import Architecture
from windtunnel.spec.problem import SpecError
from windtunnel.spec.steps import Branch, Call, Choose, Enqueue, Parallel, Repeat, Step

MOST_CALLS = 30_000
"""Calls and looks of monitoring that a case may make and still be run, about."""


def asks_too_much(scenario: Path, options: tuple[str, ...]) -> bool:
    """Whether it is a valid question of so many calls that it is only checked. False for what cannot be read."""
    settings = tuple(value for key, value in pairwise(options) if key == "--set")
    try:
        question = catalogue.question(str(scenario), settings)
    except Exception:  # a flaw of the reading shows when the command reads it
        return False
    duration_s = question.scenario.windows.total_s
    try:
        requests = question.scenario.load.highest_per_s() * duration_s
    except SpecError:
        return False
    calls = requests * max(1.0, calls_per_request(question.architecture))
    looks = duration_s / question.scenario.scrape_s * len(question.architecture.components)
    for placement in question.deployment.place.values():
        if placement.autoscale is not None:
            looks += duration_s / placement.autoscale.interval_s
    runs = 2 if "--replications" in options else 1
    return runs * (calls + looks) > MOST_CALLS and requests <= MOST_REQUESTS  # of more, `simulate` makes a sentence


def calls_per_request(architecture: Architecture) -> float:
    """Of the flow that makes most, with all attempts that are possible."""
    retries = {link.name: 1 + link.retries.max for link in architecture.links if link.retries is not None}
    workers = architecture.workers

    def of(caller: str, steps: tuple[Step, ...]) -> float:
        return sum(of_one(caller, step) for step in steps)

    def of_one(caller: str, step: Step | Branch) -> float:
        match step:
            case Call():
                attempts = retries.get(f"{caller}->{step.call}", 1)
                then = sum(of(caller, after) for after in step.on.values())
                return attempts * (1 + of(step.call, step.steps)) + then
            case Choose():
                return sum(of(caller, branch.steps) for branch in step.choose)
            case Parallel():
                return sum(of(caller, inner) for inner in step.parallel)
            case Repeat():
                often = min(step.times.mean() if step.times else float("inf"), step.at_most or float("inf"))
                return max(1.0, often) * of(caller, step.repeat)
            case Enqueue():
                return 1 + 3 * of(workers[step.enqueue], step.steps)
            case _:
                return 0.0

    return max(of("client", flow.steps) for flow in architecture.flows.values())
