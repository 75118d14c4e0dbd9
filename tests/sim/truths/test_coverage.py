"""95 % intervals of the project's own making, from runs of the engine: they cover in 93.5 to 96.5 % of 2,000."""

from __future__ import annotations

import numpy as np
import pytest

from tests.sim.truths.observed import observe
from tests.sim.truths.worlds import exponential, queue
from windtunnel.sim.analytic.erlang import MMc
from windtunnel.sim.answers.interval import replications_deletion

REPLICATIONS = 2_000
RUNS = 5
"""Of each replication, with seeds of their own."""
REQUESTS = 20_000
"""Of each run, from an empty system on; some 200 times what an M/M/1 queue at load 0.8 needs to forget its state."""


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_replications_with_a_warm_up_that_is_found_by_itself() -> None:
    theory = MMc(1, 0.8, 1)
    world = queue(exponential(1), 0.8)
    covered = 0
    for replication in range(REPLICATIONS):
        runs = [
            observe("compiled", world, 1.05 * REQUESTS, replication * RUNS + run).sojourn_ms[:REQUESTS]
            for run in range(RUNS)
        ]
        interval = replications_deletion(np.array(runs))
        covered += interval.low <= theory.mean_sojourn <= interval.high
    print(f"covered in {covered / REPLICATIONS:.2%} of {REPLICATIONS}")
    assert 0.935 <= covered / REPLICATIONS <= 0.965
