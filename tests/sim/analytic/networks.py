"""Random product-form networks with their exact answers: an endless supply of truths for tests of the engines."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from windtunnel.sim.analytic.network import (
    Discipline,
    NetworkAnswer,
    Station,
    convolution,
    open_network,
    visits,
)

LOWEST_LOAD = 0.3
HIGHEST_LOAD = 0.85
MOST_STATIONS = 6


@dataclass(frozen=True)
class Hop:
    """A station of the tree, and where its customers go next."""

    name: str
    discipline: Discipline
    """fcfs: exponential service at ``servers``; ps: one exponential core; delay: exponential, nobody waits."""
    servers: int
    mean_ms: float
    then: tuple[tuple[float, str], ...]
    """Probability and name of each next station; the rest goes home to the client. Each station has one before it."""


@dataclass(frozen=True)
class RandomNetwork:
    """A client, then ``hops[0]``, then down the tree; no slot is held while a customer is further down.

    Open: Poisson arrivals at ``rate_per_s``. Closed: ``population`` customers who think before each cycle,
    exponentially with the mean ``think_ms``.
    """

    seed: int
    hops: tuple[Hop, ...]
    """The first is the root; a station comes after the one before it."""
    kind: Literal["open", "closed"]
    rate_per_s: float | None
    population: int | None
    think_ms: float | None

    @property
    def throughput_per_s(self) -> float:
        """Exact: customers that leave (open), or cycles (closed)."""
        return self.answer.throughput[0] * 1000

    @property
    def mean_response_ms(self) -> float:
        """Exact: from the root's door until the customer goes home, think time excluded."""
        return self.answer.mean_response[0]

    @cached_property
    def answer(self) -> NetworkAnswer:
        """Exact, in milliseconds."""
        if self.rate_per_s is not None:
            return open_network(self.stations, [self.rate_per_s / 1000])
        assert self.population is not None
        assert self.think_ms is not None
        return convolution(self.stations, self.population, self.think_ms)

    @property
    def stations(self) -> list[Station]:
        """As the solvers take them; one class."""
        counts = tree_visits(self.hops)
        return [
            Station(hop.name, hop.discipline, (hop.mean_ms,), (count,), hop.servers)
            for hop, count in zip(self.hops, counts, strict=True)
        ]


def random_network(seed: int) -> RandomNetwork:
    """A tree of 1 to 6 stations without feedback, open for even seeds and closed for odd ones.

    Stations are loaded between 0.3 and 0.85 (delays: any work). Equal seeds give equal networks.
    """
    rng = np.random.default_rng(seed)
    kind: Literal["open", "closed"] = "open" if seed % 2 == 0 else "closed"
    branches = _tree(rng, int(rng.integers(1, MOST_STATIONS + 1)))
    rate_per_s = float(_rounded(np.exp(rng.uniform(np.log(20), np.log(500)))))
    blank = tuple(Hop(f"s{number}", "fcfs", 1, 0.0, then) for number, then in enumerate(branches))
    hops = tuple(
        _loaded(rng, hop, count * rate_per_s / 1000) for hop, count in zip(blank, tree_visits(blank), strict=True)
    )
    opened = RandomNetwork(seed, hops, "open", rate_per_s, None, None)
    if kind == "open":
        return opened
    # Customers enough for that rate, and the think time that gives it if they met like strangers. They do not quite;
    # with more of them they do better.
    present = opened.mean_response_ms * rate_per_s / 1000
    population = int(np.ceil(present * rng.uniform(1.2, 3))) + 1
    while True:
        think_ms = _rounded(population / (rate_per_s / 1000) - opened.mean_response_ms)
        closed = RandomNetwork(seed, hops, "closed", None, population, think_ms)
        if all(LOWEST_LOAD <= load <= HIGHEST_LOAD for load in loads(closed)):
            return closed
        population += population // 2 + 1


def loads(network: RandomNetwork) -> list[float]:
    """Of the stations that can run out of servers, exactly."""
    return [network.answer.stations[hop.name].utilisation for hop in network.hops if hop.discipline != "delay"]


def tree_visits(hops: tuple[Hop, ...]) -> tuple[float, ...]:
    """Mean visits to each station, by the traffic equations."""
    index = {hop.name: number for number, hop in enumerate(hops)}
    routing = [[0.0] * len(hops) for _ in hops]
    for hop in hops:
        for share, name in hop.then:
            routing[index[hop.name]][index[name]] = share
    return visits(routing, [1.0] + [0.0] * (len(hops) - 1))


def _tree(rng: np.random.Generator, count: int) -> list[tuple[tuple[float, str], ...]]:
    """For each station its branches. A third of the trees are chains, where everybody sees every station."""
    if rng.random() < 1 / 3:
        return [((1.0, f"s{number + 1}"),) for number in range(count - 1)] + [()]
    children: list[list[int]] = [[] for _ in range(count)]
    for child in range(1, count):
        children[int(rng.integers(0, child))].append(child)
    branches = []
    for own in children:
        weights = rng.uniform(0.3, 1.0, len(own))
        home = rng.choice([0.0, float(rng.uniform(0.2, 0.6))]) if own else 1.0
        shares = [round(float(weight), 3) for weight in weights / (weights.sum() + home)]
        if own and home == 0:
            shares[-1] = round(1 - sum(shares[:-1]), 3)
        branches.append(tuple((share, f"s{child}") for share, child in zip(shares, own, strict=True)))
    return branches


def _loaded(rng: np.random.Generator, hop: Hop, visits_per_ms: float) -> Hop:
    """The station with a kind, servers, and the service that loads it."""
    discipline: Discipline = ("fcfs", "fcfs", "ps", "delay")[int(rng.integers(4))]
    servers = int(rng.choice([1, 2, 4, 8, 16])) if discipline == "fcfs" else 1
    busy = float(rng.uniform(LOWEST_LOAD + 0.02, HIGHEST_LOAD - 0.02)) * servers
    if discipline == "delay":
        busy = float(rng.uniform(0.2, 5))
    return Hop(hop.name, discipline, servers, _rounded(busy / visits_per_ms), hop.then)


def _rounded(value: float) -> float:
    """To 5 significant digits, so that a network can be read."""
    return float(f"{value:.5g}")
