"""Gauges and counters by hand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tests.harness.worlds import series
from windtunnel.sim.answers.readings import Readings
from windtunnel.spec.run import SERIES
from windtunnel.spec.scenario import Window

WINDOW = Window("during", 1.0, 3.0)
AT_S = [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5]
FOUND = Readings(
    pa.concat_tables(
        [
            series("llm", AT_S, [9, 9, 1, 2, 3, 4, 9], "queue"),
            series("llm", list(reversed(AT_S)), [70, 60, 50, 40, 30, 20, 10], "tokens_out"),  # in any order
            series("app", AT_S, [5] * 7, "queue"),
        ]
    )
)


def test_a_gauge_is_the_mean_of_the_looks_in_the_window_the_last_one_included() -> None:
    assert FOUND.mean("queue", "llm", WINDOW) == 2.5
    assert FOUND.mean("queue", "app", WINDOW) == 5
    assert FOUND.mean("queue", "llm", Window("", 3.6, 4.0)) is None
    assert FOUND.mean("queue", "db", WINDOW) is None
    assert [values.tolist() for values in FOUND.looks("queue", "llm", WINDOW)] == [[1.5, 2.0, 2.5, 3.0], [1, 2, 3, 4]]
    assert len(FOUND.looks("queue", "db", WINDOW)[0]) == 0


@pytest.mark.parametrize(("start_s", "end_s", "grown"), [(1.0, 3.0, 40), (0.0, 0.25, 5), (0.75, 1.25, 10), (3, 9, 10)])
def test_a_counter_grows_in_straight_lines_between_its_looks_from_zero_on(
    start_s: float, end_s: float, grown: float
) -> None:
    assert FOUND.increase("tokens_out", "llm", Window("", start_s, end_s)) == grown
    assert FOUND.total("tokens_out", ["llm", "app"], Window("", start_s, end_s)) == grown
    assert FOUND.increase("tokens_out", "app", WINDOW) is None


def test_what_was_last_read() -> None:
    found = FOUND.latest("queue", "llm", [0.4, 0.5, 1.6, 99.0])
    assert found is not None
    np.testing.assert_array_equal(found, [np.nan, 9, 1, 9])
    assert FOUND.latest("queue", "db", [1.0]) is None


def test_nothing_was_looked_at() -> None:
    nothing = Readings(SERIES.empty_table())
    assert not nothing.has("queue", "llm")
    assert nothing.mean("queue", "llm", WINDOW) is None
