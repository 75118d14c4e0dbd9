"""Which formula is a queue's, and when there is none. The figures themselves are held to the truths in test_exact."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.reference.worlds import World
from windtunnel.sim.answers.one_queue import Queue, Stream, one_queue
from windtunnel.sim.model import WaitLimit
from windtunnel.spec.distribution import Constant, Distribution, Exponential, Uniform
from windtunnel.spec.problem import Problem

MEMORYLESS, FIXED, EVEN = Exponential(mean=10), Constant(value=10), Uniform(low=5, high=15)


def of(*services: Distribution, slots: int = 1, ranks: tuple[int, ...] = (0, 1), **more: Any) -> Queue | str:
    """Streams of 20 a second each; what is said of the queue, or the problem."""
    world = World()
    world.station("db", slots=slots, **more)
    problems: list[Problem] = []
    streams = [Stream(20, service, rank) for service, rank in zip(services, ranks, strict=False)]
    found = one_queue(world.stations[0], streams, problems)
    assert (found is None) == bool(problems)
    return found if found is not None else problems[0].found


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (of(MEMORYLESS), "M/M/1"),
        (of(MEMORYLESS, MEMORYLESS, slots=3), "M/M/3"),
        (of(MEMORYLESS, FIXED), "M/G/1"),
        (of(FIXED, FIXED, slots=2), "M/D/2"),
        (of(FIXED, EVEN, discipline="priority"), "M/G/1 with priorities"),
        (of(FIXED, EVEN, discipline="preemptive"), "M/G/1 with preemptive priorities"),
        (of(FIXED, EVEN, discipline="priority", ranks=(4, 4)), "M/G/1"),
        (of(EVEN, slots=3, queue_limit=0), "M/G/3/3"),
        (of(MEMORYLESS, slots=3, queue_limit=2), "M/M/3/5"),
        (of(MEMORYLESS, slots=3, shed=WaitLimit(0.01)), "M/M/3+D"),
    ],
)
def test_kinds(found: Queue | str, kind: str) -> None:
    assert isinstance(found, Queue), found
    assert found.kind == kind
    assert 0 < found.utilisation < 1


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (of(EVEN, slots=2), "2 servers for work that is neither exponential nor constant"),
        (of(MEMORYLESS, MEMORYLESS, slots=2, discipline="priority"), "priorities at 2 servers"),
        (of(EVEN, queue_limit=2), "a bounded queue or a longest wait"),
        (of(MEMORYLESS, queue_limit=2, shed=WaitLimit(0.01)), "a bounded queue and a longest wait"),
    ],
)
def test_no_formula(found: Queue | str, words: str) -> None:
    assert found == words


def test_the_work_of_all_streams_together() -> None:
    """Pollaczek and Khinchine: 0.04 a ms, E[S^2] = (100 + 200) / 2, load 0.4: 0.04 * 150 / 2 / 0.6 ms."""
    found = of(FIXED, MEMORYLESS)
    assert isinstance(found, Queue)
    assert found.wait_ms == pytest.approx({0: 5.0, 1: 5.0})
    assert found.waiting == pytest.approx(40 * 0.005)
