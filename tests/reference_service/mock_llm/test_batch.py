"""The batch is exact whenever it is driven: FIFO slots, steps at their instants, and the slowdown of its formula."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windtunnel.reference_service.mock_llm.batch import Batch, Member, QueueFull


class Noted(Member):
    """A member that notes what happens to it."""

    def __init__(self, *work_s: float, waits_s: dict[int, float] | None = None) -> None:
        self.work_s = work_s
        self.waits_s = waits_s or {}
        self.admitted_s = math.nan
        self.reached_s: list[float] = []

    def admitted(self, at_s: float) -> None:
        self.admitted_s = at_s

    def reached(self, place: int, at_s: float) -> None:
        assert place == len(self.reached_s)
        self.reached_s.append(at_s)


def test_slots_are_handed_over_in_order_at_the_time_they_were_due():
    batch = Batch(1)
    first, second, third = Noted(10), Noted(10), Noted(1)
    for member in (first, second, third):
        batch.enter(member, 100)
    assert (batch.members, batch.waiting, batch.waiting_peak) == (1, 2, 2)
    batch.advance(1000)  # very late, and yet
    assert [first.reached_s, second.reached_s, third.reached_s] == [[110], [120], [121]]
    assert (second.admitted_s, third.admitted_s) == (110, 120)
    assert (batch.members, batch.waiting, batch.due_s) == (0, 0, None)


def test_nobody_is_admitted_before_arriving():
    batch = Batch(1)
    batch.enter(Noted(1), 0)
    late = Noted(1)
    batch.enter(late, 50)
    assert late.admitted_s == 50


def test_each_step_happens_at_its_work_and_says_when_it_is_due():
    batch = Batch(2)
    member = Noted(0.5, 0.6, 0.6, 2)
    batch.enter(member, 10)
    seen = []
    while (due_s := batch.due_s) is not None:
        seen.append(due_s)
        batch.advance(due_s)
    assert seen == pytest.approx([10.5, 10.6, 12])
    assert member.reached_s == pytest.approx([10.5, 10.6, 10.6, 12])


def test_with_two_members_everything_takes_as_much_longer_as_the_formula_says():
    batch = Batch(2, slowdown=0.5)
    both = [Noted(1, 3), Noted(1, 3)]
    for member in both:
        batch.enter(member, 0)
    batch.advance(math.nextafter(4.5, 0))
    assert [len(member.reached_s) for member in both] == [1, 1]
    batch.advance(100)
    # 1 + 0.5 * (2 - 1) times as long, until both leave together
    assert both[0].reached_s == both[1].reached_s == pytest.approx([1.5, 4.5])


def test_who_is_left_alone_goes_on_at_full_speed():
    batch = Batch(2, slowdown=1)
    short, long = Noted(1), Noted(3)
    batch.enter(short, 0)
    batch.enter(long, 0)
    batch.advance(100)
    assert (short.reached_s, long.reached_s) == ([2], [4])  # one unit at half speed, two alone


def test_a_member_that_leaves_gives_its_slot_and_speed_to_others():
    batch = Batch(1, slowdown=1)
    gone, patient, given_up = Noted(100), Noted(1), Noted(1)
    for member in (gone, given_up, patient):
        batch.enter(member, 0)
    batch.leave(given_up, 1)
    batch.leave(gone, 5)
    batch.leave(gone, 5)
    batch.advance(100)
    assert (gone.reached_s, given_up.reached_s, patient.admitted_s, patient.reached_s) == ([], [], 5, [6])


def test_one_that_had_its_last_step_has_left_already():
    batch = Batch(1)
    done, other = Noted(1), Noted(9)
    batch.enter(done, 0)
    batch.advance(2)
    batch.enter(other, 2)
    batch.leave(done, 3)
    assert batch.members == 1


def test_the_queue_is_full_at_its_limit():
    batch = Batch(1, queue_limit=1)
    batch.enter(Noted(1), 0)
    batch.enter(Noted(1), 0)
    with pytest.raises(QueueFull):
        batch.enter(Noted(1), 0)
    assert batch.waiting == 1


def test_a_wait_holds_a_step_and_all_behind_it_but_nobody_else():
    batch = Batch(2)
    stalled, other = Noted(1, 2, 3, waits_s={1: 10}), Noted(1, 2, 3)
    batch.enter(stalled, 0)
    batch.enter(other, 0)
    batch.advance(100)
    assert other.reached_s == [1, 2, 3]
    assert stalled.reached_s == [1, 12, 13]


def test_an_endless_wait_holds_the_slot_until_the_member_leaves():
    batch = Batch(1)
    stuck, next_one = Noted(1, 2, waits_s={1: math.inf}), Noted(1)
    batch.enter(stuck, 0)
    batch.enter(next_one, 0)
    batch.advance(1000)
    assert (stuck.reached_s, next_one.reached_s, batch.due_s) == ([1], [], None)
    batch.leave(stuck, 1000)
    batch.advance(2000)
    assert next_one.reached_s == [1001]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), slots=st.integers(1, 4), slowdown=st.sampled_from([0.0, 0.25, 1.0]))
def test_it_is_the_same_machine_however_often_it_is_driven(seed, slots, slowdown):
    def run(ticks: int) -> list[list[float]]:
        random = Random(seed)
        batch = Batch(slots, slowdown=slowdown)
        members = []
        at_s = 0.0
        for _ in range(8):
            at_s += random.expovariate(1)
            work_s = sorted(random.uniform(0, 3) for _ in range(random.randint(1, 5)))
            waits_s = {0: random.random()} if random.random() < 0.3 else {}
            for tick in range(ticks):
                batch.advance(max(0.0, at_s - 1 + tick / ticks))
            members.append(Noted(*work_s, waits_s=waits_s))
            batch.enter(members[-1], at_s)
            assert batch.members <= slots
        batch.advance(at_s + 1000)
        assert (batch.members, batch.waiting) == (0, 0)
        return [member.reached_s for member in members]

    for seldom, often in zip(run(0), run(7), strict=True):
        assert seldom == pytest.approx(often)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), slots=st.integers(1, 4))
def test_without_slowdown_a_step_is_its_work_after_admission_and_admission_is_fifo(seed, slots):
    random = Random(seed)
    batch = Batch(slots)
    members = []
    for number in range(10):
        members.append(Noted(*sorted(random.uniform(0, 3) for _ in range(3))))
        batch.enter(members[-1], number * 0.3)
    batch.advance(1000)
    assert [member.admitted_s for member in members] == sorted(member.admitted_s for member in members)
    for member in members:
        assert member.reached_s == pytest.approx([member.admitted_s + work_s for work_s in member.work_s])
