"""How often a flow may and must make each call, if it ends well. What spans are held against; used by ``checks``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence

from windtunnel.spec.architecture import CLIENT, Architecture, Call, Choose, Enqueue, Parallel, Repeat, Step
from windtunnel.spec.distribution import Constant

Counts = Mapping[str, tuple[int, int]]
"""``app->db:begin`` to (least, most)."""
ANY = sys.maxsize
"""Most, where nothing is known of it."""


def declared(architecture: Architecture, flow: str) -> Counts:
    """Of each call in a flow. The client's own is left out: it is not traced."""
    return _of_steps(CLIENT, architecture.flows[flow].steps, architecture.workers)


def _of_steps(caller: str, steps: Sequence[Step], workers: Mapping[str, str]) -> Counts:
    return _together(_of_step(caller, step, workers) for step in steps)


def _of_step(caller: str, step: Step, workers: Mapping[str, str]) -> Counts:
    match step:
        case Call():
            own = {} if caller == CLIENT else {f"{caller}->{step.call}:{step.op}": (1, 1)}
            then = _either(_of_steps(caller, steps, workers) for steps in step.on.values())
            return _together([own, _of_steps(step.call, step.steps, workers), _times(then, 0, 1)])
        case Choose():
            return _either(_of_steps(caller, branch.steps, workers) for branch in step.choose)
        case Parallel():
            least = 1 if step.need == len(step.parallel) else 0
            return _times(_together(_of_steps(caller, steps, workers) for steps in step.parallel), least, 1)
        case Repeat():
            most = step.at_most or ANY
            if isinstance(step.times, Constant):
                most = min(most, int(step.times.value + 0.5))
            least = most if isinstance(step.times, Constant) and not step.until else 0
            return _times(_of_steps(caller, step.repeat, workers), least, most)
        case Enqueue():
            return _times(_of_steps(workers[step.enqueue], step.steps, workers), 0, ANY)


def _together(parts: Iterable[Counts]) -> Counts:
    """One after the other."""
    total: dict[str, tuple[int, int]] = {}
    for part in parts:
        for call, (least, most) in part.items():
            before = total.get(call, (0, 0))
            total[call] = (before[0] + least, min(before[1] + most, ANY))
    return total


def _either(parts: Iterable[Counts]) -> Counts:
    """One of them."""
    branches = list(parts)
    both = [(call, [branch.get(call, (0, 0)) for branch in branches]) for branch in branches for call in branch]
    return {call: (min(least for least, _ in each), max(most for _, most in each)) for call, each in both}


def _times(part: Counts, least: int, most: int) -> Counts:
    """So often."""
    return {call: (low * least, min(high * most, ANY)) for call, (low, high) in part.items()}
