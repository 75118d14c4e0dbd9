"""The truths: what theory says of each world, and how it is read off a run. Used by the tests beside this file."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.sim.truths.observed import Observed, Values
from tests.sim.truths.worlds import (
    World,
    classes,
    constant,
    exponential,
    fork_join,
    impatient,
    in_a_row,
    queue,
    racing,
    sizes,
    users,
)
from windtunnel.sim.analytic.erlang import ErlangA, MMc, MMcK, MMcWithDeadline, erlang_b
from windtunnel.sim.analytic.network import Station, closed_network, open_network
from windtunnel.sim.analytic.single_server import (
    PriorityClass,
    fork_join_mean_sojourn,
    head_of_line_mean_waits,
    mdc_mean_wait,
    mg1_mean_wait,
    preemptive_resume_mean_sojourns,
    processor_sharing_mean_sojourn,
    processor_sharing_mean_sojourn_given,
)


@dataclass(frozen=True)
class Truth:
    """A number that theory knows."""

    name: str
    value: float
    """Of the theory, in ms where it is a time."""
    printed: float
    """As the literature or the project's reference prints it: that the theory here is meant."""
    values: Callable[[Observed], Values]
    """Their mean, or their p-quantile, estimates it."""
    p: float | None = None


@dataclass(frozen=True)
class Row:
    """A world, its truths, and how much of it has to be seen."""

    name: str
    world: World
    truths: tuple[Truth, ...]
    millions: int
    """Requests, for intervals that are at most 1 % of the value wide."""
    waits: bool = False
    """What is asked is how long requests waited."""
    quick: int = 300_000
    """Requests of the quick proof, of the compiled engine."""
    quick_simpy: int = 1_500
    """And of SimPy."""


def sojourn(seen: Observed) -> Values:
    return seen.sojourn_ms


def of_flow(number: int, values: Callable[[Observed], Values]) -> Callable[[Observed], Values]:
    return lambda seen: values(seen)[seen.flow == number]


def wait(seen: Observed) -> Values:
    """Of those that were admitted."""
    return seen.wait_ms[~np.isnan(seen.wait_ms)]


def wait_of_served(seen: Observed) -> Values:
    return seen.wait_ms[seen.ok]


def wait_of_all(seen: Observed) -> Values:
    """Until they were admitted or gave up the line."""
    return np.where(np.isnan(seen.wait_ms), seen.there_ms, seen.wait_ms)


def waited(seen: Observed) -> Values:
    return (seen.wait_ms > 0).astype(np.float64)


def failed(seen: Observed) -> Values:
    return (~seen.ok).astype(np.float64)


def left(seen: Observed) -> Values:
    """Was never admitted."""
    return np.isnan(seen.wait_ms).astype(np.float64)


def per_second(seen: Observed) -> Values:
    """Ends, in each of a thousand equal parts of the run."""
    parts, width_s = 1000, (seen.end_s - seen.warm_up_s) / 1000
    counts, _ = np.histogram(seen.done_s, parts, (seen.warm_up_s, seen.end_s))
    return counts / width_s


LOAD = 0.8
MM8 = MMc(8, 8 * LOAD, 1)
MM25 = MMcK(2, 5, 1.6, 1)
MM816 = MMcK(8, 16, 9.6, 1)
PALM = ErlangA(10, 10, 1, 2)
DEADLINE = MMcWithDeadline(8, 9.6, 1, 0.5)
PRIORITIES = [PriorityClass(0.3, 1, 2), PriorityClass(0.5, 1, 2)]
HOPS = {"gateway": (4, 8.0), "app": (8, 20.0), "db": (10, 24.0), "llm": (16, 40.0)}
HOPS_PER_S = 280.0
DEMANDS = {"first": (1, 50.0), "second": (1, 80.0), "third": (1, 30.0)}
USERS, THINK_MS = 20, 1000.0
SIZES = {0.5: 2.0, 2.0: 1.0}
"""Their mean is 1."""

LOGNORMAL = {"kind": "lognormal", "median": math.exp(-0.5), "sigma": 1}
ERLANG_2 = {"kind": "gamma", "mean": 1, "shape": 2}
LIKELY = (1 + math.sqrt(0.6)) / 2
H2 = {
    "kind": "hyperexponential",
    "probabilities": [LIKELY, 1 - LIKELY],
    "means": [0.5 / LIKELY, 0.5 / (1 - LIKELY)],
}
"""Balanced means, squared coefficient of variation 4."""


def stations(them: dict[str, tuple[int, float]]) -> list[Station]:
    return [Station(name, "fcfs", (mean_ms,), (1.0,), count) for name, (count, mean_ms) in them.items()]


FOUR = open_network(stations(HOPS), [HOPS_PER_S / 1000])
CLOSED = closed_network(stations(DEMANDS), [USERS], [THINK_MS])

ROWS = (
    Row(
        "M/M/1",
        queue(exponential(1), LOAD),
        (
            Truth("mean wait", MMc(1, LOAD, 1).mean_wait, 4, wait),
            Truth("p99 sojourn", MMc(1, LOAD, 1).sojourn_quantile(0.99), 23.0259, sojourn, 0.99),
        ),
        110,
        waits=True,
        quick=600_000,
    ),
    Row(
        "M/M/8",
        queue(exponential(1), 8 * LOAD, count=8),
        (
            Truth("P(wait)", MM8.wait_probability, 0.457645, waited),
            Truth("mean wait", MM8.mean_wait, 0.286028, wait),
            Truth("p99 wait", MM8.wait_quantile(0.99), 2.38969, wait, 0.99),
        ),
        170,
        waits=True,
        quick=600_000,
    ),
    Row(
        "Erlang B",
        queue(exponential(1), 6.4, count=8, queue_limit=0),
        (Truth("P(block)", erlang_b(8, 6.4), 0.144394, failed),),
        6,
    ),
    Row(
        "M/M/2/5",
        queue(exponential(1), 1.6, count=2, queue_limit=3),
        (
            Truth("P(block)", MM25.blocking, 0.102744, failed),
            Truth("mean wait", MM25.mean_wait, 0.505451, wait),
        ),
        10,
        waits=True,
    ),
    Row(
        "M/M/8/16",
        queue(exponential(1), 9.6, count=8, queue_limit=8),
        (
            Truth("P(block)", MM816.blocking, 0.187507, failed),
            Truth("mean wait", MM816.mean_wait, 0.600436, wait),
        ),
        12,
        waits=True,
    ),
    Row("M/D/1", queue(constant(1), LOAD), (Truth("mean wait", mdc_mean_wait(1, LOAD, 1), 2, wait),), 24, waits=True),
    Row(
        "M/D/2",
        queue(constant(1), 2 * LOAD, count=2),
        (Truth("mean wait", mdc_mean_wait(2, 2 * LOAD, 1), 0.903284, wait),),
        32,
        waits=True,
    ),
    Row(
        "M/D/8",
        queue(constant(1), 8 * LOAD, count=8),
        (Truth("mean wait", mdc_mean_wait(8, 8 * LOAD, 1), 0.151954, wait),),
        48,
        waits=True,
    ),
    Row(
        "M/Erlang-2/1",
        queue(ERLANG_2, LOAD),
        (Truth("mean wait", mg1_mean_wait(LOAD, 1, 1.5), 3, wait),),
        36,
        waits=True,
    ),
    Row(
        "M/lognormal/1",
        queue(LOGNORMAL, LOAD),
        (Truth("mean wait", mg1_mean_wait(LOAD, 1, math.e), 5.436564, wait),),
        80,
        waits=True,
        quick=600_000,
    ),
    Row(
        "M/H2/1",
        queue(H2, LOAD),
        (Truth("mean wait", mg1_mean_wait(LOAD, 1, 5), 10, wait),),
        130,
        waits=True,
        quick=600_000,
    ),
    Row(
        "M/G/1 processor sharing",
        sizes(LOAD, SIZES),
        (
            Truth("mean sojourn", processor_sharing_mean_sojourn(LOAD, 1), 5, sojourn),
            Truth(
                "mean sojourn given 2",
                processor_sharing_mean_sojourn_given(2, LOAD, 1),
                10,
                of_flow(list(SIZES).index(2.0), sojourn),
            ),
        ),
        28,
    ),
    Row(
        "head of line",
        classes("priority", 0.3, 0.5),
        tuple(
            Truth(f"mean wait of {name}", value, printed, of_flow(n, lambda seen: seen.wait_ms))
            for n, (name, value, printed) in enumerate(
                zip(("urgent", "patient"), head_of_line_mean_waits(PRIORITIES), (1.142857, 5.714286), strict=True)
            )
        ),
        64,
        waits=True,
    ),
    Row(
        "preemptive resume",
        classes("preemptive", 0.3, 0.5),
        tuple(
            Truth(f"mean sojourn of {name}", value, printed, of_flow(n, sojourn))
            for n, (name, value, printed) in enumerate(
                zip(
                    ("urgent", "patient"),
                    preemptive_resume_mean_sojourns(PRIORITIES),
                    (1.428571, 7.142857),
                    strict=True,
                )
            )
        ),
        45,
    ),
    Row(
        "Erlang A",
        racing(10, 10, 0.5),
        (
            Truth("P(abandon)", PALM.abandon_probability, 0.103913, left),
            Truth("mean wait", PALM.mean_wait, 0.207826, wait_of_all),
        ),
        16,
        waits=True,
        quick=150_000,
        quick_simpy=600,
    ),
    *(
        Row(
            f"M/M/8 with patience, by {how}",
            world,
            (
                Truth("P(abandon)", DEADLINE.abandon_probability, 0.212242, failed),
                Truth("mean wait of the served", DEADLINE.mean_wait_served, 0.209923, wait_of_served),
            ),
            8,
            waits=True,
        )
        for how, world in (
            ("a pool's timeout", impatient(8, 9.6, 0.5)),
            (
                "a limit of the wait",
                queue(exponential(1), 9.6, count=8, shed={"kind": "deadline", "max_wait_ms": 0.5}),
            ),
        )
    ),
    Row(
        "fork-join",
        fork_join(LOAD),
        (Truth("mean sojourn", fork_join_mean_sojourn(LOAD, 1), 7.0, sojourn),),
        30,
        quick_simpy=600,
    ),
    Row(
        "four hops",
        in_a_row(HOPS, HOPS_PER_S),
        (Truth("mean sojourn", FOUR.mean_response[0], 97.7477, sojourn),),
        2,
        quick=100_000,
        quick_simpy=500,
    ),
    Row(
        "closed network",
        in_a_row(DEMANDS, CLOSED.throughput[0] * 1000, closed=users(USERS, THINK_MS)),
        (
            Truth("throughput per s", CLOSED.throughput[0] * 1000, 11.973117, per_second),
            Truth("mean response", CLOSED.mean_response[0], 670.409, sojourn),
        ),
        3,
        quick=100_000,
        quick_simpy=600,
    ),
)
