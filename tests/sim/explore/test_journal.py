"""Rows are safe once they are written; a torn line is cut off; one sweep at a time writes."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from windtunnel.sim.explore.journal import journal, journal_of, table
from windtunnel.spec.problem import SpecError


def test_what_was_added_is_there_again_without_the_torn_end(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "sweep.parquet"
    with journal(out) as kept:
        kept.add({"key": "a", "seed": 1, "during.requests": 5})
        kept.add({"key": "b", "seed": 2})
    with journal_of(out).open("ab") as stream:
        stream.write(b'{"key": "c", "se')
    with journal(out) as kept:
        assert kept.rows == {"a": {"key": "a", "seed": 1, "during.requests": 5}, "b": {"key": "b", "seed": 2}}
        kept.add({"key": "d", "seed": 4})
    with journal(out) as kept:
        assert list(kept.rows) == ["a", "b", "d"]
        kept.finish([{"rate": 3, **kept.rows["d"]}, {"rate": 2, **kept.rows["a"]}])
    assert not journal_of(out).exists()
    assert pq.read_table(out).to_pylist() == [
        {"rate": 3, "key": "d", "seed": 4, "during.requests": None},
        {"rate": 2, "key": "a", "seed": 1, "during.requests": 5},
    ]
    with journal(out) as kept:  # the axes may be others now: what was seen is kept, and not what it was called by
        assert kept.rows["a"] == {"key": "a", "seed": 1, "during.requests": 5}
        assert kept.rows["d"] == {"key": "d", "seed": 4}


def test_two_at_once_and_a_file_of_something_else_are_told(tmp_path: Path) -> None:
    out = tmp_path / "sweep.parquet"
    with journal(out), pytest.raises(SpecError, match="another sweep into it"), journal(out):
        pass
    out.write_text("no table")
    with pytest.raises(SpecError, match="a sweep's Parquet file"), journal(out):
        pass
    pq.write_table(pa.table({"a": [1]}), out)
    with pytest.raises(SpecError, match="a table of something else"), journal(out):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(SpecError, match="a file that can be written"), journal(tmp_path / "file" / "sweep.parquet"):
        pass


def test_nothing_is_left_of_a_sweep_without_a_row(tmp_path: Path) -> None:
    with journal(tmp_path / "sweep.parquet"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_column_of_several_types_is_one_of_words() -> None:
    made = table([{"a": 1, "b": 1, "c": None}, {"a": 0.5, "b": "x", "c": {"d": 1}}])
    assert made.to_pylist() == [{"a": 1.0, "b": "1", "c": None}, {"a": 0.5, "b": "x", "c": '{"d": 1}'}]
