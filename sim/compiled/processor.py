"""The cores of a host, shared evenly by its threads (see ../ENGINES.md, Processor). Used by strands."""

from __future__ import annotations

from windtunnel.sim.compiled import lists
from windtunnel.sim.compiled.agenda import set_timer, take_back, then
from windtunnel.sim.compiled.jit import jit
from windtunnel.sim.compiled.records import COMPUTING, DEPARTURE, NOBODY
from windtunnel.sim.compiled.world import World


@jit
def _advance(w: World, t):
    s = w.sources[t]
    now = w.g[0].now
    passed = (now - s.at) * s.rate
    if s.k > 0:
        s.virtual += passed / s.k
    w.used[s.owner] += passed
    s.at = now


@jit
def _plan(w: World, t):
    s = w.sources[t]
    left = (w.frames[s.head].target - s.virtual) * s.k / s.rate
    set_timer(w, t, w.g[0].now + left, DEPARTURE | NOBODY)


@jit
def _all_anew(w: World, h, rate, but):
    """Every active thread at another rate; ``but`` is planned by whoever calls."""
    host = w.hosts[h]
    t = host.first
    while t >= 0:
        if t != but:
            _advance(w, t)
        t = w.sources[t].next
    host.rate = rate
    t = host.first
    while t >= 0:
        w.sources[t].rate = rate
        if t != but:
            _plan(w, t)
        t = w.sources[t].next


@jit
def _active(w: World, t):
    """A thread joins its host's."""
    s = w.sources[t]
    host = w.hosts[s.host]
    s.prev = host.last
    s.next = -1
    if host.last >= 0:
        w.sources[host.last].next = t
    else:
        host.first = t
    host.last = t
    host.n += 1
    s.virtual = 0.0
    s.at = w.g[0].now
    rate = min(1.0, host.cores / host.n)
    if rate != host.rate:
        _all_anew(w, s.host, rate, t)
    s.rate = rate


@jit
def _idle(w: World, t):
    s = w.sources[t]
    host = w.hosts[s.host]
    if s.prev >= 0:
        w.sources[s.prev].next = s.next
    else:
        host.first = s.next
    if s.next >= 0:
        w.sources[s.next].prev = s.prev
    else:
        host.last = s.prev
    host.n -= 1
    rate = min(1.0, host.cores / host.n) if host.n > 0 else 1.0
    if rate != host.rate:
        _all_anew(w, s.host, rate, -1)
    if s.free:  # a thread of one job
        s.next = w.g[0].threads_free
        w.g[0].threads_free = t


@jit
def lone_thread(w: World, h, owner):
    """A thread for a single job. The kernel has seen to it that there is one."""
    g = w.g[0]
    t = g.threads_free
    s = w.sources[t]
    g.threads_free = s.next
    s.host = h
    s.owner = owner
    s.k = 0
    s.head = -1
    s.tail = -1
    return t


@jit
def compute(w: World, f, t, work):
    """Begin a job of ``work`` seconds of one core on a thread; its end is a consequence for the frame."""
    s = w.sources[t]
    x = w.frames[f]
    if s.k == 0:
        _active(w, t)
    else:
        _advance(w, t)
    end = s.virtual + work
    x.target = end
    x.thread = t
    before = s.tail
    while before >= 0 and w.frames[before].target > end:
        before = w.frames[before].q_prev
    lists.insert(w, s, before, f)
    s.k += 1
    _plan(w, t)


@jit
def _leave(w: World, f):
    x = w.frames[f]
    s = w.sources[x.thread]
    lists.remove(w, s, f)
    x.thread = -1
    s.k -= 1


@jit
def drop(w: World, f):
    """Take a job away before it is done."""
    t = w.frames[f].thread
    if t < 0:
        return
    _advance(w, t)
    _leave(w, f)
    if w.sources[t].k > 0:
        _plan(w, t)
    else:
        take_back(w, t)
        _idle(w, t)


@jit
def finish(w: World, t):
    """A thread's timer has come."""
    s = w.sources[t]
    _advance(w, t)
    end = w.frames[s.head].target
    s.virtual = end  # exactly, whatever the divisions have rounded
    while s.k > 0 and w.frames[s.head].target <= end:
        f = s.head
        _leave(w, f)
        then(w, f, COMPUTING)
    if s.k > 0:
        _plan(w, t)
    else:
        _idle(w, t)


@jit
def look(w: World):
    """Write the core seconds used up to now into ``looked``, by owner. A look: threads are not advanced by it."""
    g = w.g[0]
    for owner in range(g.owners):
        w.looked[owner] = w.used[owner]
    for h in range(g.machines):
        t = w.hosts[h].first
        while t >= 0:
            s = w.sources[t]
            w.looked[s.owner] += (g.now - s.at) * s.rate
            t = s.next


def used(w: World):
    """Core seconds used up to now, by owner."""
    look(w)
    return w.looked.copy()
