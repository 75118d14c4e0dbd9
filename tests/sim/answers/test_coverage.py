"""95 % intervals cover in 93.5 to 96.5 % of 2,000 replications, for the run lengths that they are meant for. Minutes.

An M/M/1 queue at load 0.8 forgets its state in 1 / (1 - sqrt(0.8))^2 = 90 services. Batches (twenty a run) hold fifty
of these times and more, sections for a p99 a few hundred.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.sim.answers.series import ar1, mean_wait, mm1
from windtunnel.sim.answers.interval import (
    Interval,
    batch_means,
    overlapping_batch_means,
    quantile,
    replications,
    replications_deletion,
)
from windtunnel.sim.answers.steady_state import steady_state

pytestmark = pytest.mark.long

RUNS = 2000
Method = Callable[[NDArray[np.float64]], Interval]


def covers(intervals: list[Interval], truth: float) -> bool:
    covered = np.mean([interval.low <= truth <= interval.high for interval in intervals])
    print(f"{intervals[0].method}: {covered:.2%} of {len(intervals)}")  # shown by pytest -rA
    return 0.935 <= float(covered) <= 0.965


@pytest.mark.parametrize("method", [batch_means, overlapping_batch_means, lambda run: steady_state(run).mean])
@pytest.mark.parametrize(("phi", "n"), [(0.0, 1000), (0.8, 2000), (0.8, 10_000), (0.95, 20_000)])
def test_one_autoregressive_run(method: Method, phi: float, n: int) -> None:
    rng = np.random.default_rng(1)
    assert covers([method(run) for _ in range(10) for run in ar1(rng, RUNS // 10, n, phi)], 0)


@pytest.mark.parametrize("method", [batch_means, overlapping_batch_means])
@pytest.mark.parametrize("n", [100_000, 200_000])
def test_one_run_of_a_queue(method: Method, n: int) -> None:
    rng = np.random.default_rng(2)
    assert covers([method(mm1(rng, 0.8, n + 1000).wait_s[1000:]) for _ in range(RUNS)], mean_wait(0.8))


def test_one_run_of_a_queue_from_its_empty_start_with_its_own_warm_up() -> None:
    """Looking for the warm-up in the run itself costs a point of coverage; twice the length gives it back."""
    rng = np.random.default_rng(3)
    assert covers([steady_state(mm1(rng, 0.8, 200_000).wait_s).mean for _ in range(RUNS)], mean_wait(0.8))


@pytest.mark.parametrize(("runs", "n"), [(10, 20_000), (20, 10_000)])
def test_replications_of_a_queue(runs: int, n: int) -> None:
    rng = np.random.default_rng(4)
    fixed, own = [], []
    for _ in range(RUNS):
        waits = np.array([mm1(rng, 0.8, n).wait_s for _ in range(runs)])
        fixed.append(replications(waits[:, 1000:].mean(axis=1)))
        own.append(replications_deletion(waits))
    assert covers(fixed, mean_wait(0.8))
    assert covers(own, mean_wait(0.8))


def test_replications_of_an_autoregressive_run() -> None:
    rng = np.random.default_rng(5)
    assert covers([replications(ar1(rng, 10, 200, 0.8).mean(axis=1)) for _ in range(RUNS)], 0)


@pytest.mark.parametrize(("p", "n"), [(0.5, 400_000), (0.99, 400_000)])
def test_a_quantile_of_one_run_of_a_queue(p: float, n: int) -> None:
    """The time in system is exponential with rate 1 - load."""
    rng = np.random.default_rng(6)
    intervals = []
    for _ in range(RUNS):
        queue = mm1(rng, 0.8, n + 1000)
        intervals.append(quantile((queue.wait_s + queue.service_s)[1000:], p))
    assert covers(intervals, -math.log(1 - p) / (1 - 0.8))
