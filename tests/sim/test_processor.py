"""Cores that are shared evenly: by hand, against a slow computation of the same, and what is counted for whom."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windtunnel.sim.clock import Clock, Rank
from windtunnel.sim.processor import Job, Processor


def ends(cores: float, jobs: list[tuple[float, float]], dropped: dict[int, float] | None = None) -> list[float | None]:
    """When each job (arrival, work) is done; None where it was dropped."""
    clock = Clock()
    processor = Processor(clock, cores)
    done: list[float | None] = [None] * len(jobs)
    running: dict[int, Job] = {}

    def start(index: int) -> None:
        job = running[index] = processor.run(f"owner {index % 2}", jobs[index][1])
        job.done.callbacks.append(lambda _: done.__setitem__(index, clock.now))

    def drop(index: int) -> None:
        processor.drop(running[index])

    def when(at_s: float, rank: Rank, then: Callable[[int], None], index: int) -> None:
        clock.at(at_s, rank, index).callbacks.append(lambda _: then(index))

    for index, (at_s, _) in enumerate(jobs):
        when(at_s, Rank.ARRIVAL, start, index)
    for index, at_s in (dropped or {}).items():
        when(at_s, Rank.LIMIT, drop, index)
    clock.run()
    work_s = sum(processor.used_s().values())
    if not dropped:
        assert work_s == pytest.approx(sum(work for _, work in jobs))
    return done


def by_small_steps(cores: float, jobs: list[tuple[float, float]]) -> list[float]:
    """The same from one change to the next, without virtual time."""
    left = {index: work for index, (_, work) in enumerate(jobs)}
    done = [0.0] * len(jobs)
    now_s = 0.0
    while left:
        present = [index for index in left if jobs[index][0] <= now_s]
        later = [at_s for at_s, _ in (jobs[index] for index in left) if at_s > now_s]
        rate = min(1.0, cores / len(present)) if present else 0.0
        until = [now_s + left[index] / rate for index in present] + later
        step_s = min(until) - now_s
        for index in present:
            left[index] -= rate * step_s
        now_s = min(until)
        for index in present:
            if left[index] < 1e-9:
                done[index] = now_s
                del left[index]
    return done


def test_by_hand() -> None:
    # Alone until 1, then two on one core until the second job's 1 s of work is done, then alone again.
    assert ends(1, [(0, 3), (1, 1)]) == pytest.approx([4, 3])
    assert ends(2, [(0, 3), (1, 1)]) == pytest.approx([3, 2])
    assert ends(2, [(0, 1), (0, 1), (0, 1), (0, 1)]) == pytest.approx([2] * 4)
    assert ends(0.5, [(0, 1)]) == pytest.approx([2])


def test_a_dropped_job_leaves_its_share_to_the_others() -> None:
    first, second = ends(1, [(0, 2), (0, 2)], dropped={1: 1.0})
    assert first == pytest.approx(2.5)
    assert second is None
    assert ends(1, [(0, 1)], dropped={0: 5.0}) == pytest.approx([1])  # done already


def test_time_is_counted_for_its_owner() -> None:
    clock = Clock()
    processor = Processor(clock, 1)
    processor.run("a", 3)
    processor.run("b", 1)
    clock.at(1.0, Rank.OBSERVATION).callbacks.append(lambda _: seen.append(processor.used_s()))
    seen: list[dict[str, float]] = []
    clock.run()
    assert seen == [{"a": pytest.approx(0.5), "b": pytest.approx(0.5)}]
    assert processor.used_s() == {"a": pytest.approx(3), "b": pytest.approx(1)}


@settings(max_examples=60)
@given(
    st.sampled_from([0.5, 1.0, 2.0, 3.0]),
    st.lists(st.tuples(st.integers(0, 20).map(float), st.integers(1, 9).map(float)), min_size=1, max_size=12),
)
def test_virtual_time_changes_nothing(cores: float, jobs: list[tuple[float, float]]) -> None:
    assert ends(cores, jobs) == pytest.approx(by_small_steps(cores, jobs), abs=1e-6)
