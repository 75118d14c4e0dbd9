"""Trials of configurations with several seeds, kept, and judged by the scenario's objectives. Used by size and limit.

All configurations are tried with the same seeds: they see the same requests, and differ by what they are only. A
configuration is first tried ``FEW`` times, and where an objective is then met or missed by little, as often as asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np

from windtunnel.sim.answers.interval import Interval, quantile_of_sketches, replications
from windtunnel.sim.answers.student import t_cdf, t_quantile
from windtunnel.sim.explore.subject import Subject
from windtunnel.sim.explore.trial import UNOBSERVED, Trial, quantity_of, share_of, trial
from windtunnel.sim.explore.workers import Workers
from windtunnel.spec.objective import Bound
from windtunnel.spec.problem import Problem, SpecError
from windtunnel.spec.seeds import seeds_from

FEW = 2
"""Trials that are enough where the answer is clear."""
NARROW = 0.1
"""Share of a bound within which a figure of few trials decides nothing."""
ENOUGH_BEYOND = 20
"""So many values of all trials together have to lie beyond a quantile."""
MOST_RUNS = 64

Settings = tuple[tuple[str, Any], ...]
"""A configuration: keys and their values."""


@dataclass(frozen=True)
class Held:
    """An objective in all trials of a configuration together."""

    window: str
    metric: str
    bound: Bound
    value: float | None
    """None: there was nothing to compute it from; then it does not hold."""
    interval: Interval | None
    """Of 95 %, over the trials; None for an extreme, of which all trials have to hold, and of one trial."""
    enough: bool
    """Whether enough samples lie beyond a quantile."""

    @property
    def holds(self) -> bool:
        return self.value is not None and self.bound.holds(self.value)

    @property
    def margin(self) -> float:
        """Distance to the bound as a share of it, below 0 where it is missed; of a bound of 0 in the metric's unit."""
        if self.value is None:
            return -math.inf
        sides = []
        if self.bound.max is not None:
            sides.append((self.bound.max - self.value) / (abs(self.bound.max) or 1))
        if self.bound.min is not None:
            sides.append((self.value - self.bound.min) / (abs(self.bound.min) or 1))
        return min(sides)

    @property
    def sure(self) -> float | None:
        """The probability that the mean over all seeds is on this side of the bound; None: it cannot be told."""
        if self.interval is None or not math.isfinite(self.interval.half_width) or self.value is None:
            return None
        degrees = self.interval.n - 1
        error = self.interval.half_width / t_quantile((1 + self.interval.confidence) / 2, degrees)
        limits = [limit for limit in (self.bound.max, self.bound.min) if limit is not None]
        distance = min(abs(limit - self.value) for limit in limits)
        if error == 0:
            return 1.0
        return t_cdf(distance / error, degrees)


@dataclass(frozen=True)
class Assessed:
    """A configuration and what its trials say."""

    settings: Settings
    trials: tuple[Trial, ...]
    held: tuple[Held, ...]
    saturated: str | None
    """Why it does not keep up, where that is so in more than half of the trials."""

    @property
    def holds(self) -> bool:
        """Whether it meets every objective, and keeps up."""
        return self.saturated is None and all(held.holds for held in self.held)

    @property
    def margin(self) -> float:
        """The smallest of its objectives'."""
        return min((held.margin for held in self.held), default=0.0)

    @property
    def sure(self) -> float | None:
        """The smallest of its objectives', of those that can tell."""
        return min((held.sure for held in self.held if held.sure is not None), default=None)

    def interval(self, window: str, metric: str) -> Interval | None:
        """A metric over the trials; None where some have nothing to compute it from."""
        return pooled(self.trials, window, metric)[0]

    def cost_per_hour(self) -> float | None:
        """On average over the judged windows; None without prices."""
        spent = [seen.cost_per_hour for one in self.trials for seen in one.windows]
        known = [each for each in spent if each is not None]
        return float(np.mean(known)) if known else None

    @property
    def tightest(self) -> Held:
        """The objective that is missed most, else the one that holds with the least to spare."""
        return min(self.held, key=lambda held: held.margin)

    @property
    def bottleneck(self) -> str:
        """In words, in the window of the tightest objective, as its first trial shows it."""
        return self.trials[0].seen(self.tightest.window).bottleneck


def pooled(trials: Sequence[Trial], window: str, metric: str) -> tuple[Interval | None, bool]:
    """A metric over trials: quantiles of all their values together, other figures on average; and whether it rests on
    enough samples. Of one trial the half-width is infinite."""
    seen = [one.seen(window) for one in trials]
    share = share_of(metric)
    if share is not None:
        sketches = [each.times[quantity_of(metric)].sketch() for each in seen if quantity_of(metric) in each.times]
        if len(sketches) < len(seen):
            return None, True
        beyond = sum(sketch.total for sketch in sketches) * (1 - share)
        return quantile_of_sketches(sketches, share), beyond >= ENOUGH_BEYOND * (1 - 1e-9)
    figures = [each.figures[metric] for each in seen if metric in each.figures]
    if len(figures) < len(seen) or not all(map(math.isfinite, figures)):
        return None, True
    return replications(figures), True


class Bench:
    """Tries configurations of a subject."""

    def __init__(
        self,
        subject: Subject,
        workers: Workers,
        runs: int,
        progress: Callable[[int], object] = lambda _: None,
    ) -> None:
        """``runs``: seeds of a thorough look; ``progress`` is told the number of trials so far.

        SpecError where no objective is about what a forecast observes.
        """
        objectives = [
            (window, metric, bound)
            for window, said in subject.scenario.objectives.items()
            for metric, bound in said.items()
        ]
        self.unjudged = sorted({metric for _, metric, _ in objectives if metric in UNOBSERVED})
        self.objectives = [each for each in objectives if each[1] not in UNOBSERVED]
        if not self.objectives:
            found = f"none but {', '.join(self.unjudged)}, which no forecast observes"
            raise SpecError([Problem("objectives", found, "one of error_ratio, latency_ms_p99, ...")])
        self.subject = subject
        self.runs = runs
        self._workers = workers
        self._progress = progress
        self._trials: dict[Settings, dict[int, Trial]] = {}

    @property
    def tried(self) -> int:
        """Trials so far."""
        return sum(map(len, self._trials.values()))

    @property
    def configurations(self) -> int:
        """Configurations tried so far."""
        return len(self._trials)

    def enough_runs(self, first: Assessed) -> None:
        """Take as many seeds as the objectives' quantiles need, by the samples of a trial; at most MOST_RUNS."""
        for window, metric, _ in self.objectives:
            share = share_of(metric)
            times = first.trials[0].seen(window).times.get(quantity_of(metric)) if share is not None else None
            if share is not None and times is not None:
                needed = math.ceil(ENOUGH_BEYOND / (int(times.counts.sum()) * (1 - share)) - 1e-9)
                self.runs = min(max(self.runs, needed), MOST_RUNS)

    def holds(self, settings: Settings) -> bool:
        """Whether a configuration meets the objectives: by few trials where they are clear, else by all."""
        return self.holds_all([settings])

    def holds_all(self, configurations: Iterable[Settings]) -> bool:
        """Whether each of them does, tried at the same time."""
        wanted = list(dict.fromkeys(configurations))
        looked = self.look(wanted, min(FEW, self.runs))
        if any(not self._doubtful(each) and not each.holds for each in looked):
            return False
        doubtful = [each.settings for each in looked if self._doubtful(each)]
        return all(each.holds for each in self.look(doubtful, self.runs))

    def assess(self, settings: Settings) -> Assessed:
        """A thorough look at one."""
        return self.look([settings], self.runs)[0]

    def look(self, configurations: Sequence[Settings], runs: int) -> list[Assessed]:
        """Each of them, tried with so many seeds at least. SpecError where one cannot be."""
        first = self.subject.scenario.seed
        waiting: list[tuple[Settings, int, Future[Trial]]] = []
        for settings in configurations:
            known = self._trials.setdefault(settings, {})
            missing = [seed for seed in seeds_from(first, runs) if seed not in known]
            if missing:
                changed = self.subject.changed(dict(settings))
                changed.model()  # a mistake is told here, where it is not lost between processes
                for seed in missing:
                    waiting.append((settings, seed, self._workers.executor.submit(trial, changed.seeded(seed))))
        try:
            for settings, seed, future in waiting:
                self._trials[settings][seed] = future.result()
                self._progress(self.tried)
        except BaseException:
            for _, _, future in waiting:
                future.cancel()
            raise
        return [self._assessed(settings) for settings in configurations]

    def known(self) -> list[Assessed]:
        """Every configuration that was tried."""
        return [self._assessed(settings) for settings, trials in self._trials.items() if trials]

    def _doubtful(self, found: Assessed) -> bool:
        """Whether more seeds could change the answer."""
        if len(found.trials) >= self.runs:
            return False
        saturated = sum(1 for one in found.trials if any(seen.saturated for seen in one.windows))
        if 0 < saturated < len(found.trials):
            return True
        if saturated:
            return False
        missed = [held for held in found.held if not held.holds]
        if any(held.enough and held.margin < -NARROW for held in missed):
            return False
        return any(not held.enough or abs(held.margin) < NARROW for held in found.held)

    def _assessed(self, settings: Settings) -> Assessed:
        trials = tuple(one for _, one in sorted(self._trials[settings].items()))
        held = []
        for window, metric, bound in self.objectives:
            if metric in ("recovery_s",) or metric.endswith("_max"):
                every = [one.seen(window).figures.get(metric) for one in trials]
                worst = None if None in every else max(each for each in every if each is not None)
                held.append(Held(window, metric, bound, worst, None, True))
                continue
            interval, enough = pooled(trials, window, metric)
            value = interval.mean if interval is not None else None
            spread = interval if interval is not None and math.isfinite(interval.half_width) else None
            held.append(Held(window, metric, bound, value, spread, enough))
        reasons = [
            next(seen.saturated for seen in one.windows if seen.saturated)
            for one in trials
            if any(seen.saturated for seen in one.windows)
        ]
        saturated = reasons[0] if 2 * len(reasons) > len(trials) else None
        return Assessed(settings, trials, tuple(held), saturated)


def settings_of(values: Mapping[str, Any]) -> Settings:
    """In one order, whatever order they were named in."""
    return tuple(sorted(values.items()))
