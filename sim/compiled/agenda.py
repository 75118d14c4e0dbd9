"""What comes next: timers in a heap with four children per node, consequences in a ring. Used by this package.

A timer has an identity (a source's, or one of a frame's) and is set, moved and taken back in place, so that nothing
stale is ever left behind. When the first timer is taken, its place stays a hole until the next one is set: most
events set one, and then the heap is put in order once instead of twice.
"""

from __future__ import annotations

from windtunnel.sim.compiled.jit import hot, jit
from windtunnel.sim.compiled.world import World


@jit
def _tie(w: World, id, other):
    """Whether a timer comes before another one that is due at the same time."""
    mine, its = w.ranks[id], w.ranks[other]
    if mine.key != its.key:
        return mine.key < its.key
    return mine.order < its.order


@hot
def _sooner(w: World, t, id, other_t, other):
    """Whether a timer comes before another one."""
    return t <= other_t and (t < other_t or _tie(w, id, other))


@hot
def _put(w: World, i, t, id):
    e = w.heap[i]
    e.t = t
    e.id = id
    w.positions[id] = i


@jit
def _down(w: World, i, t, id):
    """Put a timer at or below i."""
    n = w.g[0].heap
    child = 4 * i + 1
    while child < n:
        best, best_t = child, w.heap[child].t
        last = child + 4 if child + 4 < n else n
        for c in range(child + 1, last):
            other_t = w.heap[c].t
            if other_t <= best_t and (other_t < best_t or _tie(w, w.heap[c].id, w.heap[best].id)):
                best, best_t = c, other_t
        if t <= best_t and (t < best_t or _tie(w, id, w.heap[best].id)):
            break
        _put(w, i, best_t, w.heap[best].id)
        i = best
        child = 4 * i + 1
    _put(w, i, t, id)


@jit
def _up(w: World, i, t, id):
    """Put a timer at or above i."""
    while i > 0:
        above = (i - 1) >> 2
        e = w.heap[above]
        if _sooner(w, e.t, e.id, t, id):
            break
        _put(w, i, e.t, e.id)
        i = above
    _put(w, i, t, id)


@jit
def _remove(w: World, id):
    g = w.g[0]
    i = w.positions[id]
    w.positions[id] = -1
    g.heap -= 1
    if i == g.heap:
        return
    moved = w.heap[g.heap]
    t, it = moved.t, moved.id
    above = w.heap[(i - 1) >> 2 if i > 0 else 0]
    if i > 0 and not _sooner(w, above.t, above.id, t, it):
        _up(w, i, t, it)
    else:
        _down(w, i, t, it)


@hot
def take_back(w: World, id):
    """Unset a timer; nothing where it is not set."""
    if w.positions[id] >= 0:
        _remove(w, id)


@jit
def set_at(w: World, id, t, key, order):
    """Set a timer with an order given before."""
    g = w.g[0]
    take_back(w, id)
    r = w.ranks[id]
    r.key = key
    r.order = order
    if g.hole:
        g.hole = 0
        _down(w, 0, t, id)
    else:
        g.heap += 1
        _up(w, g.heap - 1, t, id)


@hot
def set_timer(w: World, id, t, key):
    """Set a timer, or set it anew; one that would be due before now is due now."""
    g = w.g[0]
    g.order += 1
    set_at(w, id, t if t > g.now else g.now, key, g.order)


@hot
def fill(w: World):
    """Close the hole that the last timer has left, if nobody has."""
    g = w.g[0]
    if g.hole:
        g.hole = 0
        g.heap -= 1
        if g.heap > 0:
            e = w.heap[g.heap]
            _down(w, 0, e.t, e.id)


@hot
def take_first(w: World):
    """The identity of the first timer, which is unset; the clock goes there. The hole must be closed."""
    g = w.g[0]
    e = w.heap[0]
    g.now = e.t
    w.positions[e.id] = -1
    g.hole = 1
    return e.id


@hot
def main_timer(w: World, f):
    """The identity of a frame's own timer; + 1: its first token's, + 2: its cut's, + 3: its message's."""
    return w.g[0].sources + 4 * f


@hot
def then(w: World, f, phase):
    """A consequence: the frame goes on, from ``phase``."""
    g = w.g[0]
    e = w.fifo[(g.fifo_at + g.fifo_n) & g.ring]
    g.fifo_n += 1
    e.frame = f
    e.stamp = w.frames[f].stamp
    e.cancel = 0
    e.phase = phase


@jit
def first(w: World, f, phase):
    """The frame goes on from ``phase`` before anything else does: it has only been interrupted."""
    g = w.g[0]
    g.fifo_at = (g.fifo_at - 1) & g.ring
    g.fifo_n += 1
    e = w.fifo[g.fifo_at]
    e.frame = f
    e.stamp = w.frames[f].stamp
    e.cancel = 0
    e.phase = phase


@jit
def then_cancel(w: World, f):
    """A consequence: the frame is cancelled."""
    g = w.g[0]
    then(w, f, 0)
    w.fifo[(g.fifo_at + g.fifo_n - 1) & g.ring].cancel = 1
