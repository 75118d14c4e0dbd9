"""Both engines against every truth that queueing theory has for them.

Quick: one run of each world, whose 99.9 % interval covers the truth. SimPy has time for so few requests that its
intervals are as wide as the truth itself; what holds it is that its requests are the compiled engine's, to the last
bit. Long, with the compiled engine: independent runs, whose 99 % interval covers the truth and is at most 1 % of it
wide (``pytest -m long -rA`` shows all of them).
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.sim.truths.observed import Engine, Observed, observe
from tests.sim.truths.rows import ROWS, Row, Truth
from windtunnel.sim.answers.interval import Interval, batch_means, quantile, quantile_of_sketches, replications
from windtunnel.sim.answers.sketch import Sketch

RUN = 200_000
"""Requests of one of the long proof's runs: long enough to forget a start, and small enough for a processor's cache."""
WARM_UP = 2_000
"""Requests that are not looked at: an M/M/1 queue at load 0.8 forgets its state in about 90."""
SECTIONS = 40
"""Of all runs of a proof, for quantiles."""

every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)

ENGINES: tuple[Engine, ...] = ("compiled", "simpy")
WIDEST = {"compiled": 0.4, "simpy": math.inf}
"""Width of a quick interval, of the value."""
BATCHES = {"compiled": 20, "simpy": 5}
"""In a short run few, or each would know how the one before it ended."""
SECTIONS_OF_A_RUN = {"compiled": 10, "simpy": 5}


def in_one_run(truth: Truth, seen: Observed, engine: Engine) -> Interval:
    values = truth.values(seen)
    if truth.p is None:
        return batch_means(values, 0.999, batches=BATCHES[engine])
    return quantile(values, truth.p, 0.999, sections=SECTIONS_OF_A_RUN[engine])


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    name: Engine = request.param
    return name


@every_row
def test_theory_is_what_the_literature_prints(row: Row) -> None:
    for truth in row.truths:
        assert truth.value == pytest.approx(truth.printed, rel=3e-6)


@every_row
def test_truth_in_a_run(row: Row, engine: Engine) -> None:
    requests = row.quick if engine == "compiled" else row.quick_simpy
    seen = observe(engine, row.world, requests, 1, warm_up_requests=min(WARM_UP, requests / 10), waits=row.waits)
    for truth in row.truths:
        interval = in_one_run(truth, seen, engine)
        print(f"{row.name}, {truth.name}: {interval.low:g} to {interval.high:g}, truth {truth.value:g}")
        assert interval.low <= truth.value <= interval.high
        assert interval.high - interval.low <= WIDEST[engine] * truth.value


@every_row
def test_engines_agree_on_every_request(row: Row) -> None:
    one, other = (observe(name, row.world, 400, 2, waits=True) for name in ENGINES)
    for name in ("begin_s", "sojourn_ms", "ok", "flow", "wait_ms", "there_ms"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.long
@pytest.mark.timeout(1200)
@every_row
def test_truth_within_a_percent(row: Row) -> None:
    estimates: list[list[float]] = [[] for _ in row.truths]
    sketches: list[list[Sketch]] = [[Sketch.of([])] * SECTIONS for _ in row.truths]
    first_seed = 100_000 * (1 + ROWS.index(row))  # a row's luck is its own
    for run in range(math.ceil(row.millions * 1e6 / RUN)):
        seen = observe("compiled", row.world, RUN, first_seed + run, warm_up_requests=WARM_UP, waits=row.waits)
        for truth, means, sections in zip(row.truths, estimates, sketches, strict=True):
            values = truth.values(seen)
            if truth.p is None:
                means.append(float(values.mean()))
            else:
                sections[run % SECTIONS] = sections[run % SECTIONS].merge(Sketch.of(values))
    for truth, means, sections in zip(row.truths, estimates, sketches, strict=True):
        interval = replications(means, 0.99) if truth.p is None else quantile_of_sketches(sections, truth.p, 0.99)
        width = (interval.high - interval.low) / truth.value
        print(
            f"{row.name}, {truth.name}: truth {truth.value:.6g}, estimate {interval.mean:.6g}, "
            f"{interval.low:.6g} to {interval.high:.6g}, {width:.2%} wide, {row.millions} million requests"
        )
        assert interval.low <= truth.value <= interval.high
        assert width <= 0.01
