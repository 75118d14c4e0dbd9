"""When the scenario's alert rules would have fired: evaluated at every scrape, as a monitoring does.

Used by answers and reports, on forecasts and on measured runs alike.

At each scrape a rule looks at the interval behind it: answers that came in it (of the whole service, or of the calls to
one component), gauges as they were last read, counters by what they grew. Where there is nothing to look at, it is
quiet. As with Prometheus, a rule fires at the first scrape at which it has held for ``for_s``, and resolves at the
first at which it does not hold (https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from windtunnel.sim.answers.readings import Readings
from windtunnel.sim.answers.uses import MACHINE
from windtunnel.spec.alert import Alert
from windtunnel.spec.architecture import SUCCESSES
from windtunnel.spec.run import Run

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Firing:
    """One time that an alert went off."""

    fires_s: float
    """After the run's zero."""
    resolves_s: float | None
    """None: it fires at the run's end."""


@dataclass(frozen=True)
class Alerted:
    """What became of one rule."""

    name: str
    alert: Alert
    firings: tuple[Firing, ...]
    worst: float | None
    """The furthest that the metric went in the rule's direction; None: there was never anything to look at."""
    unobserved: str | None = None
    """What would have to be observed, in words. None: it was."""


def alerts(run: Run, readings: Readings) -> tuple[Alerted, ...]:
    """Every alert of the run's scenario, in its order."""
    scenario = run.record.scenario
    count = int(scenario.windows.total_s / scenario.scrape_s + 1e-9)
    looks = np.arange(1, count + 1, dtype=np.float64) * np.float64(scenario.scrape_s)
    return tuple(_alerted(name, alert, run, readings, looks) for name, alert in scenario.alerts.items())


def firings(at_s: Floats, holds: NDArray[np.bool_], for_s: float) -> tuple[Firing, ...]:
    """Of a rule that holds or not at each scrape."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], holds, [False]])))
    found = []
    for first, end in edges.reshape(-1, 2):
        late = np.flatnonzero(at_s[first:end] - at_s[first] >= for_s - 1e-9)
        if len(late):
            found.append(Firing(float(at_s[first + late[0]]), float(at_s[end]) if end < len(at_s) else None))
    return tuple(found)


def _alerted(name: str, alert: Alert, run: Run, readings: Readings, looks: Floats) -> Alerted:
    values = _values(alert, run, readings, looks)
    if isinstance(values, str):
        return Alerted(name, alert, (), None, values)
    seen = values[~np.isnan(values)]
    if alert.above is not None:
        holds, worst = values > alert.above, float(seen.max()) if len(seen) else None
    else:
        assert alert.below is not None, "an alert has one threshold"
        holds, worst = values < alert.below, float(seen.min()) if len(seen) else None
    return Alerted(name, alert, firings(looks, holds, alert.for_s), worst)


def _values(alert: Alert, run: Run, readings: Readings, looks: Floats) -> Floats | str:
    """The metric at each look, NaN where it has none; or what is not observed."""
    match alert.metric:
        case "queue" | "in_use" | "cpu_share":
            assert alert.of is not None, "an alert on a component's metric names it"
            found = readings.latest(alert.metric, alert.of, looks)
            if found is None and alert.metric == "cpu_share" and readings.has("cpu_share", MACHINE):
                return np.zeros(len(looks))  # it has never used any
            if found is None:
                return f"{alert.metric} of {alert.of}"
            if alert.metric == "cpu_share":
                found = found / run.record.deployment.hosts[run.record.deployment.host(alert.of)].cores
            return found
        case "tokens_per_s":
            return _tokens_per_s(alert, run, readings, looks)
        case _:
            return _of_answers(alert, run, looks)


def _tokens_per_s(alert: Alert, run: Run, readings: Readings, looks: Floats) -> Floats | str:
    components = [alert.of] if alert.of is not None else list(run.record.architecture.components)
    counted = [
        counter
        for name in ("tokens_in", "tokens_out")
        for component in components
        if (counter := readings.latest(name, component, looks)) is not None
    ]
    if not counted:
        return "tokens"
    rate_per_s: Floats = np.diff(np.nansum(counted, axis=0), prepend=0.0) / run.record.scenario.scrape_s
    return rate_per_s


def _of_answers(alert: Alert, run: Run, looks: Floats) -> Floats | str:
    """Rate, share of failures or a quantile of the answers that came in each interval."""
    needed = "samples" if alert.of is None else "spans"
    if needed not in run.record.observes:
        return needed
    end_s, answer_ms, outcome = _answers(run, alert.of)
    interval_s = run.record.scenario.scrape_s
    place = np.ceil(end_s / interval_s - 1e-9).astype(np.int64) - 1  # an answer at a look belongs to that look
    inside = (place >= 0) & (place < len(looks))
    place, answer_ms = place[inside], answer_ms[inside]
    count = np.bincount(place, minlength=len(looks))
    if alert.metric == "rate_per_s":
        return count / interval_s
    if alert.metric == "error_ratio":
        failed = ~pc.is_in(outcome, pa.array(sorted(SUCCESSES))).to_numpy()[inside]
        bad = np.bincount(place[failed], minlength=len(looks))
        share: Floats = np.divide(bad, count, out=np.full(len(looks), np.nan), where=count > 0)
        return share
    order = np.lexsort((answer_ms, place))
    first = np.concatenate([[0], np.cumsum(count)[:-1]])
    rank = np.ceil(count * _share(alert.metric) - 1e-9).astype(np.int64)
    found = np.full(len(looks), np.nan)
    some = count > 0
    found[some] = answer_ms[order][(first + rank - 1)[some]]
    return found


def _answers(run: Run, component: str | None) -> tuple[Floats, Floats, pa.ChunkedArray]:
    """End, duration in ms and outcome of the client's requests, or of everybody's calls to a component."""
    if component is None:
        done_s, begun_s = run.samples["done_s"].to_numpy(), run.samples["intended_s"].to_numpy()
        return done_s, (done_s - begun_s) * 1000, run.samples["outcome"]
    calls = run.spans.filter(pc.and_(pc.equal(run.spans["kind"], "client"), pc.equal(run.spans["callee"], component)))
    took_ms = calls["duration_ms"].to_numpy()
    return calls["start_s"].to_numpy() + took_ms / 1000, took_ms, calls["outcome"]


def _share(metric: str) -> float:
    """0.95 of ``latency_ms_p95``."""
    return int(metric.rpartition("_p")[2]) / 100
