"""Recorded arrivals of a real LLM service, to be replayed: the format of the Azure LLM inference traces.

A CSV file with the header TIMESTAMP,ContextTokens,GeneratedTokens and one row per request, in the order of time:
https://github.com/Azure/AzurePublicDataset/blob/master/AzureLLMInferenceDataset2023.md
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
from numpy.typing import NDArray

from windtunnel.spec.distribution import MOST_TOKENS
from windtunnel.spec.problem import Problem, SpecError

COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")


@dataclass(frozen=True)
class Trace:
    """One row per request."""

    at_s: NDArray[np.float64]
    """Seconds after the first."""
    input_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]

    def __len__(self) -> int:
        """How many requests."""
        return len(self.at_s)

    @property
    def period_s(self) -> float:
        """From its start to the start of its repetition: the last one is followed by a gap of mean length."""
        return float(self.at_s[-1]) * len(self) / (len(self) - 1)


def read_trace(path: Path) -> Trace:
    """The trace in a file. SpecError with the first mistake; also where the file cannot be read."""
    try:
        table = pcsv.read_csv(
            path, convert_options=pcsv.ConvertOptions(column_types=dict.fromkeys(COLUMNS, pa.string()))
        )
    except FileNotFoundError:
        raise _problem(path, None, "no such file", "a trace") from None
    except OSError as error:
        raise _problem(path, None, error.strerror or "a file that cannot be read", "a readable file") from None
    except pa.ArrowInvalid as error:
        raise _problem(path, None, str(error).splitlines()[0], "rows of values, separated by commas") from None
    missing = [column for column in COLUMNS if column not in table.column_names]
    if missing:
        raise _problem(path, 1, f"no column {missing[0]}", f"the columns {','.join(COLUMNS)}")
    if len(table) < 2:
        raise _problem(path, None, f"{len(table)} requests", "at least 2")
    times = _times(table["TIMESTAMP"], path)
    back = np.flatnonzero(np.diff(times) < 0)
    if len(back):
        line = int(back[0]) + 3
        raise _problem(path, line, f"TIMESTAMP {table['TIMESTAMP'][line - 2]}", "no time before that of the line above")
    at_s = (times - times[0]) / 1e9
    if at_s[-1] <= 0:
        raise _problem(path, None, "one time in all rows", "a trace that lasts")
    return Trace(at_s, _tokens(table, "ContextTokens", path), _tokens(table, "GeneratedTokens", path))


def _times(column: pa.ChunkedArray, path: Path) -> NDArray[np.int64]:
    """Nanoseconds; the time zone, if any, is left out, as the same in all rows."""
    bare = pc.replace_substring_regex(pc.utf8_trim_whitespace(column), r"(Z|[+-]\d\d:?\d\d)$", "")
    try:
        return np.asarray(bare.cast(pa.timestamp("ns")).cast(pa.int64()))
    except pa.ArrowInvalid:
        for line, value in enumerate(bare.to_pylist(), start=2):
            if not _is(value, pa.timestamp("ns")):
                raise _problem(
                    path, line, f"TIMESTAMP {value!r}", "a time such as 2023-11-16 18:17:03.9799600"
                ) from None
        raise


def _tokens(table: pa.Table, name: str, path: Path) -> NDArray[np.int64]:
    try:
        tokens = np.asarray(table[name].cast(pa.int64()))
    except pa.ArrowInvalid:
        tokens = np.array([int(v.as_py()) if _is(v.as_py(), pa.int64()) else -1 for v in table[name]], dtype=np.int64)
    wrong = np.flatnonzero((tokens < 0) | (tokens > MOST_TOKENS))
    if len(wrong):
        row = int(wrong[0])
        expected = f"a whole number from 0 to {MOST_TOKENS:,}"
        raise _problem(path, row + 2, f"{name} {table[name][row].as_py()!r}", expected)
    return tokens


def _is(text: str, kind: pa.DataType) -> bool:
    try:
        pa.scalar(text).cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


def _problem(path: Path, line: int | None, found: str, expected: str) -> SpecError:
    return SpecError([Problem("", found, expected, str(path), line)])
