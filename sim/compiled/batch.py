"""A batch whose members slow each other down, from change to change (see ../ENGINES.md, Batch). Used by strands."""

from __future__ import annotations

from windtunnel.sim.compiled import lists
from windtunnel.sim.compiled.agenda import set_timer, take_back, then
from windtunnel.sim.compiled.jit import jit
from windtunnel.sim.compiled.records import BATCHED, DEPARTURE, NOBODY
from windtunnel.sim.compiled.world import World


@jit
def factor(w: World, i):
    """How many times longer everything takes than alone."""
    slowdown = w.stations[w.instances[i].station].slowdown
    return 1.0 + slowdown * (w.batches[i].members - 1)


@jit
def _advance(w: World, i):
    n = w.batches[i]
    if n.members > 0:
        n.virtual += (w.g[0].now - n.at) / factor(w, i)
    n.at = w.g[0].now


@jit
def _plan(w: World, i):
    n = w.batches[i]
    if n.head < 0:
        take_back(w, w.instances[i].batch)
        return
    left = (w.frames[n.head].target - n.virtual) * factor(w, i)
    set_timer(w, w.instances[i].batch, w.g[0].now + left, DEPARTURE | NOBODY)


@jit
def _insert(w: World, f, i):
    """By (target, joining)."""
    n = w.batches[i]
    x = w.frames[f]
    before = n.tail
    while before >= 0:
        b = w.frames[before]
        if b.target < x.target or (b.target == x.target and b.order < x.order):
            break
        before = b.q_prev
    lists.insert(w, n, before, f)


@jit
def join(w: World, f, i, work):
    """Become a member, with so much to do until the first token."""
    n = w.batches[i]
    x = w.frames[f]
    _advance(w, i)
    n.members += 1
    w.g[0].order += 1
    x.order = w.g[0].order
    x.target = n.virtual + work
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
    n = w.batches[i]
    x = w.frames[f]
    if not x.marks & BATCHED:
        return
    _advance(w, i)
    if x.q_prev >= 0 or x.q_next >= 0 or n.head == f:
        lists.remove(w, n, f)
    x.marks &= ~BATCHED
    n.members -= 1
    _plan(w, i)


@jit
def reached(w: World, i):
    """The batch's timer has come."""
    n = w.batches[i]
    target = w.frames[n.head].target
    n.virtual = target
    n.at = w.g[0].now
    while n.head >= 0 and w.frames[n.head].target <= target:
        f = n.head
        lists.remove(w, n, f)
        then(w, f, w.frames[f].phase)
    _plan(w, i)
