"""What a sweep has done so far, on disk: a row per trial, each safe once it is written. Used by sweep.

Beside ``FILE.parquet`` stands ``FILE.parquet.journal``, a JSON object a line, as long as the sweep is under way; after
kill -9 the line that was being written is all that is lost. At the end everything becomes the Parquet file, in one
move. A later sweep into the same file takes up what is in either and fits its points.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from windtunnel.spec.fault import WindowName
from windtunnel.spec.problem import Problem, SpecError

KEY = "key"
"""The column that says what a row is a row of: a digest of everything that decides it."""

WINDOWS = get_args(WindowName)
Row = dict[str, Any]


class Journal:
    """The rows of one output file."""

    def __init__(self, out: Path, stream: BinaryIO) -> None:
        """``stream``: the journal, locked, for reading and appending."""
        self._out = out
        self._stream = stream
        self.rows: dict[str, Row] = {row[KEY]: row for row in _written(out)}
        self.rows |= {row[KEY]: row for row in _logged(stream)}

    def add(self, row: Mapping[str, Any]) -> None:
        """One more, on disk before this returns."""
        self._stream.write(json.dumps(row).encode() + b"\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self.rows[row[KEY]] = dict(row)

    def finish(self, rows: list[Row]) -> None:
        """Write these rows to the file; the journal has done its work."""
        made = self._out.with_name(self._out.name + ".part")
        pq.write_table(table(rows), made)
        made.replace(self._out)
        journal_of(self._out).unlink()


def journal_of(out: Path) -> Path:
    """Where the journal of an output file is."""
    return out.with_name(out.name + ".journal")


@contextmanager
def journal(out: Path) -> Iterator[Journal]:
    """The journal of a file, held by nobody else meanwhile. SpecError where somebody does, or it cannot be written."""
    path = journal_of(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a+b")
    except OSError as error:
        raise SpecError([Problem("--out", f"{error.strerror}", "a file that can be written", str(out))]) from None
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SpecError([Problem("--out", "another sweep into it", "one at a time", str(out))]) from None
        try:
            yield Journal(out, stream)
        finally:
            if path.exists() and not path.stat().st_size:
                path.unlink()


def table(rows: list[Row]) -> pa.Table:
    """A column for every key of any row, in the order of their first appearance; what a row lacks is null.

    A column of more than one type (an axis of words and numbers) is one of words.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: _column([row.get(name) for row in rows]) for name in names})


def _column(values: list[Any]) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        return pa.array(values, pa.float64())
    if len(kinds) > 1 or kinds & {dict, list}:
        return pa.array(
            [None if value is None else value if isinstance(value, str) else json.dumps(value) for value in values]
        )
    return pa.array(values)


def _written(out: Path) -> list[Row]:
    if not out.exists():
        return []
    try:
        found = pq.read_table(out)
    except (pa.ArrowInvalid, OSError):
        raise SpecError([Problem("--out", "something else", "a sweep's Parquet file, or no file", str(out))]) from None
    if KEY not in found.column_names:
        raise SpecError([Problem("--out", "a table of something else", "that of a sweep, or no file", str(out))])
    # what was seen; the axes may be others now, and a null is what the row did not have
    seen = [name for name in found.column_names if name in ("seed", KEY) or name.partition(".")[0] in WINDOWS]
    rows = found.select(seen).to_pylist()
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def _logged(stream: BinaryIO) -> Iterator[Row]:
    """The whole lines; a torn last one is cut off, so that the next one begins on a line of its own."""
    stream.seek(0)
    whole = 0
    for line in stream:
        if not line.endswith(b"\n"):
            break
        try:
            row = json.loads(line)
        except ValueError:
            break
        whole += len(line)
        yield row
    stream.truncate(whole)
