"""What a run holds for one window, and the figures that are computed from it. Used by judge, compare and the report.

One definition of every metric, so that an objective, a forecast's error and a table can never mean different things:

latency_ms        of calls that succeeded, from the intended start (requests) or the call (hops) to the last byte
answer_ms         of every call, failed ones too
first_token_ms    of every call whose first token came
error_ratio       share of the calls that did not succeed, whatever the reason; timeout_ratio: that timed out
throughput_per_s  calls that succeeded, per second of the window
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from windtunnel.spec.architecture import CLIENT, SUCCESSES
from windtunnel.spec.run import Run
from windtunnel.spec.scenario import Window

ENOUGH_BEYOND = 20
"""So many samples have to lie beyond a quantile before it says something."""

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
    """The requests of a window: those whose intended start lies in it, however late they end.

    With one exception: a request that is still in flight when a fault begins belongs to the fault's window, since the
    fault may be what it fails of.
    """
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
    owned_s = intended_s.copy()
    for begins_s in {
        w.start_s for w in run.record.scenario.windows.spans() for f in run.record.scenario.faults if f.at == w.name
    }:
        owned_s[(intended_s < begins_s) & (table["done_s"].to_numpy() > begins_s)] = begins_s
    return calls.where((owned_s >= window.start_s) & (owned_s < window.end_s))


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


def figure(metric: str, calls: Calls) -> Figure:
    """One metric of spec.objective.Metric that is computed from calls alone. KeyError for another one."""
    if metric == "throughput_per_s":
        return Figure(float(calls.succeeded.sum()) / calls.seconds, len(calls))
    if metric in ("error_ratio", "timeout_ratio"):
        counted = calls.timed_out if metric == "timeout_ratio" else ~calls.succeeded
        return Figure(float(counted.mean()) if len(calls) else None, len(calls))
    quantity, _, statistic = metric.rpartition("_")
    values = calls.values(quantity)
    if not len(values):
        return Figure(None, 0)
    if statistic == "mean":
        return Figure(float(values.mean()), len(values))
    if statistic == "max":
        return Figure(float(values.max()), len(values))
    return _quantile(values, quantile_percent(metric))


def quantile_percent(metric: str) -> int:
    """95 for ``latency_ms_p95``. KeyError for a metric that is no quantile."""
    return {"p50": 50, "p90": 90, "p95": 95, "p99": 99}[metric.rpartition("_")[2]]


def is_quantile(metric: str) -> bool:
    """Whether a metric is a quantile, and needs samples beyond it."""
    return metric.endswith(("_p50", "_p90", "_p95", "_p99"))


def samples_needed(percent: int) -> int:
    """The fewest samples of which ENOUGH_BEYOND lie beyond a quantile: 40 for the median, 200 for p90."""
    return -(-ENOUGH_BEYOND * 100 // (100 - percent))


def _quantile(values: Floats, percent: int) -> Figure:
    """Nearest rank: the smallest value that at least ``percent`` % of the samples do not exceed (a seen one)."""
    n = len(values)
    rank = -(-n * percent // 100)
    return Figure(float(np.partition(values, rank - 1)[rank - 1]), n, n - rank)


def _one_of(column: object, words: frozenset[str] | set[str]) -> Flags:
    flags: Flags = np.isin(np.asarray(column, dtype=object), sorted(words))
    return flags
