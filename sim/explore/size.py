"""The cheapest configuration that meets a scenario's objectives, and the cheapest that does so with a replica lost.

Used by the command line and notebooks. How it looks:

1. More of a resource never hurts much: where a configuration meets the objectives, so does one with more of it. The
   widest of the bounds is tried first; it also shows how much work there is (places that were busy), and no
   configuration with fewer places than that keeps up: an analytic lower bound for each resource.
2. For each resource the least with all others at their most is found by bisection. The answer cannot have less.
3. From there, configurations are tried in the order of their cost until one meets the objectives; what has no more of
   anything than one that failed is passed over. Replicas, which cost, come first, with everything else at its most;
   then pools, slots and limits, which are free here, are made as small as they may be.
4. The answer is tried with all seeds, and so are its neighbours with one thing less: none of them may do. Where one
   does, it becomes the answer and the look begins anew.

A lost replica is one fewer of its component for the whole run, and not the fault ``kill``: sized is whether those that
are left carry the load. How long callers take to notice the loss, and what fails until then, is no matter of numbers; a
scenario with ``kill`` asks that.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from windtunnel.sim.explore.axis import Axis
from windtunnel.sim.explore.bench import Assessed, Bench, Settings, settings_of
from windtunnel.sim.explore.limit import Limit, largest_load
from windtunnel.sim.explore.subject import Subject, located
from windtunnel.sim.explore.trial import quantity_of, share_of
from windtunnel.sim.explore.workers import Workers
from windtunnel.spec.architecture import CLIENT, Cache, Database, Queue
from windtunnel.spec.problem import Problem, SpecError

MOST_REPLICAS = 20
MOST_CONNECTIONS = 64
"""The bounds where nobody says others; a configuration that has more already is within them, too."""
MOST_ROUNDS = 50
"""Searches, each after the seeds of a verification have changed what is known."""
MOST_LOOKS = 3_000
"""Configurations that are tried in a search."""
WORTH_IT = 0.01
"""By which a step along the frontier has to better the latency."""
STEPS = 6
"""Along the frontier, to each side of the answer."""
WORK_SEEN = 0.9
"""Share of the busy places that were seen at the least that is taken as a lower bound: a run is an estimate."""

Values = tuple[int, ...]
Predicate = Callable[[Values], bool]


@dataclass(frozen=True)
class Size:
    """What was found."""

    bounds: tuple[Axis, ...]
    left_out: tuple[str, ...]
    """What is not varied unless it is asked for, in words."""
    given: Assessed
    """As the files have it."""
    cheapest: Assessed | None
    """Meets every objective; None: nothing within the bounds does."""
    surviving: Assessed | None
    """Meets them with any one replica lost, too; None: nothing does, or nobody asked."""
    lost: tuple[str, ...]
    """Components of which one replica was taken away, one component at a time."""
    single: tuple[str, ...]
    """Components of one replica, whose loss nothing makes up for."""
    nearest: Assessed
    """Of all that was tried, what misses least; ``cheapest`` where that is there."""
    frontier: tuple[Assessed, ...]
    """For each cost the quickest that was tried, the cheapest first; all keep up."""
    frontier_metric: str
    """What is quick: the highest quantile of latency for which there are samples enough."""
    limit: Limit
    """Of the given configuration."""
    limit_of_answer: Limit | None
    prices: dict[str, float]
    """Of a replica for an hour, by component."""
    priced: bool
    """False: the deployment has no prices, and a replica counts as 1."""
    currency: str
    unjudged: tuple[str, ...]
    """Objectives that no forecast observes."""
    runs: int
    """Seeds of every configuration in this answer."""
    tried: int
    """Trials in all."""
    configurations: int
    exhaustive: bool
    """False: the search ended before it had excluded everything cheaper."""

    def cost_per_hour(self, found: Assessed) -> float:
        """As the forecast counts it; without prices, the number of replicas."""
        if self.priced:
            known = found.cost_per_hour()
            assert known is not None, "prices are there"
            return known
        return self.replica_cost(found)

    def replica_cost(self, found: Assessed) -> float:
        """Of the components whose replicas are in ``prices``, from what a configuration sets."""
        return sum(self.prices[name] * count for name, count in self.replicas(found).items() if name in self.prices)

    def replicas(self, found: Assessed) -> dict[str, int]:
        """Of each component, in a configuration."""
        return self._replicas | {
            steps[1]: value
            for key, value in found.settings
            if (steps := located(key)[1])[0] == "place" and steps[-1] == "replicas"
        }

    _replicas: dict[str, int]


def default_bounds(subject: Subject) -> tuple[list[Axis], list[str]]:
    """Replicas of all that is called and holds no state, and pools; and what is left out, in words."""
    architecture, deployment = subject.architecture, subject.deployment
    used = _used(subject)
    axes, left_out = [], []
    for name, part in architecture.components.items():
        if name not in used or isinstance(part, Queue):
            continue
        placement = deployment.placement(name)
        key = f"place.{name}.replicas"
        if isinstance(part, Database | Cache):
            left_out.append(f"{name}: more of a {part.kind} are other data, not more of it (--vary {key}=1..5)")
        elif placement.autoscale is not None:
            left_out.append(f"{name}: it is scaled between {placement.autoscale.min} and {placement.autoscale.max}")
        else:
            axes.append(Axis(key, tuple(range(1, max(MOST_REPLICAS, placement.replicas) + 1))))
    for link in architecture.links:
        if link.pool is not None and link.caller in used and link.callee in used:
            key = f"links[{link.name}].pool"
            axes.append(Axis(key, tuple(range(1, max(MOST_CONNECTIONS, link.pool) + 1))))
    return axes, left_out


def size(
    subject: Subject,
    workers: Workers,
    *,
    runs: int = 5,
    bounds: Sequence[Axis] = (),
    lose_one: bool = True,
    stage: Callable[[str], object] = lambda _: None,
    progress: Callable[[int], object] = lambda _: None,
) -> Size:
    """The answer. ``bounds``: what may be varied, ``default_bounds`` where nothing is said; ``runs``: seeds that it
    rests on; ``stage`` is told what is done, ``progress`` how many trials there were.

    SpecError for bounds that are no whole numbers, and for objectives that no forecast observes.
    """
    axes, left_out = (_checked(bounds), []) if bounds else default_bounds(subject)
    if not axes:
        raise SpecError([Problem("--vary", "nothing to vary", "a key with bounds, such as place.app.replicas=1..10")])
    for end in (0, -1):  # a mistake is told before anything runs
        subject.changed({axis.key: axis.values[end] for axis in axes}).model()
    return _Search(subject, axes, Bench(subject, workers, runs, progress), stage).answer(tuple(left_out), lose_one)


def _checked(bounds: Sequence[Axis]) -> list[Axis]:
    problems = [
        Problem(f"--vary {axis.key}", repr(value), "whole numbers of at least 1, in ascending order")
        for axis in bounds
        for before, value in zip((0, *axis.values), axis.values, strict=False)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1 or value <= before
    ]
    if problems:
        raise SpecError(problems)
    return list(bounds)


def _used(subject: Subject) -> set[str]:
    """Components that the load's flows come to."""
    flows = [flow for flow in subject.scenario.load.flows if flow in subject.architecture.flows]
    return {call.call for flow in flows for _, call in subject.architecture.calls(flow)} | {
        caller for flow in flows for caller, _ in subject.architecture.calls(flow) if caller != CLIENT
    }


class _Search:
    """One look for the cheapest."""

    def __init__(self, subject: Subject, axes: list[Axis], bench: Bench, stage: Callable[[str], object]) -> None:
        self.subject = subject
        self.axes = axes
        self.bench = bench
        self.stage = stage
        costs = subject.deployment.costs
        components = [name for name, part in subject.architecture.components.items() if not isinstance(part, Queue)]
        self.priced = costs is not None and any(costs.replica_hour.values())
        self.prices = dict(costs.replica_hour) if costs and self.priced else dict.fromkeys(components, 1.0)
        self.currency = costs.currency if costs and self.priced else "replicas"
        self.component = [_component_of(axis.key) for axis in axes]
        self.price = [self.prices.get(name, 0.0) if name else 0.0 for name in self.component]
        self.top: Values = tuple(axis.values[-1] for axis in axes)
        self.exhaustive = True
        copies = _copies(subject)
        self.fixed = [n for n, c in copies.items() if c > 1 and n not in self.component and _can_lose(subject, n)]
        self.copies = copies

    def answer(self, left_out: tuple[str, ...], lose_one: bool) -> Size:
        bench = self.bench
        self.stage("simulating the configuration as it is")
        bench.enough_runs(bench.look([()], 1)[0])
        given = bench.assess(())
        self.stage("looking for the cheapest configuration")
        cheapest = self.cheapest(self.holds, [0] * len(self.axes))
        surviving, lost, single = None, self.losable(), self.singles()
        if lose_one and lost and cheapest is not None:
            self.stage("looking for the cheapest that survives the loss of a replica")
            surviving = self.cheapest(self.survives, [2 if name else 0 for name in self.component])
        metric = self.frontier_metric(cheapest or self.top)
        self.stage("walking along the frontier of cost and latency")
        frontier = self.frontier(cheapest, surviving, given, metric) if cheapest is not None else ()
        self.stage("looking for the largest load")
        limit = largest_load(bench, ())
        found = bench.assess(self.settings(cheapest)) if cheapest is not None else None
        limit_of_answer = largest_load(bench, found.settings) if found is not None else None
        tried = [
            each for each in bench.known() if {key for key, _ in each.settings} == {axis.key for axis in self.axes}
        ]
        nearest = found or max(tried, key=lambda each: (each.saturated is None, each.margin))
        return Size(
            bounds=tuple(self.axes),
            left_out=left_out,
            given=given,
            cheapest=found,
            surviving=bench.assess(self.settings(surviving)) if surviving is not None else None,
            lost=lost if lose_one else (),
            single=single,
            nearest=bench.assess(nearest.settings),
            frontier=frontier,
            frontier_metric=metric,
            limit=limit,
            limit_of_answer=limit_of_answer,
            prices=self.prices,
            priced=self.priced,
            currency=self.currency,
            unjudged=tuple(bench.unjudged),
            runs=bench.runs,
            tried=bench.tried,
            configurations=bench.configurations,
            exhaustive=self.exhaustive,
            _replicas=self.copies,
        )

    # What a configuration is

    def settings(self, values: Values, lost: str | None = None) -> Settings:
        said: dict[str, Any] = {axis.key: value for axis, value in zip(self.axes, values, strict=True)}
        if lost is not None:
            key = next((axis.key for axis, name in zip(self.axes, self.component, strict=True) if name == lost), None)
            key = key or f"place.{lost}.replicas"
            said[key] = said.get(key, self.copies[lost]) - 1
        return settings_of(said)

    def holds(self, values: Values) -> bool:
        return self.bench.holds(self.settings(values))

    def survives(self, values: Values) -> bool:
        """With all there, and with one replica less of each component in turn."""
        lost = [name for name, value in zip(self.component, values, strict=True) if name and value > 1]
        return self.bench.holds_all(
            [self.settings(values), *(self.settings(values, name) for name in (*lost, *self.fixed))]
        )

    def losable(self) -> tuple[str, ...]:
        varied = [name for axis, name in zip(self.axes, self.component, strict=True) if name and axis.values[-1] > 1]
        return (*varied, *self.fixed)

    def singles(self) -> tuple[str, ...]:
        lost = self.losable()
        return tuple(name for name in self.copies if name not in lost and self.copies[name] == 1)

    def rank(self, values: Values) -> tuple[float, float]:
        """Cost, then how much of everything there is, by its bounds."""
        cost = sum(price * value for price, value in zip(self.price, values, strict=True))
        return cost, sum(value / axis.values[-1] for axis, value in zip(self.axes, values, strict=True))

    # The search

    def cheapest(self, good: Predicate, least: Sequence[int]) -> Values | None:
        """The values of the lowest rank that are good, verified with all seeds. ``least``: of each, at least."""
        least = [
            next((value for value in axis.values if value >= low), axis.values[-1])
            for axis, low in zip(self.axes, least, strict=True)
        ]
        base = next((values for values in self.bases() if good(values)), None)
        if base is None:
            return None
        paid = [index for index, price in enumerate(self.price) if price > 0]
        free = [index for index in range(len(self.axes)) if index not in paid]
        work = self.work()
        for _ in range(MOST_ROUNDS):
            found = self.least(good, base, paid, least, work)
            found = self.least(good, found, free, least, work)
            settings = [self.settings(found), *(self.settings(near) for near in self.neighbours(found, least))]
            self.stage("verifying the answer and its neighbours")
            self.bench.look(settings, self.bench.runs)
            better = next((near for near in self.neighbours(found, least) if good(near)), None)
            if good(found) and better is None:
                return found
            if better is not None:  # the lower bounds were too high for it
                work = tuple(min(one, two) for one, two in zip(work, better, strict=True))
            elif found == base:
                return None
        self.exhaustive = False
        return found if good(found) else None

    def bases(self) -> Iterator[Values]:
        """From where on downwards is looked: the most of everything; what is given, should more of something hurt."""
        yield self.top
        given = tuple(self.subject.value(axis.key) or 1 for axis in self.axes)
        if all(value in axis.values for axis, value in zip(self.axes, given, strict=True)):
            yield given

    def work(self) -> Values:
        """What each has to be at the least, by the places that were busy where there was most of everything."""
        seen = self.bench.look([self.settings(self.top)], 1)[0].trials[0]
        architecture = self.subject.architecture
        floor = [1] * len(self.axes)
        for window in seen.windows:
            for use in window.uses:
                for index, (axis, name) in enumerate(zip(self.axes, self.component, strict=True)):
                    part = architecture.components.get(name) if name else None
                    places = getattr(part, "places", None)
                    if use.kind == "slots" and use.name == name and places and not window.saturated:
                        floor[index] = max(floor[index], math.ceil(WORK_SEEN * use.busy / places))
                    floor[index] = min(floor[index], axis.values[-1])
        return tuple(floor)

    def least(self, good: Predicate, base: Values, free: list[int], least: Sequence[int], work: Values) -> Values:
        """The lowest rank that is good, of those that differ from ``base`` (which is good) in some places only."""
        lowest = list(base)
        for index in free:
            choices = [v for v in self.axes[index].values if max(least[index], work[index]) <= v <= base[index]]
            lowest[index] = self.bisect(good, base, index, choices or [base[index]])
        floor = tuple(lowest)
        failed: list[Values] = []
        queue = [(self.rank(floor), floor)]
        met = {floor}
        looks = 0
        while queue:
            values = heapq.heappop(queue)[1]
            if not any(all(v <= f for v, f in zip(values, bad, strict=True)) for bad in failed):
                if values == base or good(values):
                    return values
                failed.append(values)
                looks += 1
                if looks >= MOST_LOOKS:
                    self.exhaustive = False
                    return base
            for index in free:
                more = next((v for v in self.axes[index].values if v > values[index]), None)
                if more is None or more > base[index]:
                    continue
                next_values = (*values[:index], more, *values[index + 1 :])
                if next_values not in met:
                    met.add(next_values)
                    heapq.heappush(queue, (self.rank(next_values), next_values))
        return base

    def bisect(self, good: Predicate, base: Values, index: int, values: Sequence[int]) -> int:
        """The least of ascending values that is good in the place of one of ``base``'s; the last one is taken to be."""
        low, high = 0, len(values) - 1
        while low < high:
            middle = (low + high) // 2
            if good((*base[:index], values[middle], *base[index + 1 :])):
                high = middle
            else:
                low = middle + 1
        return values[low]

    def neighbours(self, values: Values, least: Sequence[int]) -> Iterator[Values]:
        """With one thing less."""
        for index, axis in enumerate(self.axes):
            less = [v for v in axis.values if least[index] <= v < values[index]]
            if less:
                yield (*values[:index], less[-1], *values[index + 1 :])

    # What else there is to be had

    def frontier_metric(self, values: Values) -> str:
        """The highest quantile of latency that all trials together tell."""
        found = self.bench.assess(self.settings(values))
        window = self.window()
        times = [one.seen(window).times.get("latency_ms") for one in found.trials]
        count = sum(int(each.counts.sum()) for each in times if each is not None)
        for metric in ("latency_ms_p99", "latency_ms_p95", "latency_ms_p90"):
            share = share_of(metric)
            assert share is not None, "they are quantiles"
            if count * (1 - share) >= 20:
                return metric
        return "latency_ms_p50"

    def window(self) -> str:
        """Which the frontier is about: the first with an objective of latency, else the first with any."""
        windows = [window for window, metric, _ in self.bench.objectives if quantity_of(metric) == "latency_ms"]
        return (windows or [self.bench.objectives[0][0]])[0]

    def frontier(
        self, cheapest: Values, surviving: Values | None, given: Assessed, metric: str
    ) -> tuple[Assessed, ...]:
        """Steps from the answer, up and down, each by what betters the latency most for its cost; then all that no
        other one beats in both."""
        paid = [index for index, price in enumerate(self.price) if price > 0]
        seen = {(): given, **{s: self.bench.assess(s) for v in (cheapest, surviving) if v for s in [self.settings(v)]}}

        def latency(found: Assessed) -> float:
            interval = found.interval(self.window(), metric)
            return math.inf if interval is None or found.saturated else interval.mean

        for way in (1, -1):
            values = cheapest
            for _ in range(STEPS):
                steps = [step for index in paid if (step := self._step(values, index, way)) is not None]
                if not steps:
                    break
                looked = self.bench.look([self.settings(step) for step in steps], self.bench.runs)
                seen |= {each.settings: each for each in looked}
                now = latency(self.bench.assess(self.settings(values)))
                gains = {
                    step: (now - latency(each)) / abs(self.rank(step)[0] - self.rank(values)[0])
                    for step, each in zip(steps, looked, strict=True)
                    if math.isfinite(latency(each)) and (way < 0 or latency(each) < now * (1 - WORTH_IT))
                }
                if not gains:
                    break
                values = max(gains, key=lambda step: gains[step])
        costed = sorted(((self._cost(each), latency(each), each) for each in seen.values()), key=lambda row: row[:2])
        kept: list[Assessed] = []
        quickest = math.inf
        for _, ms, each in costed:
            if ms < quickest:
                kept.append(each)
                quickest = ms
        return tuple(kept)

    def _cost(self, found: Assessed) -> float:
        said = dict(found.settings)
        counts = [said.get(axis.key, self.subject.value(axis.key) or 1) for axis in self.axes]
        return float(sum(price * count for price, count in zip(self.price, counts, strict=True)))

    def _step(self, values: Values, index: int, way: int) -> Values | None:
        choices = self.axes[index].values
        place = choices.index(values[index]) + way
        return (*values[:index], choices[place], *values[index + 1 :]) if 0 <= place < len(choices) else None


def _component_of(key: str) -> str | None:
    """Whose replicas a key sets; None: it sets something else."""
    part, steps = located(key)
    return (
        steps[1] if part == "deployment" and len(steps) == 3 and (steps[0], steps[2]) == ("place", "replicas") else None
    )


def _copies(subject: Subject) -> dict[str, int]:
    """Replicas of each component that the load comes to, in the order of the drawing."""
    used = _used(subject)
    found = {}
    for name, part in subject.architecture.components.items():
        if name in used and not isinstance(part, Queue):
            standbys = part.standbys if isinstance(part, Database) else 0
            found[name] = 1 + standbys if standbys else subject.deployment.replicas(name)
    return found


def _can_lose(subject: Subject, name: str) -> bool:
    """Whether fewer replicas say what a loss does: not where others take their place, or one of them is special."""
    part = subject.architecture.components[name]
    scaled = subject.deployment.placement(name).autoscale is not None
    return not scaled and not (isinstance(part, Database) and part.standbys)
