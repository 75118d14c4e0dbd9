"""Product-form networks, solved exactly: open, closed by mean value analysis, closed by convolution.

Used by tests of the engines, which have an endless supply of truths here. Stations are those of F. Baskett,
K. M. Chandy, R. R. Muntz, F. G. Palacios, Journal of the ACM 22 (1975) 248 (BCMP): first come first served with
exponential service, one mean for all classes; processor sharing with any distribution; delay (an infinite server) with
any distribution. A station with several servers serves nobody with more than one. External arrivals are Poisson. Any
one unit of time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from windtunnel.sim.analytic.demand import Saturated, at_least, not_negative
from windtunnel.sim.analytic.erlang import erlang_c

Discipline = Literal["fcfs", "ps", "delay"]
MOST_MULTI_SERVERS = 12
"""Mean value analysis solves the network anew for every subset of these stations."""


@dataclass(frozen=True)
class Station:
    """Where customers of every class spend time. Raises ValueError for what a product form does not allow."""

    name: str
    discipline: Discipline
    mean_service: tuple[float, ...]
    """Of one visit, per class."""
    visits: tuple[float, ...]
    """Mean number per customer, per class; ``visits`` computes it from a routing."""
    servers: int = 1
    """Of no meaning at a delay station."""

    def __post_init__(self) -> None:
        if self.discipline not in ("fcfs", "ps", "delay"):
            raise ValueError(f"{self.name}.discipline: found {self.discipline!r}, expected fcfs, ps or delay")
        if not self.mean_service or len(self.mean_service) != len(self.visits):
            raise ValueError(
                f"{self.name}: found {len(self.mean_service)} mean_service and {len(self.visits)} visits, "
                "expected one of each for every class"
            )
        for value in self.mean_service:
            not_negative(f"{self.name}.mean_service", value)
        for value in self.visits:
            not_negative(f"{self.name}.visits", value)
        at_least(f"{self.name}.servers", self.servers, 1)
        means = {mean for mean, visits in zip(self.mean_service, self.visits, strict=True) if visits > 0}
        if self.discipline == "fcfs" and len(means) > 1:
            raise ValueError(
                f"{self.name}.mean_service: found {sorted(means)}, expected one mean for all classes at a fcfs station"
            )

    @property
    def demands(self) -> tuple[float, ...]:
        """Service that one customer takes in all its visits, per class."""
        return tuple(visits * mean for visits, mean in zip(self.visits, self.mean_service, strict=True))


@dataclass(frozen=True)
class StationAnswer:
    """Of one station, in steady state."""

    throughput: tuple[float, ...]
    """Visits per unit of time, per class."""
    utilisation: float
    """Share of a server's time, all classes; 0 at a delay station, which cannot run out of servers."""
    mean_queue: tuple[float, ...]
    """Mean number present, those in service included, per class."""
    mean_residence: tuple[float, ...]
    """Mean time there of one customer, in all its visits, waiting included, per class."""


@dataclass(frozen=True)
class NetworkAnswer:
    """In steady state."""

    throughput: tuple[float, ...]
    """Customers per unit of time, per class; of a closed network, cycles."""
    mean_response: tuple[float, ...]
    """Mean time from entering to leaving the stations, think time excluded, per class; 0 for a class of nobody."""
    stations: dict[str, StationAnswer]


def visits(routing: Sequence[Sequence[float]], entry: Sequence[float]) -> tuple[float, ...]:
    """Mean visits v of one customer to each station: v = entry + v P, the traffic equations (Jackson, 1957).

    ``routing[i][j]`` is the probability to go from i to j next, what is missing to 1 leaves; ``entry[i]`` that of
    coming to i first. In a closed network, leaving means going home to think.
    Raises ValueError for probabilities that are negative or exceed 1 in sum, or customers that would never leave.
    """
    matrix = np.asarray(routing, dtype=np.float64)
    first = np.asarray(entry, dtype=np.float64)
    count = len(first)
    if matrix.shape != (count, count) or count == 0:
        raise ValueError(f"routing: found the shape {matrix.shape}, expected {count} by {count}, as entry has {count}")
    for name, rows in (("routing", matrix), ("entry", first[np.newaxis])):
        if not (np.isfinite(rows).all() and (rows >= 0).all() and (rows.sum(axis=1) <= 1 + 1e-12).all()):
            raise ValueError(f"{name}: found {rows.tolist()}, expected probabilities whose sum is at most 1")
    reached = first > 0
    leaves = matrix.sum(axis=1) < 1 - 1e-12
    for _ in range(count):
        reached = reached | ((matrix > 0) & reached[:, np.newaxis]).any(axis=0)
        leaves = leaves | ((matrix > 0) & leaves[np.newaxis]).any(axis=1)
    if (reached & ~leaves).any():
        stuck = [int(index) for index in np.flatnonzero(reached & ~leaves)]
        raise ValueError(f"routing: found no way out of the stations {stuck}, expected that every customer can leave")
    kept = np.flatnonzero(reached)
    answer = np.zeros(count)
    answer[kept] = np.linalg.solve(np.eye(len(kept)) - matrix[np.ix_(kept, kept)].T, first[kept])
    return tuple(float(value) for value in answer)


def open_network(stations: Sequence[Station], arrival_rates: Sequence[float]) -> NetworkAnswer:
    """Each station as if it stood alone: M/M/c (also for processor sharing, by insensitivity), or M/G/infinity.

    The number present at a station of c servers with offered work a is a + C(c, a) a / (c - a) in the mean, and belongs
    to the classes in proportion to their work. Source: BCMP, theorem 2; L. Kleinrock, Queueing Systems II, section 4.
    Raises ValueError for disagreeing numbers of classes, Saturated (naming the most loaded station) where there is no
    steady state.
    """
    classes = _classes(stations, "arrival_rates", arrival_rates)
    for rate in arrival_rates:
        not_negative("arrival_rates", rate)
    offered = [_dot(arrival_rates, station.demands) for station in stations]
    limited = [index for index, station in enumerate(stations) if station.discipline != "delay"]
    worst = max(limited, key=lambda index: offered[index] / stations[index].servers, default=None)
    if worst is not None and offered[worst] >= stations[worst].servers:
        raise Saturated(stations[worst].name, offered[worst], stations[worst].servers)
    residence = []
    for station, work in zip(stations, offered, strict=True):
        stretch = 1.0
        if station.discipline != "delay":
            stretch += erlang_c(station.servers, work, station=station.name) / (station.servers - work)
        residence.append([demand * stretch for demand in station.demands])
    return _answer(stations, list(arrival_rates), residence, classes)


def closed_network(stations: Sequence[Station], population: Sequence[int], think: Sequence[float]) -> NetworkAnswer:
    """Exact mean value analysis: ``population`` customers of each class, who think between two cycles.

    An arrival sees the network with itself taken out (M. Reiser, S. S. Lavenberg, Journal of the ACM 27 (1980) 313).
    With c servers it stays D / c (1 + Q + sum over j < c - 1 of (c - 1 - j) p(j)), all of one customer less, p(j) =
    sum of X_r D_r / j p(j-1) over the classes. What is usually done for p(0), 1 minus the rest, destroys all digits
    under load; here it is p(0, n) = p(0, n - 1) X(n) / X'(n), X' the throughput of the network without the station
    (M. Reiser, Performance Evaluation 1 (1981) 7), so that nothing is ever subtracted.
    The work grows with the product of the populations and with 2 to the number of stations with several servers
    (fewer than customers).
    Raises ValueError for disagreeing numbers of classes, a population below 0, nobody at all, a class without any work
    or think time, or more than 12 such stations.
    """
    classes = _classes(stations, "population", population)
    if len(think) != classes:
        raise ValueError(f"think: found {len(think)} values, expected {classes}, one for every class")
    for count in population:
        at_least("population", count, 0)
    if sum(population) == 0:
        raise ValueError("population: found nobody, expected at least one customer")
    for index, pause in enumerate(think):
        not_negative("think", pause)
        if population[index] > 0 and pause + sum(station.demands[index] for station in stations) <= 0:
            raise ValueError(
                f"think: found class {index} without any work or think time, expected a cycle that takes time"
            )
    solver = _MeanValues(stations, tuple(population), tuple(think))
    if len(solver.several) > MOST_MULTI_SERVERS:
        raise ValueError(
            f"stations: found {len(solver.several)} with several servers, expected at most {MOST_MULTI_SERVERS} "
            "(convolution has no such limit)"
        )
    throughput, residence = solver.answer()
    return _answer(stations, throughput, residence, classes)


def convolution(stations: Sequence[Station], population: int, think: float) -> NetworkAnswer:
    """The closed network of one class by Buzen's convolution, in logarithms; a second way, without mean values.

    With n customers station i has the weight f(n) = f(n-1) D / min(n, c) (a delay: D / n), G is the convolution of all
    weights, X(N) = G(N-1) / G(N), p_i(n) = f_i(n) G_without_i(N-n) / G(N). Source: J. P. Buzen, Communications of the
    ACM 16 (1973) 527. The work grows with the square of the population.
    Raises ValueError for more than one class, a population below 1, or a network without any work or think time.
    """
    _classes(stations, "population", (population,))
    at_least("population", population, 1)
    not_negative("think", think)
    demands = [station.demands[0] for station in stations]
    if think + sum(demands) <= 0:
        raise ValueError("think: found neither work nor think time, expected a cycle that takes time")
    weights = [_log_weights(think, population, population)]
    for station, demand in zip(stations, demands, strict=True):
        servers = population if station.discipline == "delay" else station.servers
        weights.append(_log_weights(demand, servers, population))
    # Of the first i, and of all behind i: their convolution is what is left without i.
    before = list(itertools.accumulate(weights, _convolve))
    behind = list(itertools.accumulate(reversed(weights), _convolve))[::-1]
    whole = before[-1]
    throughput = math.exp(whole[-2] - whole[-1])
    residence = []
    for index in range(1, len(weights)):
        others = before[index - 1]
        if index + 1 < len(weights):
            others = _convolve(others, behind[index + 1])
        present = np.exp(weights[index] + others[::-1] - whole[-1])
        residence.append([float(present @ np.arange(population + 1)) / throughput])
    return _answer(stations, [throughput], residence, 1)


class _MeanValues:
    """One mean value analysis, over all populations up to the whole, and over all networks that it needs for p(0)."""

    def __init__(self, stations: Sequence[Station], population: tuple[int, ...], think: tuple[float, ...]) -> None:
        self.stations = stations
        self.demands = [station.demands for station in stations]
        self.population = population
        self.think = think
        self.classes = range(len(population))
        customers = sum(population)
        # Stations where nobody ever waits.
        self.free = [each.discipline == "delay" or each.servers >= customers for each in stations]
        self.several = [index for index, s in enumerate(stations) if s.servers > 1 and not self.free[index]]
        self.throughputs: dict[frozenset[int], dict[tuple[int, ...], list[float]]] = {}

    def answer(self) -> tuple[list[float], list[list[float]]]:
        """Throughput per class, and residence per station and class, of the whole population."""
        return self._solve(frozenset())

    def _solve(self, absent: frozenset[int]) -> tuple[list[float], list[list[float]]]:
        """The network without the ``absent`` stations; leaves its throughputs behind for those that ask."""
        present = [index for index in range(len(self.stations)) if index not in absent]
        several = [index for index in self.several if index not in absent]
        for index in several:
            if absent | {index} not in self.throughputs:
                self._solve(absent | {index})
        reached = self.throughputs[absent] = {}
        nobody = (0,) * len(self.classes)
        queues = {nobody: [0.0] * len(self.stations)}
        # p(j) for j < servers - 1, of each station with several servers
        states = {nobody: {index: [1.0] + [0.0] * (self.stations[index].servers - 2) for index in several}}
        throughput, residence = [0.0 for _ in self.classes], [[0.0 for _ in self.classes] for _ in self.stations]
        for some in itertools.product(*(range(count + 1) for count in self.population)):
            if some == nobody:
                continue
            throughput = [0.0 for _ in self.classes]
            residence = [[0.0 for _ in self.classes] for _ in self.stations]
            queue = [0.0] * len(self.stations)
            for klass in self.classes:
                if some[klass] == 0:
                    continue
                fewer = _without(some, klass)
                for index in present:
                    demand = self.demands[index][klass]
                    residence[index][klass] = demand * self._stretch(index, queues[fewer][index], states[fewer])
                cycle = self.think[klass] + sum(residence[index][klass] for index in present)
                # A class whose whole work is at absent stations is infinitely quick here.
                throughput[klass] = some[klass] / cycle if cycle > 0 else math.inf
                for index in present:
                    if residence[index][klass] > 0:
                        queue[index] += throughput[klass] * residence[index][klass]
            reached[some] = throughput
            queues[some] = queue
            states[some] = {index: self._states(index, some, throughput, states, absent) for index in several}
        return throughput, residence

    def _stretch(self, index: int, queue: float, states: dict[int, list[float]]) -> float:
        """How many times its service an arrival stays."""
        if self.free[index]:
            return 1.0
        servers = self.stations[index].servers
        idle = sum((servers - 1 - j) * p for j, p in enumerate(states[index])) if servers > 1 else 0.0
        return (1 + queue + idle) / servers

    def _states(
        self,
        index: int,
        some: tuple[int, ...],
        throughput: list[float],
        states: dict[tuple[int, ...], dict[int, list[float]]],
        absent: frozenset[int],
    ) -> list[float]:
        """p(j) for j < servers - 1."""
        demands = self.demands[index]
        there = [klass for klass in self.classes if some[klass] > 0]
        alone = self.throughputs[absent | {index}][some]
        if any(math.isinf(alone[klass]) for klass in there):
            empty = 0.0  # some class has nowhere else to be; and inf / inf would be no number
        else:
            empty = states[_without(some, there[0])][index][0] * throughput[there[0]] / alone[there[0]]
        answer = [empty]
        for j in range(1, self.stations[index].servers - 1):
            arriving = (
                throughput[klass] * demands[klass] * states[_without(some, klass)][index][j - 1]
                for klass in there
                if demands[klass] > 0
            )
            answer.append(sum(arriving) / j)
        return answer


def _without(some: tuple[int, ...], klass: int) -> tuple[int, ...]:
    return (*some[:klass], some[klass] - 1, *some[klass + 1 :])


def _classes(stations: Sequence[Station], name: str, values: Sequence[float]) -> int:
    """How many there are, where all agree. Raises ValueError."""
    if not stations:
        raise ValueError("stations: found none, expected at least one")
    names = [station.name for station in stations]
    if len(set(names)) < len(names):
        raise ValueError(f"stations: found the names {names}, expected different ones")
    for station in stations:
        if len(station.visits) != len(values):
            raise ValueError(
                f"{name}: found {len(values)}, expected {len(station.visits)}, as {station.name} has classes"
            )
    return len(values)


def _answer(
    stations: Sequence[Station], throughput: list[float], residence: list[list[float]], classes: int
) -> NetworkAnswer:
    """Everything that follows from throughputs and residences, by Little's law and the utilisation law."""
    answers = {}
    for station, there in zip(stations, residence, strict=True):
        busy = _dot(throughput, station.demands)
        answers[station.name] = StationAnswer(
            throughput=tuple(rate * count for rate, count in zip(throughput, station.visits, strict=True)),
            utilisation=0.0 if station.discipline == "delay" else busy / station.servers,
            mean_queue=tuple(rate * time for rate, time in zip(throughput, there, strict=True)),
            mean_residence=tuple(there),
        )
    response = tuple(math.fsum(there[klass] for there in residence) for klass in range(classes))
    return NetworkAnswer(tuple(throughput), response, answers)


def _dot(left: Sequence[float], right: Sequence[float]) -> float:
    return math.fsum(a * b for a, b in zip(left, right, strict=True))


def _log_weights(demand: float, servers: int, population: int) -> NDArray[np.float64]:
    """log f(n) for n = 0..population."""
    n = np.arange(1, population + 1)
    if demand == 0:
        return np.concatenate([[0.0], np.full(population, -np.inf)])
    return np.concatenate([[0.0], np.cumsum(math.log(demand) - np.log(np.minimum(n, servers)))])


def _convolve(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """log of the convolution of two series that are given by their logs."""
    answer = np.empty_like(left)
    for n in range(len(left)):
        terms = left[: n + 1] + right[n::-1]
        largest = terms.max()
        answer[n] = largest if largest == -np.inf else largest + math.log(np.exp(terms - largest).sum())
    return answer
