"""The checker of promised writes, on histories known to be good and known to be bad."""

from __future__ import annotations

from random import Random

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windtunnel.chaos.checkers.acknowledged_writes import acknowledged_writes
from windtunnel.spec.run import SAMPLES, WRITES

Row = tuple[int, str, bool | None]


def history(*rows: Row) -> pa.Table:
    request, name, found = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table({"request": request, "id": name, "found": found}, schema=WRITES)


@pytest.mark.parametrize(
    ("rows", "promised", "lost", "unknown", "duplicates"),
    [
        ([], 0, (), (), ()),
        ([(1, "a", True), (1, "b", True)], 2, (), (), ()),
        ([(1, "a", True), (2, "b", False)], 2, ("b",), (), ()),
        ([(1, "a", None), (2, "b", False)], 2, ("b",), ("a",), ()),
        ([(1, "a", True), (2, "a", True)], 1, (), (), ("a",)),  # two answers, one row: one of them lied
        ([(1, "a", True), (1, "a", True)], 1, (), (), ()),  # two looks for one answer
        ([(1, "a", None), (1, "a", True)], 1, (), (), ()),
        ([(1, "a", None), (1, "a", False)], 1, ("a",), (), ()),
        ([(1, "a", True), (1, "a", False)], 1, ("a",), (), ()),  # seen, then gone
        ([(2, "b", False), (1, "a", False)], 2, ("b", "a"), (), ()),
    ],
)
def test_histories(
    rows: list[Row], promised: int, lost: tuple[str, ...], unknown: tuple[str, ...], duplicates: tuple[str, ...]
) -> None:
    result = acknowledged_writes(history(*rows))
    assert (result.promised, result.lost, result.unknown, result.duplicates) == (promised, lost, unknown, duplicates)


def test_in_words() -> None:
    rows: list[Row] = [(number, f"m{number}", number % 2 == 0) for number in range(24)]
    assert str(acknowledged_writes(history(*rows, (99, "u", None)))) == (
        "25 promised, 12 lost (m1, m3, m5, m7, m9, m11, m13, m15, m17, m19 and 2 more), 1 unknown (u), 0 promised twice"
    )


def test_other_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        acknowledged_writes(pa.table({name: [] for name in SAMPLES.names}, schema=SAMPLES))


rows = st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abcdef"), st.sampled_from([True, False, None])))


@given(rows)
def test_every_promise_has_one_fate(rows: list[Row]) -> None:
    result = acknowledged_writes(history(*rows))
    lost, unknown = set(result.lost), set(result.unknown)
    assert lost.isdisjoint(unknown)
    assert lost | unknown | set(result.duplicates) <= {name for _, name, _ in rows}
    found = {name for _, name, found in rows if found}
    assert result.promised == len(lost | unknown | found)
    assert unknown.isdisjoint(found)


@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows: list[Row], random: Random) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    one, other = acknowledged_writes(history(*rows)), acknowledged_writes(history(*shuffled))
    assert [set(ids) for ids in (one.lost, one.unknown, one.duplicates)] == [
        set(ids) for ids in (other.lost, other.unknown, other.duplicates)
    ]


@given(rows, st.integers(0, 3))
def test_a_loss_never_hides_behind_other_rows(rows: list[Row], request: int) -> None:
    assert "lost" in acknowledged_writes(history(*rows, (request, "lost", False))).lost
