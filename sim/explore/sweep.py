"""All combinations of some values, each simulated with some seeds: a row each. Used by the command line and notebooks.

Columns of a row: the axes' keys, ``seed``, and per judged window ``during.requests``, ``during.<metric>`` for every
metric of spec.objective that was seen, ``during.utilisation.<component, link or host>``, ``during.saturated``,
``during.bottleneck`` and, where the deployment has prices, ``during.cost_per_hour``.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any

from windtunnel.sim.explore.axis import Axis
from windtunnel.sim.explore.journal import KEY, Journal, Row
from windtunnel.sim.explore.subject import Subject, located
from windtunnel.sim.explore.trial import Trial, trial
from windtunnel.sim.explore.workers import Workers
from windtunnel.spec.problem import Problem, SpecError
from windtunnel.spec.seeds import seeds_from

MOST_TRIALS = 1_000_000
AHEAD = 3
"""Trials that wait for each worker: it never runs dry, and little is lost when it is stopped."""


@dataclass(frozen=True)
class Point:
    """One trial of a sweep."""

    key: str
    """A digest of everything that decides its row."""
    settings: dict[str, Any]
    subject: Subject


def points(subject: Subject, axes: Sequence[Axis], seeds: int, version: str) -> list[Point]:
    """Every combination with every seed, the last axis changing fastest, the seeds from the scenario's own on.

    SpecError, before anything runs, with the combination that cannot be.
    """
    keys = [axis.key for axis in axes]
    twice = next((key for key in keys if sum(located(key) == located(other) for other in keys) > 1), None)
    if twice is not None:
        raise SpecError([Problem("--set-axis", f"{twice} twice", "each key once")])
    count = math.prod(len(axis.values) for axis in axes) * seeds
    if count > MOST_TRIALS:
        raise SpecError([Problem("--set-axis", f"{count:,} trials", f"at most {MOST_TRIALS:,}")])
    first = subject.scenario.seed
    made = []
    for values in itertools.product(*(axis.values for axis in axes)):
        settings = dict(zip(keys, values, strict=True))
        changed = subject.changed(settings)
        changed.model()
        start = first if "seed" not in keys and "scenario.seed" not in keys else changed.scenario.seed
        for seed in seeds_from(start, seeds):
            seeded = changed.seeded(seed)
            made.append(Point(_digest(seeded, version), settings, seeded))
    return made


def sweep(
    wanted: Sequence[Point],
    workers: Workers,
    journal: Journal,
    progress: Callable[[int], object] = lambda _: None,
) -> list[Row]:
    """Their rows, in order. What the journal has is not simulated again; ``progress`` is told how many are there.

    The first trial runs alone: what it compiles, the others find.
    """
    missing = iter(
        [point for point in {point.key: point for point in wanted}.values() if point.key not in journal.rows]
    )
    keys = {point.key for point in wanted}
    done = len(keys & set(journal.rows))
    progress(done)
    running: dict[Future[Trial], Point] = {}
    ahead = 1
    try:
        while True:
            for point in itertools.islice(missing, ahead - len(running)):
                running[workers.executor.submit(trial, point.subject)] = point
            if not running:
                break
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in sorted(ended, key=lambda each: each.exception() is not None):  # what is done is kept first
                point = running.pop(future)
                journal.add(row(point, future.result()))
                done += 1
                progress(done)
            ahead = AHEAD * workers.width
    except BaseException:
        for future in running:
            future.cancel()
        raise
    rows = [{**point.settings, **journal.rows[point.key]} for point in wanted]
    journal.finish(rows)
    return rows


def row(point: Point, seen: Trial) -> Row:
    """A trial as a row, but for the axes, which its key knows."""
    return {"seed": point.subject.scenario.seed, **dict(_columns(seen)), KEY: point.key}


def _columns(seen: Trial) -> Iterator[tuple[str, Any]]:
    for each in seen.windows:
        name = each.window.name
        yield f"{name}.requests", each.requests
        yield from ((f"{name}.{metric}", value) for metric, value in each.figures.items() if math.isfinite(value))
        busy: dict[str, float] = {}
        for use in each.uses:
            busy[use.name] = max(busy.get(use.name, 0.0), use.utilisation)
        yield from ((f"{name}.utilisation.{what}", value) for what, value in busy.items())
        yield f"{name}.saturated", each.saturated is not None
        yield f"{name}.bottleneck", each.bottleneck
        if each.cost_per_hour is not None:
            yield f"{name}.cost_per_hour", each.cost_per_hour


def _digest(subject: Subject, version: str) -> str:
    parts = [subject.scenario, subject.architecture, subject.deployment]
    said = [part.model_dump(mode="json", by_alias=True) for part in (*parts, *filter(None, [subject.parameters]))]
    return hashlib.sha256(json.dumps([version, *said], sort_keys=True).encode()).hexdigest()[:24]
