"""Cores that are shared evenly: by hand, against a slow computation of the same, and what is counted for whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simpy.events import Event

from windtunnel.sim.reference.clock import Clock, Rank
from windtunnel.sim.reference.processor import Job, Processor

Work = tuple[float, float, str | None]
"""When it comes, how much it is, and the thread it belongs to; None: one of its own."""


def ends(cores: float, jobs: Sequence[Work], dropped: dict[int, float] | None = None) -> list[float | None]:
    """When each job is done; None where it was dropped."""
    clock = Clock()
    processor = Processor(clock, cores)
    done: list[float | None] = [None] * len(jobs)
    running: dict[int, Job] = {}

    def start(index: int) -> None:
        _, work_s, thread = jobs[index]
        job = running[index] = processor.run(thread or "alone", work_s, thread)
        job.done.callbacks.append(lambda _: done.__setitem__(index, clock.now))

    def drop(index: int) -> None:
        processor.drop(running[index])

    def when(at_s: float, rank: Rank, then: Callable[[int], None], index: int) -> None:
        clock.at(at_s, rank, index).callbacks.append(lambda _: then(index))

    for index, (at_s, _, _) in enumerate(jobs):
        when(at_s, Rank.ARRIVAL, start, index)
    for index, at_s in (dropped or {}).items():
        when(at_s, Rank.LIMIT, drop, index)
    clock.run()
    if not dropped:
        owners = {thread or "alone" for _, _, thread in jobs}
        assert sum(processor.used_s(who) for who in owners) == pytest.approx(sum(work_s for _, work_s, _ in jobs))
    return done


def by_small_steps(cores: float, jobs: Sequence[Work]) -> list[float]:
    """The same from one change to the next, without virtual time."""
    left = {index: work_s for index, (_, work_s, _) in enumerate(jobs)}
    threads = [thread or str(index) for index, (_, _, thread) in enumerate(jobs)]
    done = [0.0] * len(jobs)
    now_s = 0.0
    while left:
        present = [index for index in left if jobs[index][0] <= now_s]
        later = [jobs[index][0] - now_s for index in left if jobs[index][0] > now_s]
        sharing = Counter(threads[index] for index in present)
        rates = {index: min(1.0, cores / len(sharing)) / sharing[threads[index]] for index in present}
        step_s = min([left[index] / rates[index] for index in present] + later)
        now_s += step_s
        for index in present:
            left[index] -= rates[index] * step_s
            if left[index] < 1e-9:
                done[index] = now_s
                del left[index]
    return done


def test_by_hand() -> None:
    # Alone until 1, then two on one core until the second job's 1 s of work is done, then alone again.
    assert ends(1, [(0, 3, None), (1, 1, None)]) == pytest.approx([4, 3])
    assert ends(2, [(0, 3, None), (1, 1, None)]) == pytest.approx([3, 2])
    assert ends(2, [(0, 1, None)] * 4) == pytest.approx([2] * 4)
    assert ends(0.5, [(0, 1, None)]) == pytest.approx([2])


def test_a_thread_uses_one_core_however_many_there_are() -> None:
    assert ends(8, [(0, 1, "a"), (0, 1, "a"), (0, 1, "b")]) == pytest.approx([2, 2, 1])
    # Three threads on two cores run at two thirds, and the two jobs of one of them at a third each.
    assert ends(2, [(0, 1, "a"), (0, 1, "a"), (0, 2, None), (0, 2, None)]) == pytest.approx([3, 3, 3, 3])


def test_a_dropped_job_leaves_its_share_to_the_others() -> None:
    for thread in (None, "a"):
        first, second = ends(1, [(0, 2, thread), (0, 2, thread)], dropped={1: 1.0})
        assert first == pytest.approx(2.5)
        assert second is None
    assert ends(1, [(0, 1, None)], dropped={0: 5.0}) == pytest.approx([1])  # done already


def test_time_is_counted_for_its_owner_and_looking_changes_nothing() -> None:
    clock = Clock()
    processor = Processor(clock, 1)
    processor.run("a", 3)
    one = processor.run("b", 1)
    one.done.callbacks.append(lambda _: seen.append(clock.now))
    seen: list[float] = []
    for n in range(1, 20):
        at_s = 0.1 * n
        clock.at(at_s, Rank.OBSERVATION).callbacks.append(lambda _: seen.append(processor.used_s("a")))
    clock.run()
    assert seen == pytest.approx([0.05 * n for n in range(1, 20)] + [2.0])
    assert seen[-1] == 2.0  # to the last bit
    assert (processor.used_s("a"), processor.used_s("b"), processor.used_s("nobody")) == (3.0, 1.0, 0.0)


def test_jobs_that_end_together_end_in_the_order_of_their_ends_and_starts() -> None:
    clock, seen = Clock(), list[tuple[str, float]]()
    processor = Processor(clock, 1)

    def ends(name: str) -> Callable[[Event], None]:
        return lambda _: seen.append((name, clock.now))

    for name in ("first", "second", "third"):
        processor.run("a", 1, "a").done.callbacks.append(ends(name))
    clock.run()
    assert seen == [("first", 3), ("second", 3), ("third", 3)]


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([0.5, 1.0, 2.0, 3.0]),
    st.lists(
        st.tuples(st.integers(0, 20).map(float), st.integers(1, 9).map(float), st.sampled_from([None, None, "a", "b"])),
        min_size=1,
        max_size=12,
    ),
)
def test_virtual_time_changes_nothing(cores: float, jobs: list[Work]) -> None:
    assert ends(cores, jobs) == pytest.approx(by_small_steps(cores, jobs), abs=1e-6)
