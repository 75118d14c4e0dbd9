"""A sketch is as exact as it says, whatever it is fed, and its bucket is the same compiled and not."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from windtunnel.sim.answers.sketch import BUCKETS, Sketch, bucket, lower, upper

SMALLEST, LARGEST = 2.0**-20, 2.0**24
inside = st.floats(SMALLEST, LARGEST, exclude_max=True)
anything = st.one_of(
    st.floats(0, 1e12), inside, st.sampled_from([0.0, 5.0, SMALLEST, LARGEST, math.nextafter(LARGEST, 0), 5e-324])
)
compiled: Any = numba.njit(bucket)


@numba.njit  # type: ignore[untyped-decorator]
def count(values: NDArray[np.float64], counts: NDArray[np.int64]) -> None:
    """How a compiled engine counts."""
    for value in values:
        counts[compiled(value)] += 1


def test_the_limits_of_the_buckets_are_exact_and_leave_no_gap() -> None:
    assert lower(0) == 0
    assert lower(1) == SMALLEST
    assert lower(BUCKETS - 1) == LARGEST
    assert upper(BUCKETS - 1) == math.inf
    for place in range(1, BUCKETS):
        assert bucket(lower(place)) == place
        assert bucket(math.nextafter(lower(place), 0)) == place - 1
        assert upper(place - 1) == lower(place)
        if place < BUCKETS - 1:
            assert (upper(place) - lower(place)) / lower(place) <= 1 / 256


def test_what_is_no_time_still_has_a_place() -> None:
    for value, place in ((-1.0, 0), (-0.0, 0), (-math.inf, 0), (math.inf, BUCKETS - 1), (1e300, BUCKETS - 1)):
        assert bucket(value) == compiled(value) == place
    assert 0 <= bucket(math.nan) < BUCKETS
    assert 0 <= compiled(math.nan) < BUCKETS


def test_compiled_and_plain_and_whole_arrays_count_alike() -> None:
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.lognormal(3, 6, 20_000), [lower(place) for place in range(BUCKETS)], [5e-324, 0.0]])
    counts = np.zeros(BUCKETS, dtype=np.int64)
    count(values, counts)
    plain = np.bincount([bucket(value) for value in values.tolist()], minlength=BUCKETS)
    assert np.array_equal(counts, plain)
    assert np.array_equal(counts, Sketch.of(values).counts)


@given(st.lists(anything, min_size=1, max_size=300), st.integers(0, 1000))
def test_a_quantile_is_off_by_what_is_promised_at_most(values: list[float], permille: int) -> None:
    rank = max(1, math.ceil(Fraction(permille, 1000) * len(values)))
    true = sorted(values)[rank - 1]
    found = Sketch.of(values).quantile(permille / 1000)
    if true < SMALLEST:
        assert abs(found - true) <= SMALLEST
    elif true < LARGEST:
        assert abs(found - true) < true / 256
    else:
        assert LARGEST <= found <= max(values)


def test_quantiles_of_many_values_are_far_better_than_promised() -> None:
    values = np.random.default_rng(2).exponential(50, 1_000_000)
    sketch = Sketch.of(values)
    for p in (0.5, 0.9, 0.99, 0.999):
        assert sketch.quantile(p) == pytest.approx(np.quantile(values, p, method="inverted_cdf"), rel=2e-4)
    assert sketch.quantile(0) == pytest.approx(values.min(), rel=1 / 256)
    assert sketch.quantile(1) == values.max()
    assert sketch.mean() == pytest.approx(values.mean(), rel=1e-12)


@given(st.lists(anything, min_size=1, max_size=300), anything)
def test_a_share_above_is_wrong_by_the_values_in_one_bucket_at_most(values: list[float], limit: float) -> None:
    share = Sketch.of(values).share_above(limit)
    place = bucket(limit)
    assert sum(bucket(value) > place for value in values) <= share * len(values) + 1e-9
    assert share * len(values) - 1e-9 <= sum(bucket(value) >= place for value in values)
    assert Sketch.of(values).share_above(max(values)) == 0
    if min(values) > 0:
        assert Sketch.of(values).share_above(math.nextafter(min(values), 0)) == 1


def test_a_share_above_splits_the_values_of_a_bucket_evenly() -> None:
    values = np.random.default_rng(3).uniform(0, 100, 1_000_000)
    sketch = Sketch.of(values)
    for limit in (0.1, 30.03, 75.3, 99.99):
        assert sketch.share_above(limit) == pytest.approx((values > limit).mean(), abs=1e-4)


@given(st.lists(st.lists(anything, max_size=50), max_size=5))
def test_merged_is_of_all_values_together_and_pairs_lose_nothing(parts: list[list[float]]) -> None:
    merged = Sketch.merged(Sketch.of(part) for part in parts)
    whole = Sketch.of([value for part in parts for value in part])
    buckets, counts = merged.pairs()
    again = Sketch.from_pairs(buckets, counts, sum_ms=merged.sum_ms, min_ms=merged.min_ms, max_ms=merged.max_ms)
    for sketch in (merged, again):
        assert np.array_equal(sketch.counts, whole.counts)
        assert sketch.sum_ms == pytest.approx(whole.sum_ms)
        assert (sketch.min_ms, sketch.max_ms, sketch.total) == (whole.min_ms, whole.max_ms, whole.total)
    assert np.all(np.diff(buckets) > 0)
    assert np.all(counts > 0)


def test_what_cannot_be_answered_is_refused() -> None:
    empty = Sketch.of([])
    for question in (empty.mean, lambda: empty.quantile(0.5), lambda: empty.share_above(1)):
        with pytest.raises(ValueError, match="expected at least one"):
            question()
    with pytest.raises(ValueError, match="expected 0 to 1"):
        Sketch.of([1]).quantile(1.1)
    for wrong in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="negative or not finite"):
            Sketch.of([1.0, wrong])
    with pytest.raises(ValueError, match="one for each"):
        Sketch(np.zeros(3, dtype=np.int64), 0, 0, 0)
