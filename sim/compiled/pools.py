"""Connections of a caller to its callee, and who waits for one. Used by strands and exchanges."""

from __future__ import annotations

from windtunnel.sim.compiled import lists
from windtunnel.sim.compiled.agenda import main_timer, set_timer, take_back, then
from windtunnel.sim.compiled.jit import jit
from windtunnel.sim.compiled.records import HAS_CONNECTION, LIMIT, POOL, POOLED
from windtunnel.sim.compiled.world import World


@jit
def connect(w: World, f):
    """An exchange asks for a connection; False: it waits for one."""
    x = w.frames[f]
    n = w.lanes[x.lane]
    link = w.wires[x.wire]
    if n.busy < link.pool:
        n.busy += 1
        x.marks |= HAS_CONNECTION
        x.wait = 0.0
        return True
    x.phase = POOL
    lists.insert(w, n, n.tail, f)
    n.waiting += 1
    until = x.began + link.pool_timeout
    if until < x.limit:
        set_timer(w, main_timer(w, f), until, LIMIT | x.rkey)
    return False


@jit
def connected(w: World, f):
    """It has waited, and has got one."""
    x = w.frames[f]
    take_back(w, main_timer(w, f))
    x.wait = w.g[0].now - x.began


@jit
def disconnect(w: World, f):
    """Give a connection back to its pool."""
    x = w.frames[f]
    if not x.marks & HAS_CONNECTION:
        return
    x.marks &= ~HAS_CONNECTION
    n = w.lanes[x.lane]
    n.busy -= 1
    if n.waiting > 0:
        c = n.head
        leave_pool(w, c)
        n.busy += 1
        w.frames[c].marks |= HAS_CONNECTION
        then(w, c, POOLED)


@jit
def leave_pool(w: World, f):
    """It waits no longer."""
    n = w.lanes[w.frames[f].lane]
    lists.remove(w, n, f)
    n.waiting -= 1
