"""A run of any length in the same memory: what is counted instead of kept. Used by strands and execute.

Subjects of a window: 0 failures, 1 first tokens, then the successes of each flow, then the successful exchanges of each
hop. Each has a tally, and a sketch, except for the only flow of a run: the successes of a window are also counted in
sections of equal length, whose quantiles tell how sure the whole's are, and which together are its sketch. Slices of
the whole run tell its course over time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from windtunnel.sim.answers import sketch
from windtunnel.sim.compiled.jit import hot, jit
from windtunnel.sim.compiled.records import MISS, OK, OUTCOMES
from windtunnel.sim.compiled.world import World
from windtunnel.sim.model import Model, Outcome
from windtunnel.spec.run import SKETCHES, SUBJECTS
from windtunnel.spec.run import SLICES as SLICE_COLUMNS

SECTIONS = 20
SLICES = 1000
FAILURES, FIRST_TOKENS, FLOWS = 0, 1, 2

bucket = hot(sketch.bucket)


@hot
def enter(w: World, f):
    """Where a request that begins now is counted."""
    g = w.g[0]
    if g.now >= g.mark_at:
        _mark(w)
    x = w.frames[f]
    x.window = g.window
    x.section = g.section
    x.slice = g.slice


@jit
def _mark(w: World):
    """Time has come to another window, section or slice; ``mark_at`` is where the next one begins."""
    g = w.g[0]
    while g.window < g.windows - 1 and g.now >= w.numbers[g.window_starts + g.window + 1]:
        g.window += 1
    begin, end = w.numbers[g.window_starts + g.window], w.numbers[g.window_starts + g.window + 1]
    g.section = min(max(int((g.now - begin) / (end - begin) * SECTIONS), 0), SECTIONS - 1)
    g.slice = min(int(g.now / g.duration * SLICES), SLICES - 1)
    next_section = begin + (end - begin) * (g.section + 1) / SECTIONS
    g.mark_at = min(next_section, g.duration * (g.slice + 1) / SLICES)


@jit
def _claimed(w: World, began_in):
    """The window of a request that was due in ``began_in`` and has not ended with it: the last one that has begun
    meanwhile and claims what is in flight, as a fault's does."""
    g = w.g[0]
    found = began_in
    for later in range(began_in + 1, g.windows):
        if w.numbers[g.window_claims + later] > 0 and w.numbers[g.window_starts + later] < g.now:
            found = later
    return found


@hot
def _window(w: World, began_in):
    if w.g[0].now <= w.g[0].first_claim:
        return began_in
    return _claimed(w, began_in)


@hot
def _add(w: World, row, place, ms):
    w.counts[row * w.g[0].buckets + place] += 1
    _time(w, row, ms)


@hot
def _time(w: World, row, ms):
    t = w.tallies[row]
    t.total += ms
    if ms < t.low:
        t.low = ms
    if ms > t.high:
        t.high = ms


@jit
def request(w: World, f, outcome):
    """A request is over."""
    g = w.g[0]
    x = w.frames[f]
    ms = (g.now - x.intended) * 1000
    window = _window(w, x.window)
    first = window * g.subjects
    row = first + FLOWS + x.flow
    place = bucket(ms)
    w.ends[row * OUTCOMES + outcome] += 1
    s = w.slices[x.slice]
    s.n += 1
    if x.c_heard >= 0:
        heard_ms = (x.c_heard - x.intended) * 1000
        w.ends[(first + FIRST_TOKENS) * OUTCOMES + outcome] += 1
        _add(w, first + FIRST_TOKENS, bucket(heard_ms), heard_ms)
    if outcome != OK:
        _add(w, first + FAILURES, place, ms)
        return
    s.ok += 1
    if ms <= g.good_ms:
        s.good += 1
    if g.flows > 1:
        _add(w, row, place, ms)
    else:
        _time(w, row, ms)
    section = x.section if window == x.window else 0
    w.sections[(window * SECTIONS + section) * g.buckets + place] += 1


@hot
def call(w: World, f):
    """An exchange is over. It belongs to the window of its request, as that is by now."""
    g = w.g[0]
    x = w.frames[f]
    row = _window(w, x.window) * g.subjects + FLOWS + g.flows + x.hop
    w.ends[row * OUTCOMES + x.outcome] += 1
    t = w.tallies[row]
    if x.attempt == 0:
        t.firsts += 1
    if x.outcome <= MISS:
        ms = (g.now - x.began) * 1000
        _add(w, row, bucket(ms), ms)
    if x.wait > 0:
        t.waits += x.wait * 1000
    if x.admitted > x.arrived >= 0:
        t.waits += (x.admitted - x.arrived) * 1000


def tables(found: Counted, model: Model, windows: Sequence[str]) -> tuple[pa.Table, pa.Table, pa.Table]:
    """SKETCHES, SUBJECTS and SLICES of spec.run. ``windows``: their names. Hops of one wire are one subject."""
    merged: dict[tuple[str, str], list[Summary]] = {}
    for (window, subject), summary in found.subjects.items():
        merged.setdefault((windows[window], _told(subject, model)), []).append(summary)
    buckets = [SKETCHES.empty_table()]
    subjects = []
    for (window_name, name), parts in merged.items():
        whole = sketch.Sketch.merged([part.sketch for part in parts])
        held, counts = whole.pairs()
        buckets.append(_rows(window_name, name, held, counts))
        ends: Counter[str] = Counter()
        for part in parts:
            ends.update(part.outcomes)
        subjects.append(
            {
                "window": window_name,
                "subject": name,
                "ok": ends["ok"] + ends["hit"] + ends["miss"],
                **{outcome: ends[outcome] for outcome in ("timeout", "error", "rejected", "open")},
                "sum_ms": whole.sum_ms,
                "low_ms": whole.min_ms,
                "high_ms": whole.max_ms,
                "wait_ms": sum(part.wait_ms for part in parts),
                "first": sum(part.firsts for part in parts),
            }
        )
    for window_name, sections in zip(windows, found.sections, strict=True):
        for n, section in enumerate(sections):
            held, counts = section.pairs()
            buckets.append(_rows(window_name, f"section:{n:02}", held, counts))
            ended = {"ok": section.total} | dict.fromkeys(("timeout", "error", "rejected", "open"), 0)
            times = {"sum_ms": section.sum_ms, "low_ms": section.min_ms, "high_ms": section.max_ms, "wait_ms": 0.0}
            times["first"] = 0
            subjects.append({"window": window_name, "subject": f"section:{n:02}"} | ended | times)
    begin_s = np.arange(SLICES) * (model.duration_s / SLICES)
    columns = [begin_s, *(found.slices[name] for name in ("n", "ok", "good"))]
    slices = pa.table([pa.array(column) for column in columns], SLICE_COLUMNS)
    return pa.concat_tables(buckets), pa.Table.from_pylist(subjects, SUBJECTS), slices


def _rows(window: str, subject: str, held: Any, counts: Any) -> pa.Table:
    n = len(held)
    return pa.table([pa.array([window] * n), pa.array([subject] * n), pa.array(held), pa.array(counts)], SKETCHES)


def _told(subject: str, model: Model) -> str:
    """As spec.run.SUBJECTS calls it."""
    kind, _, number = subject.partition(":")
    if kind == "hop":
        return f"hop:{model.wires[model.hops[int(number)].wire].name}"
    return {"successes": "latency", "answers": "answer", "first_tokens": "first_token"}.get(subject, subject)


FULL = 1 << 31
"""So many ends are counted in a World's narrow counters before they are taken over: no single one can overflow."""


class Totals:
    """Sketches of a run of any length."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._ends = 0
        self._sums: dict[str, Any] = {}

    def take_over(self, w: World) -> None:
        """What a world has counted, if that is much; it goes on from 0."""
        ends = int(w.ends.sum())
        if ends - self._ends < FULL:
            return
        self._ends = ends
        for name in ("counts", "sections"):
            narrow = getattr(w, name)
            self._sums[name] = self._sums.get(name, 0) + narrow.astype(np.int64)
            narrow[:] = 0

    def of(self, w: World, name: str) -> Any:
        """All that was counted: ``counts`` or ``sections``."""
        return self._sums.get(name, 0) + getattr(w, name).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Summary:
    """What a subject came to in a window."""

    sketch: sketch.Sketch
    outcomes: dict[str, int]
    """How many ended how, successes and failures."""
    wait_ms: float
    """In all, for places and connections."""
    firsts: int = 0
    """Of calls: how many exchanges were the first of their call; the others are retries and hedges."""


@dataclass(frozen=True, eq=False)
class Counted:
    """What was counted instead of kept, by window and subject."""

    windows: tuple[tuple[float, float], ...]
    subjects: dict[tuple[int, str], Summary]
    """(window, "successes" | "answers" | "first_tokens" | "flow:NAME" | "hop:N")."""
    sections: tuple[tuple[sketch.Sketch, ...], ...]
    """By window: of successes, in sections of equal length."""
    slices: Any
    """records.SLICE, of equal length over the run."""


def names(model: Model) -> list[str]:
    """Of subjects as they are counted, in their order."""
    return [
        "failures",
        "first_tokens",
        *(f"flow:{flow}" for flow in model.flows),
        *(f"hop:{n}" for n in range(len(model.hops))),
    ]


def counted(w: World, totals: Totals, model: Model, windows: tuple[tuple[float, float], ...]) -> Counted:
    """All that a run has counted so far."""
    own = names(model)
    counts = totals.of(w, "counts").reshape(len(windows), len(own), sketch.BUCKETS)
    tallies = w.tallies.reshape(len(windows), len(own))
    ends = w.ends.reshape(len(windows), len(own), OUTCOMES)
    sections = totals.of(w, "sections").reshape(len(windows), SECTIONS, sketch.BUCKETS)
    found: dict[tuple[int, str], Summary] = {}
    for n in range(len(windows)):
        mine = {name: _summary(counts[n, place], tallies[n, place], ends[n, place]) for place, name in enumerate(own)}
        flows = [mine[f"flow:{flow}"] for flow in model.flows]
        whole = sketch.Sketch.merged([flow.sketch for flow in flows])
        successes = sketch.Sketch(sections[n].sum(axis=0), whole.sum_ms, whole.min_ms, whole.max_ms)
        if len(flows) == 1:
            mine[f"flow:{model.flows[0]}"] = replace(flows[0], sketch=successes)
        failures = mine.pop("failures").sketch
        outcomes = sum((Counter(flow.outcomes) for flow in flows), Counter[str]())
        mine["successes"] = Summary(successes, {"ok": outcomes["ok"]} if outcomes["ok"] else {}, 0.0)
        mine["answers"] = Summary(successes.merge(failures), dict(outcomes), 0.0)
        found |= {(n, name): summary for name, summary in mine.items()}
    return Counted(
        windows,
        found,
        tuple(tuple(_bare(section) for section in window) for window in sections),
        np.array(w.slices),
    )


def _summary(counts: Any, tally: Any, ends: Any) -> Summary:
    return Summary(
        sketch.Sketch(counts, float(tally["total"]), float(tally["low"]), float(tally["high"])),
        {Outcome(n).name.lower(): int(ends[n]) for n in range(OUTCOMES) if ends[n]},
        float(tally["waits"]),
        int(tally["firsts"]),
    )


def _bare(counts: Any) -> sketch.Sketch:
    """A sketch of which only the counts are known: its sum is that of its buckets' middles."""
    there = np.flatnonzero(counts)
    if not len(there):
        return sketch.Sketch(counts, 0.0, float("inf"), float("-inf"))
    return sketch.Sketch(
        counts,
        float(counts[there] @ sketch.MIDDLES[there]),
        sketch.lower(int(there[0])),
        sketch.upper(int(there[-1])),
    )
