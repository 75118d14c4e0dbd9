"""The ways that requests can go through a model in which nothing fails: how often, how likely. Used by ``exact``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from windtunnel.sim.model import Choose, Enqueue, Fork, Hop, Invoke, Model, Outcome, Program, Repeat
from windtunnel.spec.distribution import Constant
from windtunnel.spec.problem import Problem

NO_FORMULA = "nothing of the kind: no formula has it"


def visits(model: Model, entry: Invoke, problems: list[Problem]) -> dict[int, float]:
    """How often a request of a flow makes each of its calls, on average, by the call's place in ``model.hops``.

    To ``problems`` goes every step that has no exact answer.
    """
    found: dict[int, float] = {}

    def add(program: Program, weight: float) -> None:
        for step in program:
            match step:
                case Invoke():
                    hop = model.hops[step.hop]
                    found[step.hop] = found.get(step.hop, 0.0) + weight
                    add(hop.program, weight)
                    for outcome, share in outcomes(model, hop):
                        add(step.on.get(outcome, ()), weight * share)
                case Choose():
                    for share, branch in branches(step):
                        add(branch, weight * share)
                case Repeat():
                    if not isinstance(step.times, Constant) or step.until:
                        problems.append(Problem("flows", "a repeat of no fixed number", "times: N for an exact answer"))
                    else:
                        add(step.body, weight * iterations(step))
                case Fork():
                    problems.append(Problem("flows", "parallel steps", NO_FORMULA))
                case Enqueue():
                    problems.append(Problem("flows", "a message to a queue", NO_FORMULA))

    add((entry,), 1.0)
    return found


def iterations(step: Repeat) -> int:
    """Of a repeat with a fixed number."""
    assert isinstance(step.times, Constant), "other repeats have no exact answer"
    return min(int(step.times.value + 0.5), step.at_most)


def branches(step: Choose) -> Iterator[tuple[float, Program]]:
    """Each with its probability."""
    for (before, up_to), branch in zip(pairwise((0.0, *step.cumulative)), step.branches, strict=True):
        yield up_to - before, branch


def outcomes(model: Model, hop: Hop) -> Iterator[tuple[Outcome, float]]:
    """Of a call where nothing fails, with their probabilities."""
    cache = model.stations[hop.callee].cache
    if hop.role == "lookup" and cache is not None and cache.hit_ratio is not None:
        yield Outcome.HIT, cache.hit_ratio
        yield Outcome.MISS, 1 - cache.hit_ratio
    else:
        yield Outcome.OK, 1.0


def extremes(model: Model, program: Program, hops: Sequence[int]) -> tuple[int, int]:
    """How often a request makes one of these calls, at least and at most."""
    least = most = 0
    for step in program:
        match step:
            case Invoke():
                hop = model.hops[step.hop]
                inner = extremes(model, hop.program, hops)
                then = [extremes(model, step.on.get(outcome, ()), hops) for outcome, _ in outcomes(model, hop)]
                here = int(step.hop in hops)
                low, high = inner[0] + min(each[0] for each in then), inner[1] + max(each[1] for each in then)
                least, most = least + here + low, most + here + high
            case Choose():
                ways = [extremes(model, branch, hops) for _, branch in branches(step)]
                least, most = least + min(way[0] for way in ways), most + max(way[1] for way in ways)
            case Repeat():
                body = extremes(model, step.body, hops)
                least, most = least + iterations(step) * body[0], most + iterations(step) * body[1]
    return least, most


def caught(program: Program, model: Model) -> bool:
    """Whether a call here or below goes on after a rejection."""
    for step in program:
        match step:
            case Invoke():
                inner = (model.hops[step.hop].program, *step.on.values())
                if step.optional or Outcome.REJECTED in step.on or any(caught(each, model) for each in inner):
                    return True
            case Choose():
                if any(caught(branch, model) for _, branch in branches(step)):
                    return True
            case Repeat():
                if caught(step.body, model):
                    return True
    return False
