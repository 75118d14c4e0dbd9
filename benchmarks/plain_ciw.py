"""The cases in Ciw: a node per stop, and for timeouts its own reneging, a router and a node that holds the pause.

Ciw is no dependency of the project. Where it is not installed this module says so at its import (ImportError).
"""

from __future__ import annotations

import math
from typing import Any

import ciw

from benchmarks.cases import Answer, Case, Stop

BLINK_MS = 1e-9
"""Rounding of sums of times: an attempt that is given up ends at its limit, give or take this."""


def simulate(case: Case, requests: int, seed: int) -> Answer:
    """Until so many requests have ended."""
    ciw.seed(seed)
    simulation = ciw.Simulation(_patient(case) if case.timeout_ms is None else _impatient(case, case.timeout_ms))
    simulation.simulate_until_max_customers(requests, method="Finish")
    sojourns = [
        individual.data_records[-1].exit_date - individual.data_records[0].arrival_date
        for individual in simulation.nodes[-1].all_individuals
    ]
    return Answer.of(sojourns)


def _service_ms(stop: Stop) -> Any:
    if stop.sigma:
        return ciw.dists.Lognormal(math.log(stop.median_ms), stop.sigma)
    return ciw.dists.Exponential(1 / stop.mean_ms)


def _patient(case: Case) -> Any:
    n = len(case.stops)
    return ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(case.rate_per_s / 1000), *[None] * (n - 1)],
        service_distributions=[_service_ms(stop) for stop in case.stops],
        number_of_servers=[stop.servers for stop in case.stops],
        routing=[[float(to == here + 1) for to in range(n)] for here in range(n)],
    )


def _impatient(case: Case, timeout_ms: float) -> Any:
    n = len(case.stops)
    limit = Limit(timeout_ms)
    return ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(case.rate_per_s / 1000), *[None] * n],
        service_distributions=[
            *(CutShort(_service_ms(stop), limit) for stop in case.stops),
            ciw.dists.Uniform(0, case.backoff_ms),
        ],
        number_of_servers=[*(stop.servers for stop in case.stops), float("inf")],
        reneging_time_distributions=[*[LeftOf(limit)] * n, None],
        routing=ciw.routing.NetworkRouting([*(OnOrAgain(limit, n) for _ in case.stops), ciw.routing.Direct(1)]),
    )


class Limit:
    """When an attempt is given up; an individual remembers that, and whether it is its second."""

    def __init__(self, timeout_ms: float) -> None:
        self.timeout_ms = timeout_ms

    def of(self, individual: Any) -> float:
        """When the attempt of somebody ends, who has begun one by now."""
        if getattr(individual, "given_up_at", None) is None:
            individual.given_up_at = individual.arrival_date + self.timeout_ms
        return float(individual.given_up_at)


class LeftOf(ciw.dists.Distribution):  # type: ignore[misc]  # published without types
    """How long somebody still waits in a line."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit

    def sample(self, t: float | None = None, ind: Any = None) -> float:
        """At the arrival at a node."""
        assert t is not None
        return max(0.0, self.limit.of(ind) - t)


class CutShort(ciw.dists.Distribution):  # type: ignore[misc]
    """A service that ends when it is done, or when the attempt is given up."""

    def __init__(self, whole: Any, limit: Limit) -> None:
        self.whole = whole
        self.limit = limit

    def sample(self, t: float | None = None, ind: Any = None) -> float:
        """At its start."""
        assert t is not None
        return float(min(self.whole.sample(t, ind), max(0.0, self.limit.of(ind) - t)))


class OnOrAgain(ciw.routing.NodeRouting):  # type: ignore[misc]
    """To the next stop; or, too late, to the pause before the second attempt; or out."""

    def __init__(self, limit: Limit, stops: int) -> None:
        self.limit = limit
        self.stops = stops

    def next_node(self, ind: Any) -> Any:
        """After a service."""
        if self.node.now >= self.limit.of(ind) - BLINK_MS:
            return self.next_node_for_jockeying(ind)
        last = self.node.id_number == self.stops
        return self.simulation.nodes[-1 if last else self.node.id_number + 1]

    def next_node_for_jockeying(self, ind: Any) -> Any:
        """Out of a line."""
        if hasattr(ind, "tried_again"):
            return self.simulation.nodes[-1]
        ind.tried_again = True
        ind.given_up_at = None
        return self.simulation.nodes[self.stops + 1]
