"""The exact answer of a model, where queueing theory has one; else what there is no formula for, in words.

Used by ``simulate --analytic``. Three kinds of models have an exact answer (see ``sim.analytic`` for the sources):

- open networks of product form: Poisson arrivals; stations that are first come first served with exponential work,
  shared processors, or without any limit; paths by sequence, probability and repetition;
- the same with a fixed number of users who think (closed);
- one queue beside stations without any limit: M/G/1, M/D/c, priorities, a bounded queue, impatience.

Whoever holds a place while it calls others is in none of them. Retries, breakers and ejection are, as long as nobody
fails: time-outs must be so far away that nobody reaches them, and the answer says that it takes that for granted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from windtunnel.sim.analytic.network import Discipline, convolution, open_network
from windtunnel.sim.analytic.network import Station as Queueing
from windtunnel.sim.answers.one_queue import Stream, one_queue
from windtunnel.sim.answers.paths import NO_FORMULA, branches, caught, extremes, iterations, outcomes, visits
from windtunnel.sim.model import Choose, Hop, Invoke, Model, Outcome, Program, Repeat, Station, WaitLimit
from windtunnel.spec.distribution import Distribution, Exponential
from windtunnel.spec.problem import Problem, SpecError
from windtunnel.spec.scenario import Scenario

FAR = 30
"""A time-out so many times as long as its call takes on average is taken as never reached: of exponential times one in
10^13 is as long."""


@dataclass(frozen=True)
class ExactStation:
    """What a queue, a processor or an unlimited station comes to."""

    name: str
    servers: int | None
    """Of all replicas; None: no limit."""
    utilisation: float
    """Share of the servers' time; 0 without a limit."""
    waiting: float
    """Requests that wait, on average; of a shared processor 0, since nobody does."""
    mean_ms: float
    """Of one visit, waiting included, averaged over all visits."""


@dataclass(frozen=True)
class Exact:
    """In steady state, faults and warm-up left out."""

    kind: str
    """``open product-form network``, ``M/G/1``, ..."""
    throughput_per_s: float
    """Successes."""
    mean_ms: float
    """Of the successes, from the client's call to the last byte."""
    mean_ms_by_flow: dict[str, float]
    quantiles_ms: dict[float, float]
    """By share; empty where only means are known."""
    lost_ratio: float
    """Requests that are turned away or give up."""
    stations: tuple[ExactStation, ...]
    assumptions: tuple[str, ...]


def exact(scenario: Scenario, model: Model) -> Exact:
    """The answer. Raises SpecError with every feature that no formula has, Saturated where there is no steady state."""
    problems = [*_beside(scenario, model), *(problem for hop in model.hops for problem in _of_hop(model, hop))]
    paths = [visits(model, entry, problems) for entry in model.entries]
    if not problems:
        solved = _Solver(scenario, model, paths).solve(problems)
        if solved is not None:
            return solved
    raise SpecError(dict.fromkeys(problems))


def _beside(scenario: Scenario, model: Model) -> Iterator[Problem]:
    """What no formula has, whatever the calls are."""
    if scenario.load.arrivals not in ("poisson", "closed"):
        yield Problem("load.arrivals", repr(scenario.load.arrivals), "poisson or closed for an exact answer")
    if scenario.faults:
        yield Problem("faults", ", ".join(str(fault.kind) for fault in scenario.faults), "none for an exact answer")
    if model.beside_s:
        yield Problem("parameters.cpu_ms", "processor time beside the components", NO_FORMULA)


def _of_hop(model: Model, hop: Hop) -> Iterator[Problem]:
    """What no formula has of a call, its link and its callee."""
    station, wire = model.stations[hop.callee], model.wires[hop.wire]
    here = f"components.{station.name}"
    strange = {
        "autoscale": station.autoscale is not None or station.initial != station.replicas,
        "a rate limit": station.rate_limit is not None,
        "a crash rule": station.crash_above is not None,
        "a failover": bool(station.reigns),
        "a warm-up of its connections": bool(station.warmth) or station.turn_s > 0,
        "shedding that depends on the past": station.shed is not None and not isinstance(station.shed, WaitLimit),
        "work that is partly on the processor": 0 < station.cpu_s < math.inf,
        "answers that are found by what is stored": hop.role != "work"
        and (station.cache is None or station.cache.hit_ratio is None),
        "calls that join each other": station.cache is not None and station.cache.singleflight,
        "answers of tokens": hop.output_tokens is not None,
        "places that are held while others are called": station.slots is not None and bool(hop.program),
        "places before a processor": station.slots is not None and station.cpu_s > 0,
    }
    yield from (Problem(here, what, NO_FORMULA) for what, found in strange.items() if found)
    congested = station.slots is not None or station.cpu_s > 0
    if congested and station.replicas > 1 and wire.balance != "random":
        yield Problem(
            f"links.{wire.name}.balance",
            f"{wire.balance!r} over {station.replicas} replicas",
            "random for an exact answer",
        )
    for what, found in {"a connection pool": wire.pool is not None, "hedging": wire.hedge_after_s is not None}.items():
        if found:
            yield Problem(f"links.{wire.name}", what, NO_FORMULA)


@dataclass(frozen=True)
class _Resource:
    """What requests may have to share: the places of a component, a processor; or nothing."""

    name: str
    discipline: Discipline
    servers: int
    """Of one replica."""
    replicas: int
    speed: float
    hops: tuple[int, ...]

    def replica(self, number: int) -> str:
        """``db.0``, or plainly ``db`` where there is but one."""
        return f"{self.name}.{number}" if self.replicas > 1 else self.name


class _Solver:
    """One model, its calls known to be harmless."""

    def __init__(self, scenario: Scenario, model: Model, paths: Sequence[dict[int, float]]) -> None:
        self.model = model
        self.paths = paths
        weights = [scenario.load.flows[flow] for flow in model.flows]
        self.shares = [weight / sum(weights) for weight in weights]
        self.rates_per_s = [(scenario.load.rate_per_s or 0.0) * share for share in self.shares]
        self.flow_of = {hop: flow for flow, path in enumerate(paths) for hop in path}

    def solve(self, problems: list[Problem]) -> Exact | None:
        """None: with the problems that were found."""
        resources = self._resources(problems)
        if problems:
            return None
        odd = [resource for resource in resources if resource.discipline == "fcfs" and not self._product_form(resource)]
        limited = [resource for resource in resources if resource.discipline != "delay"]
        if odd and (len(limited) > 1 or self.model.closed is not None):
            problems.append(self._unlike(odd[0]))
            return None
        if odd or (len(limited) == 1 and self.model.closed is None and self._alone(limited[0])):
            return self._queue(resources, limited[0], problems)
        return self._network(resources, problems)

    def _resources(self, problems: list[Problem]) -> list[_Resource]:
        used = sorted(self.flow_of)
        found = []
        for place, station in enumerate(self.model.stations):
            hops = tuple(hop for hop in used if self.model.hops[hop].callee == place)
            if hops and station.cpu_s == 0:
                free = station.slots is None or all(self._service(hop).mean() == 0 for hop in hops)
                kind: Discipline = "delay" if free else "fcfs"
                replicas = 1 if free else station.replicas
                found.append(_Resource(station.name, kind, station.slots or 1, replicas, 1.0, hops))
        for host, cores in enumerate(self.model.cores):
            found += self._processors(host, cores, used, problems)
        return found

    def _processors(self, host: int, cores: float, used: Sequence[int], problems: list[Problem]) -> list[_Resource]:
        """A processor is shared by all threads; a thread that has a core to itself is a processor of its own."""
        by_station: dict[int, list[int]] = {}
        for hop in used:
            place = self.model.hops[hop].callee
            if self.model.stations[place].host == host and self.model.stations[place].cpu_s > 0:
                by_station.setdefault(place, []).append(hop)
        if not by_station:
            return []
        stations: dict[int, Station] = {place: self.model.stations[place] for place in by_station}
        threads = sum(station.replicas for station in stations.values() if station.single_threaded)
        single = all(station.single_threaded for station in stations.values())
        if single and threads <= max(cores, 1.0):
            return [
                _Resource(station.name, "ps", 1, station.replicas, min(1.0, cores), tuple(by_station[place]))
                for place, station in stations.items()
            ]
        whole = cores < 1 or cores == int(cores)
        if not any(station.single_threaded for station in stations.values()) and whole:
            hops = tuple(hop for calls in by_station.values() for hop in calls)
            return [
                _Resource(
                    f"the processor of {self.model.hosts[host]}", "ps", max(1, int(cores)), 1, min(1.0, cores), hops
                )
            ]
        problems.append(
            Problem(
                f"hosts.{self.model.hosts[host]}", f"{cores:g} cores for {threads} event loops and more", NO_FORMULA
            )
        )
        return []

    def _station(self, resource: _Resource) -> Station:
        return self.model.stations[self.model.hops[resource.hops[0]].callee]

    def _service(self, hop: int) -> Distribution:
        return self.model.hops[hop].service_ms

    def _product_form(self, resource: _Resource) -> bool:
        """First come first served among equals, for an exponential time that is the same for all, and no limit."""
        station, services = self._station(resource), [self._service(hop) for hop in resource.hops]
        priorities = {self.model.priorities[self.flow_of[hop]] for hop in resource.hops}
        return (
            (station.discipline == "fifo" or len(priorities) == 1)
            and station.queue_limit is None
            and station.shed is None
            and all(isinstance(service, Exponential) for service in services)
            and len({service.mean() for service in services}) == 1
        )

    def _unlike(self, resource: _Resource) -> Problem:
        expected = "exponential work of one mean, first come first served without a limit, where others are limited too"
        return Problem(f"components.{resource.name}", "a queue without product form", expected)

    def _visits(self, flow: int, resource: _Resource) -> float:
        return sum(self.paths[flow].get(hop, 0.0) for hop in resource.hops)

    def _demand_s(self, flow: int, resource: _Resource) -> float:
        """Work of one request there, all replicas together."""
        return sum(
            self.paths[flow].get(hop, 0.0) * self._service(hop).mean() / 1000 / resource.speed for hop in resource.hops
        )

    def _network(self, resources: Sequence[_Resource], problems: list[Problem]) -> Exact | None:
        closed = self.model.closed
        # several flows of a closed network are one class: every cycle draws its flow anew
        apart = [[(flow, 1.0)] for flow in range(len(self.shares))]
        groups = [list(enumerate(self.shares))] if closed else apart
        stations = [
            self._queueing(resource, groups, replica) for resource in resources for replica in range(resource.replicas)
        ]
        if closed:
            found = convolution(stations, closed.users, closed.think_ms.mean() / 1000)
            rates_per_s = [found.throughput[0] * share for share in self.shares]
        else:
            found = open_network(stations, self.rates_per_s)
            rates_per_s = self.rates_per_s
        stretch: dict[int, float] = {}
        answers = []
        for resource in resources:
            one = found.stations[resource.replica(0)]
            work = sum(rate * self._demand_s(flow, resource) for flow, rate in enumerate(rates_per_s))
            present = sum(one.mean_queue) * resource.replicas
            factor = present / work if work > 0 else 1.0
            stretch |= dict.fromkeys(resource.hops, factor / resource.speed)
            calls_per_s = sum(rate * self._visits(flow, resource) for flow, rate in enumerate(rates_per_s))
            answers.append(
                ExactStation(
                    resource.name,
                    None if resource.discipline == "delay" else resource.servers * resource.replicas,
                    one.utilisation,
                    max(0.0, present - work) if resource.discipline == "fcfs" else 0.0,
                    present / calls_per_s * 1000 if calls_per_s > 0 else 0.0,
                )
            )
        kind = "closed product-form network" if closed else "open product-form network"
        return self._told(kind, rates_per_s, lambda hop: self._service(hop).mean() * stretch[hop], answers, problems)

    def _queueing(self, resource: _Resource, groups: Sequence[Sequence[tuple[int, float]]], replica: int) -> Queueing:
        counts, means = [], []
        for group in groups:
            count = sum(share * self._visits(flow, resource) for flow, share in group)
            work_s = sum(share * self._demand_s(flow, resource) for flow, share in group)
            counts.append(count / resource.replicas)
            means.append(work_s / count if count else 0.0)
        if resource.discipline == "fcfs":  # one mean for all, to the last bit
            means = [self._service(resource.hops[0]).mean() / 1000] * len(groups)
        name = resource.replica(replica)
        return Queueing(name, resource.discipline, tuple(means), tuple(counts), resource.servers)

    def _alone(self, resource: _Resource) -> bool:
        """Whether the queue is all that there is to a request: then its distribution is the answer's."""
        others = [self.model.hops[hop] for path in self.paths for hop in path if hop not in resource.hops]
        idle = all(hop.service_ms.mean() == 0 for hop in others)
        direct = all(hop.link_ms is None or hop.link_ms.mean() == 0 for hop in self.model.hops)
        return resource.discipline == "fcfs" and idle and direct and self._once(resource)

    def _once(self, resource: _Resource) -> bool:
        """Whether every request is there exactly once."""
        counts = [extremes(self.model, (entry,), resource.hops) for entry in self.model.entries]
        return all(count == (1, 1) for count in counts)

    def _queue(self, resources: Sequence[_Resource], resource: _Resource, problems: list[Problem]) -> Exact | None:
        """One queue with Poisson arrivals: what is beside it has no limit, and does not bunch them."""
        if any(extremes(self.model, (entry,), resource.hops)[1] > 1 for entry in self.model.entries):
            problems.append(self._unlike(resource))
            return None
        station = self._station(resource)
        lossy = station.queue_limit is not None or station.shed is not None
        if lossy and (not self._once(resource) or self._catches()):
            expected = "each request to come there once, and to fail where it is turned away"
            problems.append(Problem(f"components.{resource.name}", "a queue that turns away", expected))
            return None
        ranks = {hop: self.model.priorities[self.flow_of[hop]] for hop in resource.hops}
        calls_per_s = {hop: self.rates_per_s[self.flow_of[hop]] * self.paths[self.flow_of[hop]][hop] for hop in ranks}
        streams = [Stream(calls_per_s[hop] / resource.replicas, self._service(hop), ranks[hop]) for hop in ranks]
        found = one_queue(station, streams, problems)
        if found is None:
            return None
        every_ms = {hop: self._service(hop).mean() for path in self.paths for hop in path}
        queued_ms = {
            hop: every_ms[hop] * found.stretch.get(rank, 1.0) + found.wait_ms[rank] for hop, rank in ranks.items()
        }
        one = ExactStation(
            resource.name,
            resource.servers * resource.replicas,
            found.utilisation,
            found.waiting * resource.replicas,
            sum(calls_per_s[hop] * queued_ms[hop] for hop in ranks) / sum(calls_per_s.values()),
        )
        beside = [
            ExactStation(other.name, None, 0.0, 0.0, self._mean_ms(other))
            for other in resources
            if other is not resource
        ]
        quantiles_ms = found.quantiles_ms if self._alone(resource) else {}
        served = 1 - found.lost_ratio
        rates_per_s = [rate * served for rate in self.rates_per_s]
        return self._told(
            found.kind,
            rates_per_s,
            lambda hop: queued_ms.get(hop, every_ms[hop]),
            [one, *beside],
            problems,
            quantiles_ms,
            found.lost_ratio,
        )

    def _mean_ms(self, resource: _Resource) -> float:
        """Of a visit to a station without a limit, over all flows."""
        calls = [
            (rate * path[hop], self._service(hop).mean())
            for rate, path in zip(self.rates_per_s, self.paths, strict=True)
            for hop in resource.hops
            if hop in path
        ]
        count = sum(weight for weight, _ in calls)
        return sum(weight * mean for weight, mean in calls) / count if count else 0.0

    def _catches(self) -> bool:
        """Whether anybody makes something else of a request that is turned away than a failure."""
        return any(
            (wire.retries and Outcome.REJECTED in wire.retry_on) or wire.breaker or wire.ejection
            for wire in self.model.wires
        ) or any(caught((entry,), self.model) for entry in self.model.entries)

    def _told(
        self,
        kind: str,
        rates_per_s: Sequence[float],
        own_ms: Callable[[int], float],
        stations: Sequence[ExactStation],
        problems: list[Problem],
        quantiles_ms: dict[float, float] | None = None,
        lost_ratio: float = 0.0,
    ) -> Exact | None:
        """Each flow's time from what its calls take; None with a problem where a time-out is too near for that."""
        nearest = math.inf

        def call_ms(step: Invoke) -> float:
            nonlocal nearest
            hop = self.model.hops[step.hop]
            link_ms = hop.link_ms.mean() if hop.link_ms is not None else 0.0
            took_ms = link_ms + own_ms(step.hop) + program_ms(hop.program)
            wire = self.model.wires[hop.wire]
            limit_ms = min(wire.timeout_s, wire.deadline_s) * 1000
            if took_ms > 0:
                nearest = min(nearest, limit_ms / took_ms)
            if limit_ms < FAR * took_ms:
                found = f"{limit_ms:g} ms, {limit_ms / took_ms:.3g} times what the call takes on average"
                problems.append(Problem(f"links.{wire.name}.timeout_ms", found, f"{FAR} times: never reached"))
            return took_ms + sum(
                share * program_ms(step.on.get(outcome, ())) for outcome, share in outcomes(self.model, hop)
            )

        def program_ms(program: Program) -> float:
            total_ms = 0.0
            for step in program:
                match step:
                    case Invoke():
                        total_ms += call_ms(step)
                    case Choose():
                        total_ms += sum(share * program_ms(branch) for share, branch in branches(step))
                    case Repeat():
                        total_ms += iterations(step) * program_ms(step.body)
            return total_ms

        by_flow = {flow: call_ms(entry) for flow, entry in zip(self.model.flows, self.model.entries, strict=True)}
        if problems:
            return None
        total_per_s = sum(rates_per_s)
        mean_ms = sum(rate * took for rate, took in zip(rates_per_s, by_flow.values(), strict=True)) / total_per_s
        taken = ["steady state: no warm-up, no end"]
        if nearest < math.inf:
            taken.append(f"time-outs are never reached: the nearest is {nearest:,.0f} times as long as its call")
        return Exact(kind, total_per_s, mean_ms, by_flow, quantiles_ms or {}, lost_ratio, tuple(stations), tuple(taken))
