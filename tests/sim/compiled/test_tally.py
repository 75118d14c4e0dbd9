"""What is counted instead of kept says the same as what is kept."""

from __future__ import annotations

import numpy as np
import pytest

from tests.sim.compiled.worlds import queue
from windtunnel.sim.compiled import Compiled, tally
from windtunnel.sim.compiled.tally import SECTIONS, tables

WINDOWS = ((0.0, 4.0), (4.0, 10.0))
AT_S = np.sort(np.random.default_rng(5).uniform(0, 10, 800)).tolist()


@pytest.fixture(scope="module")
def run() -> Compiled:
    made = Compiled(queue(AT_S, mean_ms=9.0), windows=WINDOWS)
    made.run()
    return made


def test_counts_sums_and_quantiles_are_those_of_the_samples(run: Compiled) -> None:
    rows = run.samples()
    latency_ms = (rows["done"] - rows["intended"]) * 1000
    for n, (begin, end) in enumerate(WINDOWS):
        inside = latency_ms[(rows["intended"] >= begin) & (rows["intended"] < end)]
        found = run.counted().subjects[n, "successes"]
        assert found.outcomes == {"ok": len(inside)}
        assert found.sketch.mean() == pytest.approx(inside.mean())
        assert found.sketch.quantile(0.9) == pytest.approx(np.quantile(inside, 0.9), rel=0.02)
        assert (found.sketch.min_ms, found.sketch.max_ms) == pytest.approx((inside.min(), inside.max()))


def test_sections_and_slices_hold_every_success_once(run: Compiled) -> None:
    found = run.counted()
    for n in range(len(WINDOWS)):
        assert len(found.sections[n]) == SECTIONS
        assert sum(s.total for s in found.sections[n]) == found.subjects[n, "successes"].sketch.total
    assert found.slices["n"].sum() == found.slices["ok"].sum() == len(AT_S)


def test_waits_are_those_of_the_spans(run: Compiled) -> None:
    spans = run.spans()
    waited = np.nansum(spans["wait"][spans["server"] == 1])
    assert sum(run.counted().subjects[n, "hop:0"].wait_ms for n in range(2)) == pytest.approx(waited)


def test_counters_are_emptied_before_they_are_full(run: Compiled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "FULL", 100)
    emptied = Compiled(queue(AT_S, mean_ms=9.0), windows=WINDOWS)
    emptied.run()
    assert emptied.world.counts.sum() < run.world.counts.sum()
    for window, subject in run.counted().subjects:
        mine, its = (each.counted().subjects[window, subject].sketch for each in (emptied, run))
        assert np.array_equal(mine.counts, its.counts)


def test_what_is_under_way_when_a_fault_begins_is_the_faults() -> None:
    claimed = Compiled(queue(AT_S, mean_ms=9.0), windows=WINDOWS, claims=frozenset({1}))
    claimed.run()
    rows = claimed.samples()
    own = (rows["intended"] >= 4) | (rows["done"] > 4)
    assert 0 < own.sum() - (rows["intended"] >= 4).sum() < 20, "some are under way then"
    for subject in ("successes", f"flow:{claimed.model.flows[0]}"):
        found = claimed.counted().subjects[1, subject]
        assert found.outcomes == {"ok": own.sum()}
        assert found.sketch.total == own.sum()


def test_as_tables_of_a_run(run: Compiled) -> None:
    sketches, subjects, slices = tables(run.counted(), run.model, ["before", "during"])
    rows = {(row["window"], row["subject"]): row for row in subjects.to_pylist()}
    assert rows["during", "latency"]["ok"] + rows["before", "latency"]["ok"] == len(AT_S)
    assert rows["during", "hop:client->server"]["sum_ms"] == pytest.approx(rows["during", "latency"]["sum_ms"])
    assert sum(row["count"] for row in sketches.to_pylist() if row["subject"] == "latency") == len(AT_S)
    assert rows["during", "hop:client->server"]["first"] == rows["during", "latency"]["ok"]
    assert slices["requests"].to_numpy().sum() == slices["good"].to_numpy().sum() == len(AT_S)
