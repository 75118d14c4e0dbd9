"""One simulation for its figures alone: every metric of every window, what was busy, what it cost. Used by the bench
and by sweeps, in whatever process it runs.

The compiled engine runs it; calls are recorded only where an objective asks for what they alone tell. Metrics are those
of ``spec.objective``, defined as ``harness.measures`` and ``harness.judge`` define them; a test holds them equal.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from windtunnel.sim.answers.amplification import amplification
from windtunnel.sim.answers.bottleneck import bottleneck
from windtunnel.sim.answers.cost import cost
from windtunnel.sim.answers.goodput import goodput_limit_ms
from windtunnel.sim.answers.keeping_up import excess
from windtunnel.sim.answers.membership import answered, belongs, failures
from windtunnel.sim.answers.readings import Readings
from windtunnel.sim.answers.recovery import recovered
from windtunnel.sim.answers.sketch import Sketch
from windtunnel.sim.answers.stale_reads import stale_read_ratio
from windtunnel.sim.answers.uses import Use, uses
from windtunnel.sim.explore.subject import Subject
from windtunnel.spec.objective import Metric
from windtunnel.spec.run import SPANS, Run, RunRecord
from windtunnel.spec.scenario import Scenario, Window

UNOBSERVED = frozenset({"acknowledged_writes_lost"})
"""What no forecast can tell."""
OF_CALLS = frozenset({"retry_amplification", "stale_read_ratio"})
"""What only records of calls tell."""
METRICS: tuple[Metric, ...] = tuple(metric for metric in get_args(Metric) if metric not in UNOBSERVED)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Times:
    """A distribution, as small as it can travel between processes."""

    buckets: NDArray[np.int32]
    counts: NDArray[np.int64]
    sum_ms: float
    min_ms: float
    max_ms: float

    @classmethod
    def of(cls, values_ms: Floats) -> Times:
        """Of all these."""
        made = Sketch.of(values_ms)
        return cls(*made.pairs(), made.sum_ms, made.min_ms, made.max_ms)

    def sketch(self) -> Sketch:
        """As it was."""
        return Sketch.from_pairs(self.buckets, self.counts, sum_ms=self.sum_ms, min_ms=self.min_ms, max_ms=self.max_ms)


@dataclass(frozen=True)
class Seen:
    """One judged window."""

    window: Window
    requests: int
    figures: dict[str, float]
    """By metric; what there is nothing to compute from is not there."""
    times: dict[str, Times]
    """latency_ms, answer_ms and first_token_ms, where there are any."""
    uses: tuple[Use, ...]
    bottleneck: str
    """In words; "" where nothing is limited."""
    saturated: str | None
    """Why it does not keep up with its load, in words; None: it does."""
    cost_per_hour: float | None
    """None where the deployment has no prices."""


@dataclass(frozen=True)
class Trial:
    """What one run showed."""

    seed: int
    windows: tuple[Seen, ...]

    def seen(self, window: str) -> Seen:
        """A window by its name. KeyError for one that has no length."""
        for seen in self.windows:
            if seen.window.name == window:
                return seen
        raise KeyError(window)


def trial(subject: Subject) -> Trial:
    """Simulate once, with the scenario's seed. SpecError where the parts do not fit."""
    run = _run(subject)
    readings = Readings(run.series)
    judged = [window for window in subject.scenario.windows.spans() if window.name != "warm_up"]
    return Trial(subject.scenario.seed, tuple(_seen(run, window, readings) for window in judged))


def asked(scenario: Scenario) -> set[str]:
    """The metrics that a scenario's objectives name."""
    return {metric for objectives in scenario.objectives.values() for metric in objectives}


def _run(subject: Subject) -> Run:
    from windtunnel.sim.compiled import Compiled  # only where something runs: numba alone takes a second

    calls = bool(asked(subject.scenario) & OF_CALLS)
    engine = Compiled(subject.model(), spans=calls)
    engine.run()
    tables = engine.tables()
    record = RunRecord(
        id="trial",
        kind="forecast",
        scenario=subject.scenario,
        architecture=subject.architecture,
        deployment=subject.deployment,
        backend="compiled",
        created_at=None,
        version="",
        replay="",
        observes=("samples", "first_token", "series", *(("spans",) if calls else ())),
    )
    return Run(record, tables.samples, tables.spans if calls else SPANS.empty_table(), tables.writes, tables.series)


def _seen(run: Run, window: Window, readings: Readings) -> Seen:
    inside = belongs(run, window)
    outcome = run.samples["outcome"]
    ok = pc.equal(outcome, "ok").to_numpy()
    begun_s = run.samples["intended_s"].to_numpy()
    # to the nanosecond, as measures does: 100 ms must not exceed a bound of 100
    answer_ms = np.round((run.samples["done_s"].to_numpy() - begun_s) * 1000, 6)
    heard_ms = np.round((run.samples["first_token_s"].to_numpy() - begun_s) * 1000, 6)[inside]
    values = {
        "latency_ms": answer_ms[inside & ok],
        "answer_ms": answer_ms[inside],
        "first_token_ms": heard_ms[~np.isnan(heard_ms)],
    }
    requests, successes = int(inside.sum()), len(values["latency_ms"])
    seconds = window.end_s - window.start_s
    figures = {"throughput_per_s": successes / seconds}
    limit_ms = goodput_limit_ms(run.record.scenario, window.name)
    figures["goodput_per_s"] = float((values["latency_ms"] <= limit_ms).sum()) / seconds
    if requests:
        timed_out = pc.equal(outcome, "timeout").to_numpy()
        figures["error_ratio"] = 1 - successes / requests
        figures["timeout_ratio"] = float((inside & timed_out).sum()) / requests
    figures |= dict(_times(values))
    spent = cost(run.record, window, answered(run, inside), readings)
    if spent is not None and spent.per_1000 is not None:
        figures["cost_per_1000"] = spent.per_1000
    figures |= dict(_of_calls(run, window, inside))
    if (seconds_bad := _recovery(run, window, ok)) is not None:
        figures["recovery_s"] = seconds_bad
    used = uses(run.record, readings, window)
    mean_ms = figures.get("latency_ms_mean", math.nan)
    narrow = bottleneck(used, run.record.architecture, mean_ms)
    return Seen(
        window=window,
        requests=requests,
        figures=figures,
        times={name: Times.of(array) for name, array in values.items() if len(array)},
        uses=used,
        bottleneck=narrow.words if narrow else "",
        saturated=excess(run, window, requests, failures(run, inside), narrow.use if narrow else None, readings).why,
        cost_per_hour=spent.whole / seconds * 3600 if spent is not None else None,
    )


def share_of(metric: str) -> float | None:
    """0.999 of ``latency_ms_p99_9``; None of a metric that is no quantile."""
    _, _, percent = metric.rpartition("_p")
    digits = percent.replace("_", ".")
    return round(float(digits) / 100, 6) if percent.replace("_", "").isdigit() else None


def quantity_of(metric: str) -> str:
    """``latency_ms`` of ``latency_ms_p99_9``."""
    return metric.partition("_ms")[0] + "_ms"


def _times(values: dict[str, Floats]) -> Iterator[tuple[str, float]]:
    for metric in METRICS:
        array = values.get(quantity_of(metric)) if "_ms_" in metric else None
        if array is None or not len(array):
            continue
        share = share_of(metric)
        if share is not None:  # nearest rank, as measures does
            rank = max(1, math.ceil(len(array) * share * (1 - 1e-15)))
            yield metric, float(np.partition(array, rank - 1)[rank - 1])
        else:
            yield metric, float(array.max() if metric.endswith("_max") else array.mean())


def _of_calls(run: Run, window: Window, inside: NDArray[np.bool_]) -> Iterator[tuple[str, float]]:
    wanted = asked(run.record.scenario)
    if "retry_amplification" in wanted:
        links = amplification(run, run.samples["request"].to_numpy()[inside])
        if links:
            yield "retry_amplification", max(links.values())
    if "stale_read_ratio" in wanted:
        ratio, _ = stale_read_ratio(run, window)
        if ratio is not None:
            yield "stale_read_ratio", ratio


def _recovery(run: Run, window: Window, ok: NDArray[np.bool_]) -> float | None:
    """Seconds from the last heal until all succeed; infinite where that did not come, None where nobody asks."""
    scenario = run.record.scenario
    if window.name != "after" or not scenario.faults:
        return None
    healed_at_s = max(found.end_s for fault in scenario.faults if (found := scenario.windows.named(fault.at)))
    if healed_at_s >= window.end_s:
        return None
    begun_s = run.samples["intended_s"].to_numpy()
    found_again = recovered(begun_s, ok, healed_at_s=healed_at_s, until_s=window.end_s)
    if found_again is None:
        return None
    return math.inf if found_again.seconds is None else found_again.seconds
