"""What a run holds for one window, and the figures that are computed from it. Used by judge, compare and the report.

One definition of every metric, so that an objective, a forecast's error and a table can never mean different things:

latency_ms        of calls that succeeded, from the intended start (requests) or the call (hops) to the last byte
answer_ms         of every call, failed ones too
first_token_ms    of every call whose first token came
error_ratio       share of the calls that did not succeed, whatever the reason; timeout_ratio: that timed out
throughput_per_s  calls that succeeded, per second of the window

What is not computed from calls alone (goodput_per_s, retry_amplification, cost_per_1000, stale_read_ratio) is computed
in ``sim.answers``, and asked for with ``figure_of``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from windtunnel.sim.answers.amplification import amplification
from windtunnel.sim.answers.cost import cost
from windtunnel.sim.answers.counted import counted
from windtunnel.sim.answers.goodput import goodput_limit_ms
from windtunnel.sim.answers.membership import answered, belongs
from windtunnel.sim.answers.readings import Readings
from windtunnel.sim.answers.stale_reads import stale_read_ratio
from windtunnel.spec.architecture import CLIENT, SUCCESSES
from windtunnel.spec.run import Run
from windtunnel.spec.scenario import Window

ENOUGH_BEYOND = 20
"""So many samples have to lie beyond a quantile before it says something."""

_QUANTILE = re.compile(r"_p(\d+(?:_\d+)?)$")
"""The end of a metric that is a quantile: p99_9 is 99.9 %."""

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Calls:
    """What became of requests, or of the calls on one hop, that belong to one window. One element per call."""

    seconds: float
    """Length of the window."""
    request: NDArray[np.int64]
    at_s: Floats
    """Start after the run's zero; of a request the intended one."""
    answer_ms: Floats
    succeeded: Flags
    timed_out: Flags
    first_token_ms: Floats
    """NaN: no first token came."""

    def __len__(self) -> int:
        """How many calls."""
        return len(self.request)

    def where(self, chosen: Flags) -> Calls:
        """Only some of them, in a window of the same length."""
        return Calls(
            self.seconds,
            self.request[chosen],
            self.at_s[chosen],
            self.answer_ms[chosen],
            self.succeeded[chosen],
            self.timed_out[chosen],
            self.first_token_ms[chosen],
        )

    def values(self, quantity: str) -> Floats:
        """The milliseconds behind latency_ms, answer_ms or first_token_ms. KeyError for another quantity."""
        return {
            "latency_ms": self.answer_ms[self.succeeded],
            "answer_ms": self.answer_ms,
            "first_token_ms": self.first_token_ms[~np.isnan(self.first_token_ms)],
        }[quantity]


@dataclass(frozen=True)
class Figure:
    """A metric's value and what it rests on."""

    value: float | None
    """None: there is nothing to compute it from."""
    n: int
    """Calls that it was computed from."""
    beyond: int | None = None
    """Of a quantile: how many of them lie beyond it."""

    @property
    def enough(self) -> bool:
        """Whether enough samples lie beyond the quantile; any other metric only has to have a value."""
        return self.value is not None and (self.beyond is None or self.beyond >= ENOUGH_BEYOND)


def requests(run: Run, window: Window) -> Calls:
    """The requests that a window is about (see ``sim.answers.membership``)."""
    table = run.samples
    intended_s = table["intended_s"].to_numpy()
    outcome = table["outcome"]

    def since_ms(column: str) -> Floats:
        """Rounded to a nanosecond, far above what the subtraction leaves: 100 ms must not exceed a bound of 100."""
        elapsed: Floats = np.round((table[column].to_numpy() - intended_s) * 1000, 6)
        return elapsed

    calls = Calls(
        seconds=window.end_s - window.start_s,
        request=table["request"].to_numpy(),
        at_s=intended_s,
        answer_ms=since_ms("done_s"),
        succeeded=_one_of(outcome, SUCCESSES),
        timed_out=_one_of(outcome, {"timeout"}),
        first_token_ms=since_ms("first_token_s"),
    )
    return calls.where(belongs(run, window))


def hops(run: Run, window: Window) -> dict[str, Calls]:
    """By hop (``app->db``), as their callers saw them: the calls that were made for a window's requests.

    In the order of the architecture's links; hops that it does not draw come last. The client's own call is no hop:
    it is the request, which ``requests`` sees from the intended start.
    """
    inside = np.isin(run.spans["request"].to_numpy(), requests(run, window).request)
    table = run.spans.filter(inside & _one_of(run.spans["kind"], {"client"}) & ~_one_of(run.spans["caller"], {CLIENT}))
    hop = pc.binary_join_element_wise(table["caller"], table["callee"], "->").to_numpy()
    calls = Calls(
        seconds=window.end_s - window.start_s,
        request=table["request"].to_numpy(),
        at_s=table["start_s"].to_numpy(),
        answer_ms=table["duration_ms"].to_numpy(),
        succeeded=_one_of(table["outcome"], SUCCESSES),
        timed_out=_one_of(table["outcome"], {"timeout"}),
        first_token_ms=table["first_token_ms"].to_numpy(),
    )
    drawn = [link.name for link in run.record.architecture.links]
    order = sorted(set(hop), key=lambda name: (drawn.index(name) if name in drawn else len(drawn), name))
    return {str(name): calls.where(hop == name) for name in order}


def figure_of(run: Run, window: Window, metric: str, calls: Calls | None = None) -> Figure:
    """Any metric of spec.objective.Metric but losses and recovery; ``calls``: the window's requests, where known."""
    calls = requests(run, window) if calls is None else calls
    match metric:
        case "goodput_per_s":
            limit_ms = goodput_limit_ms(run.record.scenario, window.name)
            return Figure(float((calls.succeeded & (calls.answer_ms <= limit_ms)).sum()) / calls.seconds, len(calls))
        case "retry_amplification":
            return Figure(max(amplification(run, calls.request).values(), default=None), len(calls))
        case "cost_per_1000":
            found = cost(run.record, window, answered(run, belongs(run, window)), Readings(run.series))
            return Figure(found.per_1000 if found else None, int(calls.succeeded.sum()))
        case "stale_read_ratio":
            return Figure(*stale_read_ratio(run, window))
        case _:
            return figure(metric, calls)


def figure_of_counts(run: Run, window: Window, metric: str) -> Figure | None:
    """The same of a run that holds sketches; None: they do not tell."""
    found = counted(run, window)
    seconds = window.end_s - window.start_s
    if metric == "throughput_per_s":
        return Figure(found.ends["ok"] / seconds, found.requests)
    if metric in ("error_ratio", "timeout_ratio"):
        bad = found.ends["timeout"] if metric == "timeout_ratio" else found.requests - found.ends["ok"]
        return Figure(bad / found.requests if found.requests else None, found.requests)
    if metric == "goodput_per_s":
        latency, limit_ms = found.sketches["latency"], goodput_limit_ms(run.record.scenario, window.name)
        quick = latency.total * (1 - latency.share_above(limit_ms)) if latency.total else 0.0
        return Figure(quick / seconds, found.requests)
    if metric == "retry_amplification":
        return Figure(max(found.amplification.values(), default=None), found.requests)
    if metric == "cost_per_1000":
        spent = cost(run.record, window, found.answered, Readings(run.series))
        return Figure(spent.per_1000, found.ends["ok"]) if spent else None
    kind = quantity(metric) if is_quantile(metric) else metric.rpartition("_")[0]
    sketch = found.sketches.get(kind.removesuffix("_ms"))
    if sketch is None or not kind.endswith("_ms"):
        return None
    if not sketch.total:
        return Figure(None, 0)
    if is_quantile(metric):
        share = quantile_share(metric)
        beyond = sketch.total - math.ceil(sketch.total * share)
        return Figure(sketch.quantile(float(share)), sketch.total, beyond)
    return Figure(sketch.max_ms if metric.endswith("_max") else sketch.mean(), sketch.total)


def figure(metric: str, calls: Calls) -> Figure:
    """One metric of spec.objective.Metric that is computed from calls alone. KeyError for another one."""
    if metric == "throughput_per_s":
        return Figure(float(calls.succeeded.sum()) / calls.seconds, len(calls))
    if metric in ("error_ratio", "timeout_ratio"):
        counted = calls.timed_out if metric == "timeout_ratio" else ~calls.succeeded
        return Figure(float(counted.mean()) if len(calls) else None, len(calls))
    if is_quantile(metric):
        values = calls.values(quantity(metric))
        return _quantile(values, quantile_share(metric)) if len(values) else Figure(None, 0)
    kind, _, statistic = metric.rpartition("_")
    values = calls.values(kind)
    if not len(values):
        return Figure(None, 0)
    return Figure(float(values.max() if statistic == "max" else values.mean()), len(values))


def is_quantile(metric: str) -> bool:
    """Whether a metric is a quantile, and needs samples beyond it."""
    return _QUANTILE.search(metric) is not None


def quantity(metric: str) -> str:
    """``latency_ms`` of ``latency_ms_p99_9``: what a quantile is one of."""
    return _QUANTILE.sub("", metric)


def quantile_share(metric: str) -> Fraction:
    """999/1000 of ``latency_ms_p99_9``. KeyError for a metric that is no quantile."""
    found = _QUANTILE.search(metric)
    if found is None:
        raise KeyError(metric)
    return Fraction(found[1].replace("_", ".")) / 100


def samples_needed(share: Fraction) -> int:
    """The fewest samples of which ENOUGH_BEYOND lie beyond a quantile: 40 for the median, 200 for p90."""
    return math.ceil(ENOUGH_BEYOND / (1 - share))


def _quantile(values: Floats, share: Fraction) -> Figure:
    """Nearest rank: the smallest value that at least this share of the samples does not exceed (a seen one)."""
    n = len(values)
    rank = math.ceil(n * share)
    return Figure(float(np.partition(values, rank - 1)[rank - 1]), n, n - rank)


def _one_of(column: pa.ChunkedArray, words: frozenset[str] | set[str]) -> Flags:
    flags: Flags = pc.is_in(column, pa.array(sorted(words))).to_numpy()
    return flags
