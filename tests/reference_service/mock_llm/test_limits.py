"""Limits per minute are never overspent, tell the truth, and give back what was not used."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windtunnel.reference_service.mock_llm.errors import ApiError
from windtunnel.reference_service.mock_llm.limits import Limits


def test_without_limits_everything_is_taken_and_nothing_told():
    limits = Limits(None, None, None)
    limits.take(0, 10**9, 10**9)
    assert limits.standing(0) == {}


def test_a_request_is_refused_with_the_time_after_which_it_fits():
    limits = Limits(2, None, None)
    limits.take(0, 1, 1)
    limits.take(0, 1, 1)
    with pytest.raises(ApiError, match="2 requests per minute") as refused:
        limits.take(0, 1, 1)
    assert (refused.value.status, refused.value.retry_after_s) == (429, 30)
    with pytest.raises(ApiError):
        limits.take(29.9, 1, 1)
    limits.take(30, 1, 1)


def test_max_tokens_is_reserved_and_what_was_not_used_is_given_back():
    limits = Limits(None, None, 1000)
    limits.take(0, 1, 900)
    with pytest.raises(ApiError, match="output tokens per minute"):
        limits.take(0, 1, 200)
    limits.give_back(0, 900 - 50)
    limits.take(0, 1, 900)
    assert limits.standing(0)["output-tokens"].remaining == 50


def test_a_refused_request_takes_nothing():
    limits = Limits(10, 100, None)
    with pytest.raises(ApiError, match="input tokens"):
        limits.take(0, 101, 1)
    assert limits.standing(0)["requests"].remaining == 10


def test_what_never_fits_is_not_worth_another_try():
    with pytest.raises(ApiError, match="more than the limit of 1000") as refused:
        Limits(None, None, 1000).take(0, 1, 1001)
    assert (refused.value.retry_after_s, refused.value.should_retry) == (None, False)


def test_tokens_stands_for_the_tighter_of_the_two():
    limits = Limits(None, 1000, 500)
    limits.take(0, 900, 10)
    standing = limits.standing(0)
    assert standing["tokens"] == standing["input-tokens"]
    assert (standing["tokens"].remaining, standing["tokens"].full_in_s) == (100, pytest.approx(54))


CALLS = st.lists(
    st.tuples(
        st.floats(0, 20),  # seconds since the one before
        st.integers(1, 400),  # input tokens
        st.integers(0, 400),  # max_tokens
        st.floats(0, 1),  # share of it that is used
        st.floats(0, 30),  # seconds until its end
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(CALLS)
def test_no_stretch_of_time_overspends_any_limit(calls):
    rpm, itpm, otpm = 12, 1000, 800
    limits = Limits(rpm, itpm, otpm)
    now_s = 0.0
    spent: list[tuple[float, dict[str, int]]] = []
    ends: list[tuple[float, int]] = []
    for pause_s, size, most, share, lasts_s in calls:
        now_s += pause_s
        for at_s, unused in sorted(end for end in ends if end[0] <= now_s):
            limits.give_back(at_s, unused)
        ends = [end for end in ends if end[0] > now_s]
        told = limits.standing(now_s)
        fits = told["requests"].remaining >= 1
        fits &= told["input-tokens"].remaining >= size and told["output-tokens"].remaining >= most
        try:
            limits.take(now_s, size, most)
        except ApiError:
            assert not fits, "the headers said that there was room"
            continue
        used = math.floor(most * share)
        spent.append((now_s, {"requests": 1, "input-tokens": size, "output-tokens": used}))
        ends.append((now_s + lasts_s, most - used))
    for name, limit in (("requests", rpm), ("input-tokens", itpm), ("output-tokens", otpm)):
        for place, (from_s, _) in enumerate(spent):
            total = 0
            for until_s, each in spent[place:]:
                total += each[name]
                assert total <= limit * (1 + (until_s - from_s) / 60) + 1e-6
