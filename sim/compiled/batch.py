"""A batch whose members slow each other down, from change to change (see ../ENGINES.md, Batch). Used by strands."""

from __future__ import annotations

from windtunnel.sim.compiled.agenda import set_timer, take_back, then
from windtunnel.sim.compiled.jit import jit
from windtunnel.sim.compiled.records import BATCHED, DEPARTURE, NOBODY
from windtunnel.sim.compiled.world import World


@jit
def factor(w: World, i):
    """How many times longer everything takes than alone."""
    n = w.instances[i]
    return 1.0 + w.stations[n.station].slowdown * (n.b_members - 1)


@jit
def _advance(w: World, i):
    n = w.instances[i]
    if n.b_members > 0:
        n.b_virtual += (w.g[0].now - n.b_at) / factor(w, i)
    n.b_at = w.g[0].now


@jit
def _plan(w: World, i):
    n = w.instances[i]
    if n.b_first < 0:
        take_back(w, n.batch)
        return
    left = (w.frames[n.b_first].target - n.b_virtual) * factor(w, i)
    set_timer(w, n.batch, w.g[0].now + left, DEPARTURE | NOBODY)


@jit
def _insert(w: World, f, i):
    """By (target, joining)."""
    n = w.instances[i]
    x = w.frames[f]
    before = n.b_last
    while before >= 0:
        b = w.frames[before]
        if b.target < x.target or (b.target == x.target and b.order < x.order):
            break
        before = b.q_prev
    x.q_prev = before
    if before >= 0:
        x.q_next = w.frames[before].q_next
        w.frames[before].q_next = f
    else:
        x.q_next = n.b_first
        n.b_first = f
    if x.q_next >= 0:
        w.frames[x.q_next].q_prev = f
    else:
        n.b_last = f


@jit
def _take_out(w: World, f, i):
    n = w.instances[i]
    x = w.frames[f]
    if x.q_prev >= 0:
        w.frames[x.q_prev].q_next = x.q_next
    else:
        n.b_first = x.q_next
    if x.q_next >= 0:
        w.frames[x.q_next].q_prev = x.q_prev
    else:
        n.b_last = x.q_prev
    x.q_prev = -1
    x.q_next = -1


@jit
def join(w: World, f, i, work):
    """Become a member, with so much to do until the first token."""
    n = w.instances[i]
    x = w.frames[f]
    _advance(w, i)
    n.b_members += 1
    w.g[0].order += 1
    x.order = w.g[0].order
    x.target = n.b_virtual + work
    x.marks |= BATCHED
    _insert(w, f, i)
    _plan(w, i)


@jit
def further(w: World, f, i, work):
    """A member's next target, counted from its last one."""
    _advance(w, i)
    w.frames[f].target += work
    _insert(w, f, i)
    _plan(w, i)


@jit
def leave(w: World, f, i):
    """No longer a member; ``f`` may or may not be waiting for a target."""
    n = w.instances[i]
    x = w.frames[f]
    if not x.marks & BATCHED:
        return
    _advance(w, i)
    if x.q_prev >= 0 or x.q_next >= 0 or n.b_first == f:
        _take_out(w, f, i)
    x.marks &= ~BATCHED
    n.b_members -= 1
    _plan(w, i)


@jit
def reached(w: World, i):
    """The batch's timer has come."""
    n = w.instances[i]
    target = w.frames[n.b_first].target
    n.b_virtual = target
    n.b_at = w.g[0].now
    while n.b_first >= 0 and w.frames[n.b_first].target <= target:
        f = n.b_first
        _take_out(w, f, i)
        then(w, f, w.frames[f].phase)
    _plan(w, i)
