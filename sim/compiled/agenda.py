"""What comes next: timers in a heap with four children per node, consequences in a ring. Used by this package.

A timer has an identity (a source's, or one of a frame's) and is set, moved and taken back in place, so that nothing
stale is ever left behind. When the first timer is taken, its place stays a hole until the next one is set: most
events set one, and then the heap is put in order once instead of twice.
"""

from __future__ import annotations

from windtunnel.sim.compiled.jit import hot, jit
from windtunnel.sim.compiled.world import World


@hot
def sooner(heap, i, t, key, order):
    """Whether entry i comes before (t, key, order)."""
    e = heap[i]
    if e.t != t:
        return e.t < t
    if e.key != key:
        return e.key < key
    return e.order < order


@hot
def _put(heap, positions, i, t, key, order, id):
    e = heap[i]
    e.t = t
    e.key = key
    e.order = order
    e.id = id
    positions[id] = i


@jit
def _down(heap, positions, n, i, t, key, order, id):
    """Put an entry at or below i."""
    while True:
        child = 4 * i + 1
        if child >= n:
            break
        best = child
        last = min(child + 4, n)
        bt, bk, bo = heap[best].t, heap[best].key, heap[best].order
        for c in range(child + 1, last):
            e = heap[c]
            if e.t < bt or (e.t == bt and (e.key < bk or (e.key == bk and e.order < bo))):
                best = c
                bt, bk, bo = e.t, e.key, e.order
        if t < bt or (t == bt and (key < bk or (key == bk and order < bo))):
            break
        _put(heap, positions, i, bt, bk, bo, heap[best].id)
        i = best
    _put(heap, positions, i, t, key, order, id)


@jit
def _up(heap, positions, i, t, key, order, id):
    """Put an entry at or above i."""
    while i > 0:
        parent = (i - 1) >> 2
        if sooner(heap, parent, t, key, order):
            break
        e = heap[parent]
        _put(heap, positions, i, e.t, e.key, e.order, e.id)
        i = parent
    _put(heap, positions, i, t, key, order, id)


@jit
def _remove(g, heap, positions, id):
    i = positions[id]
    if i < 0:
        return
    positions[id] = -1
    g.heap -= 1
    n = g.heap
    if i != n:
        e = heap[n]
        t, key, order, moved = e.t, e.key, e.order, e.id
        if i > 0 and not sooner(heap, (i - 1) >> 2, t, key, order):
            _up(heap, positions, i, t, key, order, moved)
        else:
            _down(heap, positions, n, i, t, key, order, moved)


@jit
def _set(g, heap, positions, id, t, key, order):
    if positions[id] >= 0:
        _remove(g, heap, positions, id)
    if g.hole:
        g.hole = 0
        _down(heap, positions, g.heap, 0, t, key, order, id)
    else:
        g.heap += 1
        _up(heap, positions, g.heap - 1, t, key, order, id)


@hot
def take_back(w: World, id):
    """Unset a timer; nothing where it is not set."""
    if w.positions[id] >= 0:
        _remove(w.g[0], w.heap, w.positions, id)


@hot
def set_at(w: World, id, t, key, order):
    """Set a timer with an order given before."""
    _set(w.g[0], w.heap, w.positions, id, t, key, order)


@hot
def set_timer(w: World, id, t, key):
    """Set a timer, or set it anew."""
    g = w.g[0]
    g.order += 1
    _set(g, w.heap, w.positions, id, max(t, g.now), key, g.order)


@hot
def fill(w: World):
    """Close the hole that the last timer has left, if nobody has."""
    g = w.g[0]
    if g.hole:
        g.hole = 0
        g.heap -= 1
        n = g.heap
        if n > 0:
            e = w.heap[n]
            _down(w.heap, w.positions, n, 0, e.t, e.key, e.order, e.id)


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
