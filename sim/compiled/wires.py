"""What faults do to data on its way (see sim/faults and reference/exchange.py). Used by strands.

``passage`` is sim/faults/*.py once more, in numbers. Kinds and their numbers a, b, c:
latency (latency_ms, jitter_ms), bandwidth (kB/s), blackhole (close_after_ms, 0: never), reset (after_ms), outage,
slow_close, fragmentation (largest slice in bytes, delay_us), truncation (bytes).
"""

from __future__ import annotations

from windtunnel.sim.compiled.agenda import main_timer, set_timer
from windtunnel.sim.compiled.jit import jit
from windtunnel.sim.compiled.records import FAULT
from windtunnel.sim.compiled.sampling import FAULT as FAULT_DRAW
from windtunnel.sim.compiled.sampling import uniform
from windtunnel.sim.compiled.world import World

LATENCY, BANDWIDTH, BLACKHOLE, RESET, OUTAGE, SLOW_CLOSE, FRAGMENTATION, TRUNCATION, NOTHING = range(9)
UP, DOWN = 0, 1


@jit
def _backlog(pieces, spread_ms, piece_ms):
    gap_ms = spread_ms / (pieces - 1) if pieces > 1 else 0.0
    return max(piece_ms, pieces * piece_ms - (pieces - 1) * gap_ms)


@jit
def passage(window, base, place, stream, size, trips, pieces, spread_ms):
    """(first_ms, last_ms, lost, broken_off, cut_after_ms or -1, rearmed) of a leg under a fault."""
    ours = window.downstream == stream
    kind = window.kind
    if kind == LATENCY:
        if not ours:
            return 0.0, 0.0, False, False, -1.0, False
        low, width = window.a - window.b, 2 * window.b
        late_ms = 0.0
        for trip in range(trips):
            lane = window.index << 16 | trip << 1 | (1 if stream == UP else 0)
            late_ms += max(0.0, low + width * uniform(base, place | FAULT_DRAW | lane))
        return late_ms, late_ms, False, False, -1.0, False
    if kind == BANDWIDTH and ours:
        piece_ms = size / pieces / window.a
        return piece_ms, _backlog(pieces, spread_ms, piece_ms), False, False, -1.0, False
    if kind == BLACKHOLE:
        if ours:
            return 0.0, 0.0, True, False, spread_ms + window.a if window.a > 0 else -1.0, True
        if stream == UP and window.a > 0:
            return 0.0, 0.0, False, False, window.a, True
    if kind == RESET and ours:
        return 0.0, 0.0, True, False, window.a, False
    if kind == OUTAGE:
        return 0.0, 0.0, True, False, 0.0, False
    if kind == FRAGMENTATION and ours:
        pause_ms = window.b / 1000
        slice_bytes = size / pieces
        slices = 1
        while slice_bytes > window.a:
            slice_bytes, slices = slice_bytes / 2, slices * 2
        piece_ms = slices * pause_ms
        return piece_ms - pause_ms, _backlog(pieces, spread_ms, piece_ms) - pause_ms, False, False, -1.0, False
    if kind == TRUNCATION and ours and window.a < size:
        return 0.0, 0.0, window.a < size / pieces, True, spread_ms * window.a / size, False
    return 0.0, 0.0, False, False, -1.0, False


@jit
def cut(w: World, f, n, due, rearm):
    """The exchange ends with an error then; the earliest cut of a fault stands, unless data arms it again."""
    g = w.g[0]
    x = w.frames[f]
    node = x.cut
    while node >= 0 and w.cuts[node].window != n:
        node = w.cuts[node].next
    if node < 0:
        node = g.cuts_free
        g.cuts_free = w.cuts[node].next
        w.cuts[node].window = n
        w.cuts[node].next = x.cut
        w.cuts[node].due = due
        x.cut = node
    elif rearm or due < w.cuts[node].due:
        w.cuts[node].due = due
    first = w.cuts[x.cut].due
    node = x.cut
    while node >= 0:
        first = min(first, w.cuts[node].due)
        node = w.cuts[node].next
    set_timer(w, main_timer(w, f) + 2, first, FAULT | x.rkey)


@jit
def hits(w: World, n, f):
    """Whether an exchange suffers from a window."""
    window = w.windows[n]
    x = w.frames[f]
    return (
        window.wire == x.wire
        and (window.caller < 0 or window.caller == x.caller_rep)
        and (window.callee < 0 or window.callee == x.callee)
    )


@jit
def answer(w: World, f, spread_s):
    """(bytes, pieces, spread_ms) of the part of the answer that leaves within that time."""
    x = w.frames[f]
    h = w.hops[x.hop]
    whole = 0.0 if x.left < 0 else x.spread
    share = min(1.0, spread_s / whole) if whole > 0 else 1.0
    pieces = max(1, round(share * max(1, x.tokens))) if h.streams else 1
    size = max(1, round(h.response_bytes * share))
    return size, pieces, spread_s * 1000 if pieces > 1 else 0.0


@jit
def passes(w: World, f, stream, size, pieces, spread_ms, from_s, only):
    """(first_ms, last_ms, lost, broken_off) of a leg under all faults that are active; cuts are set."""
    x = w.frames[f]
    h = w.hops[x.hop]
    place = h.place | x.attempt << 32
    first_ms, last_ms, lost, broken = 0.0, 0.0, False, False
    for n in range(w.g[0].happenings // 2):
        window = w.windows[n]
        if not window.active or (only >= 0 and n != only) or not hits(w, n, f):
            continue
        since = max(from_s, window.begin)
        bytes_, pieces_, spread_ = size, pieces, spread_ms
        if since != from_s:
            bytes_, pieces_, spread_ = answer(w, f, w.g[0].now - since)
        one = passage(window, x.origin, place, stream, bytes_, h.round_trips, pieces_, spread_)
        if one[4] >= 0:
            cut(w, f, n, since + one[4] / 1000, one[5])
        first_ms += one[0]
        last_ms += one[1]
        lost = lost or one[2]
        broken = broken or one[3]
    return first_ms, last_ms, lost, broken


@jit
def lingers_until(w: World, f):
    """When a database's connection that was given up is known to be broken: at the end of a black hole; else now."""
    until = w.g[0].now
    for n in range(w.g[0].happenings // 2):
        window = w.windows[n]
        if window.active and window.closes and hits(w, n, f):
            until = max(until, window.end)
    return until
