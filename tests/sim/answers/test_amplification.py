"""Exchanges per call, counted by hand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tests.harness import worlds
from windtunnel.sim.answers.amplification import amplification


def test_retries_are_counted_on_their_link_and_only_of_the_requests_asked_for() -> None:
    retry = worlds.spans([0, 0, 1], "app->llm")
    retry = retry.set_column(6, retry.schema.field("attempt"), pa.array([1, 2, 1], pa.int16()))
    run = worlds.run(
        table=worlds.samples([1.0, 2.0, 3.0]),
        calls=[
            worlds.spans([0, 1, 2], "app->db"),
            worlds.spans([0, 1, 2], "app->llm"),
            retry,
            worlds.spans([0, 1, 2], "app->llm", kind="server"),
        ],
    )
    assert amplification(run, np.array([0, 1, 2])) == {"app->db": 1, "app->llm": 2}
    assert amplification(run, np.array([1])) == {"app->db": 1, "app->llm": 2}
    assert amplification(run, np.array([0])) == {"app->db": 1, "app->llm": 3}
    assert amplification(run, np.array([2])) == {"app->db": 1, "app->llm": 1}
    assert list(amplification(run, np.array([0]))) == ["app->db", "app->llm"], "as drawn"
    assert amplification(run, np.array([77])) == {}
