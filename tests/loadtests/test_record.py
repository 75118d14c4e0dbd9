from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from windtunnel.loadtests.record import GeneratorReport, Promise, Sample, write
from windtunnel.spec.load_plan import PROMISES
from windtunnel.spec.run import SAMPLES

SAMPLE = Sample(0, "chat", 1.0, 1.001, None, 1.5, "error", 502, "HTTP 502", None)
REPORT = GeneratorReport(3, 3, 2, False, 0.1, 0.2, 0.3, 0.5, 1795507730.25, "0")


def test_rows_lie_in_the_order_of_their_requests(tmp_path: Path) -> None:
    samples = [replace(SAMPLE, request=request) for request in (2, 0, 1)]
    promises = [Promise(2, "c", "/x"), Promise(0, "a", "/x"), Promise(0, "b", "/x")]
    write(tmp_path / "new" / "folder", samples, promises, REPORT)
    columns = pq.read_table(tmp_path / "new" / "folder" / "samples.parquet")
    assert columns.schema.equals(SAMPLES)
    assert columns["request"].to_pylist() == [0, 1, 2]
    assert pq.read_table(tmp_path / "new" / "folder" / "promises.parquet")["id"].to_pylist() == ["a", "b", "c"]
    assert json.loads((tmp_path / "new" / "folder" / "generator.json").read_text())["zero_unix_s"] == 1795507730.25


def test_a_run_without_requests_has_empty_tables(tmp_path: Path) -> None:
    write(tmp_path, [], [], replace(REPORT, planned=0, sent=0, completed=0, lag_ms_p50=None))
    assert pq.read_table(tmp_path / "samples.parquet").schema.equals(SAMPLES)
    assert pq.read_table(tmp_path / "promises.parquet").schema.equals(PROMISES)


def test_latency_counts_from_the_intended_start() -> None:
    assert replace(SAMPLE, intended_s=1.0, sent_s=3.0, done_s=3.25).latency_ms == 2250
