"""A run of any length in the same memory: what is counted instead of kept. Used by strands and execute.

Subjects of a window: 0 successes, 1 all answers, 2 first tokens, then the successes of each flow, then the successful
exchanges of each hop. Each has a sketch and a tally. The successes of a window are also counted in sections of equal
length, whose quantiles tell how sure the whole's are, and in slices of the whole run, for its course over time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from windtunnel.sim.answers import sketch
from windtunnel.sim.compiled.jit import hot, jit
from windtunnel.sim.compiled.records import OK, OUTCOMES
from windtunnel.sim.compiled.world import World
from windtunnel.sim.model import Model, Outcome
from windtunnel.spec.run import SKETCHES, SUBJECTS

SECTIONS = 20
SLICES = 1000
SUCCESSES, ANSWERS, FIRST_TOKENS, FLOWS = 0, 1, 2, 3

bucket = hot(sketch.bucket)


@jit
def enter(w: World, f):
    """The window of a request that begins now."""
    g = w.g[0]
    while g.now >= g.window_end and g.window < g.windows - 1:
        g.window += 1
        g.window_end = w.numbers[g.window_starts + g.window + 1]
    w.frames[f].window = g.window


@hot
def _add(w: World, window, subject, outcome, ms):
    g = w.g[0]
    row = window * g.subjects + subject
    w.counts[row * g.buckets + bucket(ms)] += 1
    t = w.tallies[row]
    t.total += ms
    t.low = min(t.low, ms)
    t.high = max(t.high, ms)
    _ended(t, outcome)


@hot
def _ended(t, outcome):
    if outcome == 0:
        t.n0 += 1
    elif outcome == 1:
        t.n1 += 1
    elif outcome == 2:
        t.n2 += 1
    elif outcome == 3:
        t.n3 += 1
    elif outcome == 4:
        t.n4 += 1
    elif outcome == 5:
        t.n5 += 1
    else:
        t.n6 += 1


@jit
def request(w: World, f, outcome):
    """A request is over."""
    g = w.g[0]
    x = w.frames[f]
    ms = (g.now - x.intended) * 1000
    _add(w, x.window, ANSWERS, outcome, ms)
    s = w.slices[min(int(x.intended / g.slice), g.slices - 1)]
    s.n += 1
    if x.c_heard >= 0:
        _add(w, x.window, FIRST_TOKENS, outcome, (x.c_heard - x.intended) * 1000)
    if outcome != OK:
        _ended(w.tallies[x.window * g.subjects + FLOWS + x.flow], outcome)
        return
    s.ok += 1
    s.total += ms
    _add(w, x.window, SUCCESSES, outcome, ms)
    _add(w, x.window, FLOWS + x.flow, outcome, ms)
    begin = w.numbers[g.window_starts + x.window]
    end = w.numbers[g.window_starts + x.window + 1]
    section = min(int((x.intended - begin) / (end - begin) * SECTIONS), SECTIONS - 1)
    w.sections[(x.window * SECTIONS + section) * g.buckets + bucket(ms)] += 1


@jit
def call(w: World, f):
    """An exchange is over."""
    g = w.g[0]
    x = w.frames[f]
    subject = FLOWS + g.flows + x.hop
    if x.outcome <= 2:
        _add(w, x.window, subject, x.outcome, (g.now - x.began) * 1000)
    else:
        _ended(w.tallies[x.window * g.subjects + subject], x.outcome)
    t = w.tallies[x.window * g.subjects + subject]
    if x.wait > 0:
        t.waits += x.wait * 1000
    if x.admitted > x.arrived >= 0:
        t.waits += (x.admitted - x.arrived) * 1000


def tables(found: Counted, model: Model, windows: Sequence[str]) -> tuple[pa.Table, pa.Table]:
    """SKETCHES and SUBJECTS of spec.run. ``windows``: their names. Hops of one wire are one subject."""
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
            }
        )
    for window_name, sections in zip(windows, found.sections, strict=True):
        for n, section in enumerate(sections):
            held, counts = section.pairs()
            buckets.append(_rows(window_name, f"section:{n:02}", held, counts))
            ended = {"ok": section.total} | dict.fromkeys(("timeout", "error", "rejected", "open"), 0)
            times = {"sum_ms": section.sum_ms, "low_ms": section.min_ms, "high_ms": section.max_ms, "wait_ms": 0.0}
            subjects.append({"window": window_name, "subject": f"section:{n:02}"} | ended | times)
    return pa.concat_tables(buckets), pa.Table.from_pylist(subjects, SUBJECTS)


def _rows(window: str, subject: str, held: Any, counts: Any) -> pa.Table:
    n = len(held)
    return pa.table([pa.array([window] * n), pa.array([subject] * n), pa.array(held), pa.array(counts)], SKETCHES)


def _told(subject: str, model: Model) -> str:
    """As spec.run.SUBJECTS calls it."""
    kind, _, number = subject.partition(":")
    if kind == "hop":
        return f"hop:{model.wires[model.hops[int(number)].wire].name}"
    return {"successes": "latency", "answers": "answer", "first_tokens": "first_token"}.get(subject, subject)


@dataclass(frozen=True, eq=False)
class Summary:
    """What a subject came to in a window."""

    sketch: sketch.Sketch
    outcomes: dict[str, int]
    """How many ended how, successes and failures."""
    wait_ms: float
    """In all, for places and connections."""


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
    """Of subjects, in their order."""
    return [
        "successes",
        "answers",
        "first_tokens",
        *(f"flow:{flow}" for flow in model.flows),
        *(f"hop:{n}" for n in range(len(model.hops))),
    ]


def counted(w: World, model: Model, windows: tuple[tuple[float, float], ...]) -> Counted:
    """All that a run has counted so far."""
    subjects = names(model)
    counts = w.counts.reshape(len(windows), len(subjects), sketch.BUCKETS)
    tallies = w.tallies.reshape(len(windows), len(subjects))
    found = {}
    for window in range(len(windows)):
        for position, name in enumerate(subjects):
            row = tallies[window, position]
            by_outcome = {Outcome(n).name.lower(): int(row[f"n{n}"]) for n in range(OUTCOMES) if row[f"n{n}"]}
            found[window, name] = Summary(
                sketch.Sketch(
                    counts[window, position].copy(), float(row["total"]), float(row["low"]), float(row["high"])
                ),
                by_outcome,
                float(row["waits"]),
            )
    sections = w.sections.reshape(len(windows), SECTIONS, sketch.BUCKETS)
    return Counted(
        windows,
        found,
        tuple(tuple(_bare(section) for section in window) for window in sections),
        np.array(w.slices),
    )


def _bare(counts: Any) -> sketch.Sketch:
    """A sketch of which only the counts are known: its sum is that of its buckets' middles."""
    there = np.flatnonzero(counts)
    if not len(there):
        return sketch.Sketch(counts.copy(), 0.0, float("inf"), float("-inf"))
    middles = np.array(
        [(sketch.lower(int(b)) + min(sketch.upper(int(b)), 2 * sketch.lower(int(b)) + 1)) / 2 for b in there]
    )
    return sketch.Sketch(
        counts.copy(), float(counts[there] @ middles), sketch.lower(int(there[0])), sketch.upper(int(there[-1]))
    )
