"""The answer of a forecast: how long, how many, how sure, at what cost, and what gives way. Used by ``simulate``,
sizing, sweeps and notebooks.

    answer(run)                  of one run: intervals from its sections
    pooled([answer(run), ...])   of runs with seeds of their own: intervals from the runs

A window that does not keep up with its load is answered "saturated": it has no mean and no quantiles, since each would
be another one if the run were longer.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow.compute as pc

from windtunnel.sim.answers.alerts import Alerted, alerts
from windtunnel.sim.answers.amplification import amplification
from windtunnel.sim.answers.bottleneck import Bottleneck, bottleneck
from windtunnel.sim.answers.cost import Cost, cost
from windtunnel.sim.answers.counted import counted, is_counted
from windtunnel.sim.answers.goodput import goodput_limit_ms
from windtunnel.sim.answers.interval import Interval
from windtunnel.sim.answers.keeping_up import Excess, excess
from windtunnel.sim.answers.latencies import Kept, Latencies, Sketched, mean_of_runs, merged, quantile_of_runs
from windtunnel.sim.answers.membership import answered, belongs, failures
from windtunnel.sim.answers.readings import Readings
from windtunnel.sim.answers.recovery import Recovered, recovered, recovered_slices
from windtunnel.sim.answers.uses import Use, uses
from windtunnel.spec.run import Run
from windtunnel.spec.scenario import Window

SHARES = (0.5, 0.9, 0.95, 0.99, 0.999)
"""The quantiles of every answer."""


@dataclass(frozen=True)
class Quantile:
    """The time that a share of the successes did not exceed."""

    share: float
    interval: Interval | None
    """In ms; None: too few successes lie beyond it, or the window is saturated."""


@dataclass(frozen=True)
class WindowAnswer:
    """What is to be said of one judged window."""

    window: Window
    requests: float
    """That belong to it; of several runs on average, like all counts and rates here."""
    errors: dict[str, float]
    """Requests that failed, by outcome, the most frequent first."""
    saturated: str | None
    """Why there is no mean to speak of, in words; None: it keeps up with its load."""
    mean_ms: Interval | None
    """Of the successes; None as with quantiles."""
    quantiles: tuple[Quantile, ...]
    throughput_per_s: float
    """Successes due in the window, per second of it."""
    goodput_per_s: float
    """Of them those that were quick enough."""
    goodput_limit_ms: float
    """How quick that is; infinite where no objective says it."""
    uses: tuple[Use, ...]
    bottleneck: Bottleneck | None
    amplification: dict[str, float]
    """Exchanges per call, by link; empty where no spans were observed."""
    cost: Cost | None
    doubts: tuple[str, ...]
    """Why the intervals may be too narrow, or the window too short."""
    latencies: Latencies = field(repr=False, compare=False)
    """Of the successes."""

    @property
    def error_ratio(self) -> float | None:
        """Share of the requests that failed; None without requests."""
        return sum(self.errors.values()) / self.requests if self.requests else None


@dataclass(frozen=True)
class Answer:
    """Of a forecast, or of several that differ in their seeds alone."""

    windows: tuple[WindowAnswer, ...]
    """All but the warm-up."""
    recovered: Recovered | None
    """After the last fault; None without faults, or where nobody asked afterwards. Of several runs the slowest."""
    alerts: tuple[Alerted, ...]
    """Of several runs those of the first."""
    runs: int = 1

    @property
    def saturated(self) -> bool:
        """Whether any window is."""
        return any(window.saturated is not None for window in self.windows)


def answer(run: Run) -> Answer:
    """What a forecast says, from its samples, spans and series."""
    readings = Readings(run.series)
    judged = [window for window in run.record.scenario.windows.spans() if window.name != "warm_up"]
    windows = tuple(_window(run, window, readings) for window in judged)
    return Answer(windows, _recovered(run), alerts(run, readings))


def pooled(answers: Sequence[Answer]) -> Answer:
    """One answer of several runs of the same scenario, independent of each other. ValueError without any.

    A window is saturated where it is so in at least half of the runs.
    """
    if not answers:
        raise ValueError("found no answers, expected at least one")
    if len(answers) == 1:
        return answers[0]
    windows = tuple(_pooled(same) for same in zip(*(each.windows for each in answers), strict=True))
    recoveries = [each.recovered for each in answers if each.recovered is not None]
    slowest = max(recoveries, key=lambda each: math.inf if each.seconds is None else each.seconds, default=None)
    return Answer(windows, slowest, answers[0].alerts, sum(each.runs for each in answers))


def _window(run: Run, window: Window, readings: Readings) -> WindowAnswer:
    seen = _counted(run, window) if is_counted(run) else _kept(run, window)
    seconds = window.end_s - window.start_s
    limit_ms = goodput_limit_ms(run.record.scenario, window.name)
    used = uses(run.record, readings, window)
    times = seen.latencies
    narrow = bottleneck(used, run.record.architecture, times.mean_ms() if len(times) else math.nan)
    pressed = excess(run, window, seen.requests, seen.errors, narrow.use if narrow else None, readings)
    mean_ms, doubts = (None, ()) if pressed.why else times.mean()
    return WindowAnswer(
        window=window,
        requests=seen.requests,
        errors=seen.errors,
        saturated=pressed.why,
        mean_ms=mean_ms,
        quantiles=tuple(Quantile(share, None if pressed.why else times.quantile(share)) for share in SHARES),
        throughput_per_s=len(times) / seconds,
        goodput_per_s=times.within(limit_ms) / seconds,
        goodput_limit_ms=limit_ms,
        uses=used,
        bottleneck=narrow,
        amplification=seen.amplification,
        cost=cost(run.record, window, seen.answered, readings),
        doubts=(*doubts, *([pressed.doubt] if pressed.doubt and mean_ms else [])),
        latencies=times,
    )


@dataclass(frozen=True)
class _Seen:
    """What became of the requests that a window is about."""

    requests: float
    errors: dict[str, float]
    answered: dict[str, int]
    """Successes by flow."""
    latencies: Latencies
    amplification: dict[str, float]


def _kept(run: Run, window: Window) -> _Seen:
    inside = belongs(run, window)
    ok = pc.equal(run.samples["outcome"], "ok").to_numpy()
    intended_s, done_s = run.samples["intended_s"].to_numpy(), run.samples["done_s"].to_numpy()
    chosen = np.flatnonzero(inside & ok)
    chosen = chosen[np.argsort(intended_s[chosen], kind="stable")]
    requests = run.samples["request"].to_numpy()[inside]
    return _Seen(
        float(inside.sum()),
        failures(run, inside),
        answered(run, inside),
        Kept((done_s[chosen] - intended_s[chosen]) * 1000),
        amplification(run, requests) if "spans" in run.record.observes else {},
    )


def _counted(run: Run, window: Window) -> _Seen:
    found = counted(run, window)
    errors = {outcome: float(count) for outcome, count in found.failures.items()}
    times = Sketched(found.sketches["latency"], found.sections)
    return _Seen(float(found.requests), errors, found.answered, times, found.amplification)


def _recovered(run: Run) -> Recovered | None:
    scenario = run.record.scenario
    windows = [window for fault in scenario.faults if (window := scenario.windows.named(fault.at)) is not None]
    if not windows:
        return None
    healed_at_s, until_s = max(window.end_s for window in windows), scenario.windows.total_s
    if is_counted(run):
        begins_s = run.slices["begin_s"].to_numpy()
        calm = run.slices.filter(begins_s < min(window.start_s for window in windows))
        due, quick = (calm[name].to_numpy().sum() for name in ("requests", "good"))
        tolerated = float(1 - quick / due) if due else 0.0
        return recovered_slices(run.slices, healed_at_s=healed_at_s, until_s=until_s, tolerated=tolerated)
    begun_s, done_s = run.samples["intended_s"].to_numpy(), run.samples["done_s"].to_numpy()
    limit_ms = goodput_limit_ms(scenario, "after")
    ok = pc.equal(run.samples["outcome"], "ok").to_numpy()
    good = ok & (np.round((done_s - begun_s) * 1000, 6) <= limit_ms)
    before = begun_s < min(window.start_s for window in windows)
    tolerated = float(1 - good[before].mean()) if before.any() else 0.0
    return recovered(begun_s, good, healed_at_s=healed_at_s, until_s=until_s, tolerated=tolerated)


def _pooled(same: Sequence[WindowAnswer]) -> WindowAnswer:
    """One window of several runs."""
    pressed = [each.saturated for each in same if each.saturated is not None]
    saturated = f"in {len(pressed)} of {len(same)} runs; {pressed[0]}" if 2 * len(pressed) >= len(same) else None
    doubts = dict.fromkeys(doubt for each in same for doubt in each.doubts if doubt.startswith(Excess.UNDECIDED))
    if pressed and not saturated:
        doubts[f"{len(pressed)} of {len(same)} runs are saturated: {pressed[0]}"] = None
    runs = [each.latencies for each in same]
    first = same[0]
    used = _mean_uses([each.uses for each in same])
    outcomes = Counter[str]()
    for each in same:
        outcomes.update(each.errors)
    links = {link: np.mean([each.amplification.get(link, 1.0) for each in same]) for link in first.amplification}
    return replace(
        first,
        requests=float(np.mean([each.requests for each in same])),
        errors={outcome: count / len(same) for outcome, count in outcomes.most_common()},
        saturated=saturated,
        mean_ms=None if saturated else mean_of_runs(runs),
        quantiles=tuple(Quantile(share, None if saturated else quantile_of_runs(runs, share)) for share in SHARES),
        throughput_per_s=float(np.mean([each.throughput_per_s for each in same])),
        goodput_per_s=float(np.mean([each.goodput_per_s for each in same])),
        uses=used,
        bottleneck=_usual([each.bottleneck for each in same if each.bottleneck is not None], used),
        amplification={link: float(value) for link, value in links.items()},
        cost=_mean_cost([each.cost for each in same if each.cost is not None]),
        doubts=tuple(doubts),
        latencies=merged(runs),
    )


def _mean_uses(runs: Sequence[tuple[Use, ...]]) -> tuple[Use, ...]:
    """The same things of several runs, on average; what was not used in the first run is left out."""
    by_thing = [{(use.name, use.kind): use for use in run} for run in runs]
    found = []
    for use in runs[0]:
        same = [run[key] for run in by_thing if (key := (use.name, use.kind)) in run]
        queues = [each.queue for each in same if each.queue is not None]
        waits = [each.wait_ms for each in same if each.wait_ms is not None]
        found.append(
            replace(
                use,
                busy=float(np.mean([each.busy for each in same])),
                capacity=float(np.mean([each.capacity for each in same])),
                queue=float(np.mean(queues)) if queues else None,
                wait_ms=float(np.mean(waits)) if waits else None,
            )
        )
    return tuple(found)


def _mean_cost(costs: Sequence[Cost]) -> Cost | None:
    if not costs:
        return None
    parts = ("replicas", "input_tokens", "output_tokens", "traffic", "successes")
    means = {part: float(np.mean([getattr(each, part) for each in costs])) for part in parts}
    return replace(costs[0], **means)  # type: ignore[arg-type]


def _usual(found: Sequence[Bottleneck], used: Sequence[Use]) -> Bottleneck | None:
    """What most of the runs name, with its use in all of them."""
    if not found:
        return None
    (name, kind), _ = Counter((each.use.name, each.use.kind) for each in found).most_common(1)[0]
    one = next(each for each in found if (each.use.name, each.use.kind) == (name, kind))
    return replace(one, use=next((use for use in used if (use.name, use.kind) == (name, kind)), one.use))
