"""The checker of recoveries, on histories made by hand and against a slow but obvious one."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from random import Random

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windtunnel.chaos.checkers.recovery import SLIDE_S, recovery
from windtunnel.spec.run import SAMPLES, WRITES

Request = tuple[float, bool]
"""Intended start in seconds, and whether it succeeded."""


def samples(requests: list[Request]) -> pa.Table:
    rows = [
        {
            "request": number,
            "flow": "chat",
            "intended_s": start_s,
            "sent_s": start_s,
            "first_token_s": None,
            "done_s": start_s + 0.1,
            "outcome": "ok" if ok else "timeout",
            "status": 200 if ok else None,
            "error": None if ok else "timeout",
            "tokens": None,
        }
        for number, (start_s, ok) in enumerate(requests)
    ]
    return pa.Table.from_pylist(rows, schema=SAMPLES)


def steady(until_s: float, failing: AbstractSet[int] = frozenset()) -> list[Request]:
    """Ten requests a second; those of the given numbers fail."""
    return [(number / 10, number not in failing) for number in range(round(until_s * 10))]


@pytest.mark.parametrize(
    ("requests", "tolerance", "seconds", "enough"),
    [
        (steady(20), 0, 0.0, True),  # nothing failed after the heal at 5
        (steady(20, set(range(50))), 0, 0.0, True),  # only before it
        (steady(20, set(range(73))), 0, 2.3, True),
        (steady(20, {60, 80}), 0, 3.1, True),  # back, and gone again
        (steady(20, set(range(200))), 0, None, True),
        (steady(20, {199}), 0, None, True),  # it may be going down again
        (steady(20, {175}), 0, 12.6, True),
        (steady(20, {195}), 0, None, True),  # not a second to the end
        (steady(20, {199}), 0.1, 0.0, True),
        (steady(20, set(range(73)) | {100, 120}), 0.1, 2.3, True),  # one in ten is tolerated
        (steady(20, set(range(73)) | {100, 101, 120}), 0.1, 5.2, True),  # two in ten are not
        ([*steady(20, set(range(200))), (25.0, True)], 0, None, True),  # after the end does not count
        ([], 0, None, False),
        ([(1.0, True)], 0, None, False),
        ([(6.0, False)], 0, None, True),
        ([(6.0 + number, number > 0) for number in range(14)], 0, None, False),
    ],
)
def test_histories(requests: list[Request], tolerance: float, seconds: float | None, enough: bool) -> None:
    result = recovery(samples(requests), 5, 20, tolerance=tolerance)
    assert result.seconds == (None if seconds is None else pytest.approx(seconds, abs=1e-9)), result.detail
    assert result.enough is enough
    assert result.n == sum(5 <= start_s < 20 for start_s, _ in requests)
    assert result.detail


def test_how_many_are_enough_can_be_said() -> None:
    few = samples([(6.0, False), (7.0, True), (8.0, True)])
    assert recovery(few, 5, 20, least=2).seconds == 2
    assert not recovery(few, 5, 20, least=3).enough


def test_what_it_does_not_take() -> None:
    with pytest.raises(ValueError, match="expected"):
        recovery(pa.table({name: [] for name in WRITES.names}, schema=WRITES), 0, 1)
    with pytest.raises(ValueError, match="after the heal"):
        recovery(samples([]), 2, 2)


histories = st.lists(st.tuples(st.floats(0, 12), st.booleans()), max_size=60)
HEALED_S, UNTIL_S = 2.0, 10.0


def shares(requests: list[Request], from_s: float) -> list[float]:
    """Of failures, in each second that begins with a request from then on, or is the last."""
    found = []
    inside = [request for request in requests if HEALED_S <= request[0] < UNTIL_S]
    for start_s, _ in inside:
        if start_s >= from_s:
            begin_s = min(start_s, UNTIL_S - SLIDE_S)
            second = [ok for at_s, ok in inside if begin_s <= at_s < begin_s + SLIDE_S]
            found.append(1 - sum(second) / len(second))
    return found


@given(histories, st.sampled_from([0, 0.1, 0.5]))
def test_recovered_is_the_first_success_from_which_on_all_is_well(requests: list[Request], tolerance: float) -> None:
    result = recovery(samples(requests), HEALED_S, UNTIL_S, tolerance=tolerance, least=1)
    inside = sorted(request for request in requests if HEALED_S <= request[0] < UNTIL_S)
    well = [
        start_s
        for start_s, ok in inside
        if ok and all(share <= tolerance + 1e-9 for share in shares(requests, start_s))
    ]
    if result.seconds is not None and any(not ok for _, ok in inside):
        assert HEALED_S + result.seconds == pytest.approx(well[0])
    elif result.seconds is None and result.enough:
        assert not well or UNTIL_S - well[0] < SLIDE_S
    elif not result.enough:
        assert not well


@given(histories, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(requests: list[Request], random: Random) -> None:
    shuffled = list(requests)
    random.shuffle(shuffled)
    asked = [recovery(samples(rows), HEALED_S, UNTIL_S, least=1).seconds for rows in (requests, shuffled)]
    assert asked[0] == asked[1]


@given(histories)
def test_more_tolerance_never_recovers_later(requests: list[Request]) -> None:
    strict, lenient = (recovery(samples(requests), HEALED_S, UNTIL_S, tolerance=t, least=1) for t in (0, 0.3))
    if strict.seconds is not None:
        assert lenient.seconds is not None
        assert lenient.seconds <= strict.seconds
