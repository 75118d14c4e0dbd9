"""All combinations, each once; what is there is not done again; a mistake is told before anything runs."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.sim.explore.worlds import here, station
from windtunnel.sim.explore.axis import Axis
from windtunnel.sim.explore.journal import journal, journal_of
from windtunnel.sim.explore.sweep import points, sweep
from windtunnel.sim.explore.trial import trial
from windtunnel.sim.explore.workers import Workers
from windtunnel.spec.problem import SpecError

AXES = [Axis("load.rate_per_s", (10, 20)), Axis("components.app.max_concurrency", (4, 5))]
SUBJECT = station(during_s=5)


class Counted(Executor):
    """Does everything at once, and at most so much of it."""

    def __init__(self, most: int = 1000) -> None:
        self.done: list[Any] = []
        self.most = most

    def submit(self, call: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if len(self.done) >= self.most:
            future.set_exception(InterruptedError("killed"))
        else:
            self.done.append(arguments)
            future.set_result(call(*arguments, **named))
        return future


def test_a_row_for_every_combination_and_seed(tmp_path: Path) -> None:
    out = tmp_path / "sweep.parquet"
    wanted = points(SUBJECT, AXES, 2, "1")
    counts: list[int] = []
    with journal(out) as kept, here() as where:
        rows = sweep(wanted, where, kept, counts.append)
    table = pq.read_table(out)
    assert table.to_pylist() == rows
    names = table.column_names
    assert names[:3] == ["load.rate_per_s", "components.app.max_concurrency", "seed"]
    found = [(row["load.rate_per_s"], row["components.app.max_concurrency"], row["seed"]) for row in rows]
    assert found == [(rate, slots, seed) for rate in (10, 20) for slots in (4, 5) for seed in (1, 2)]
    assert counts == list(range(9))
    same = trial(SUBJECT.changed({"load.rate_per_s": 20, "components.app.max_concurrency": 4}).seeded(2))
    assert rows[5]["during.latency_ms_p99"] == same.seen("during").figures["latency_ms_p99"]
    assert rows[5]["during.saturated"] is False
    assert 0 < rows[5]["during.utilisation.app"] < 1


def test_what_was_done_before_it_was_stopped_is_not_done_again(tmp_path: Path) -> None:
    out = tmp_path / "sweep.parquet"
    wanted = points(SUBJECT, AXES, 1, "1")
    with pytest.raises(InterruptedError), journal(out) as kept:
        sweep(wanted, Workers(Counted(2), 1), kept)
    assert journal_of(out).exists()
    assert not out.exists()
    rest = Counted()
    with journal(out) as kept:
        rows = sweep(wanted, Workers(rest, 1), kept)
    assert len(rest.done) == 2
    assert len(rows) == 4
    again = Counted()
    wider = points(SUBJECT, [Axis("load.rate_per_s", (10, 20, 30)), AXES[1]], 1, "1")
    with journal(out) as kept:
        more = sweep(wider, Workers(again, 1), kept)
    assert len(again.done) == 2
    assert more[:4] == rows
    other = Counted()
    with journal(out) as kept:  # another version of the program may answer otherwise
        sweep(points(SUBJECT, AXES, 1, "2"), Workers(other, 1), kept)
    assert len(other.done) == 4


@pytest.mark.parametrize(
    ("axes", "sentence"),
    [
        ([Axis("load.rate_per_s", (1, -1))], "load.rate_per_s: found -1, expected"),
        ([Axis("place.ap.replicas", (1,))], "did you mean 'app'"),
        ([Axis("load.rate_per_s", (1,)), Axis("scenario.load.rate_per_s", (2,))], "expected each key once"),
        ([Axis("load.rate_per_s", tuple(range(1, 2001))), Axis("seed", tuple(range(2000)))], "at most 1,000,000"),
    ],
)
def test_a_mistake_is_told_before_anything_runs(axes: list[Axis], sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        points(SUBJECT, axes, 1, "1")


def test_an_axis_of_seeds_begins_with_each() -> None:
    made = points(SUBJECT, [Axis("seed", (10, 20))], 2, "1")
    assert [point.subject.scenario.seed for point in made] == [10, 11, 20, 21]
    assert len({point.key for point in made}) == 4
