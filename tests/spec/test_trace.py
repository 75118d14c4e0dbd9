"""Recorded arrivals in the format of the Azure traces, and what is said of files that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from windtunnel.spec.problem import SpecError
from windtunnel.spec.trace import read_trace

HEAD = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
ROWS = [
    "2023-11-16 18:17:03.9799600,4808,10",
    "2023-11-16 18:17:04.0319600,3180,8",
    "2023-11-16 18:17:05.9799600,110,27",
]


def written(folder: Path, text: str) -> Path:
    file = folder / "trace.csv"
    file.write_text(text)
    return file


def test_rows_are_seconds_after_the_first_with_their_tokens(tmp_path: Path) -> None:
    trace = read_trace(written(tmp_path, HEAD + "\n".join(ROWS)))
    assert trace.at_s.tolist() == pytest.approx([0, 0.052, 2])
    assert trace.input_tokens.tolist() == [4808, 3180, 110]
    assert trace.output_tokens.tolist() == [10, 8, 27]
    assert trace.period_s == pytest.approx(3)  # the gap before the repetition is as long as those inside, on average


def test_the_later_format_with_time_zones_and_more_columns_is_read(tmp_path: Path) -> None:
    rows = "2024-05-10 00:00:00.009930+00:00,2162,5,x\n2024-05-10 00:00:01.509930+00:00,2399,6,y\n"
    trace = read_trace(written(tmp_path, HEAD.strip() + ",Note\n" + rows))
    assert trace.at_s.tolist() == [0, 1.5]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "found Empty CSV file, expected rows of values"),
        ("TIMESTAMP,ContextTokens\na,b\n", "trace.csv:1: found no column GeneratedTokens, expected the columns"),
        (HEAD + ROWS[0], "found 1 requests, expected at least 2"),
        (HEAD + f"{ROWS[0]}\n{ROWS[0]}", "found one time in all rows, expected a trace that lasts"),
        (HEAD + f"{ROWS[1]}\n{ROWS[2]}\n{ROWS[0]}", "trace.csv:4: found TIMESTAMP 2023-11-16 18:17:03.9799600,"),
        (HEAD + f"{ROWS[0]}\nyesterday,1,2", "trace.csv:3: found TIMESTAMP 'yesterday', expected a time such as"),
        (HEAD + f"{ROWS[0]}\n{ROWS[1]}".replace("3180", "many"), "trace.csv:3: found ContextTokens 'many', expected"),
        (HEAD + f"{ROWS[0]}\n{ROWS[1]}".replace(",8", ",-8"), "trace.csv:3: found GeneratedTokens '-8', expected a"),
        (HEAD + f"{ROWS[0]}\n{ROWS[1]}".replace(",8", ",2147483648"), "found GeneratedTokens '2147483648', expected a"),
        (HEAD + f"{ROWS[0]}\n{ROWS[1]},9", "CSV parse error: Expected 3 columns, got 4"),
    ],
)  # fmt: skip
def test_what_is_no_trace_is_told_with_its_line(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_trace(written(tmp_path, text))
    assert sentence in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"nowhere\.csv: found no such file, expected a trace"):
        read_trace(tmp_path / "nowhere.csv")
    with pytest.raises(SpecError, match="expected a readable file"):
        read_trace(tmp_path)
