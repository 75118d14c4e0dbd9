"""A strand gives up everything it has and waits for, innermost first. Used by the kernel."""

from __future__ import annotations

from windtunnel.sim.compiled import batch, caches, line, processor
from windtunnel.sim.compiled.agenda import main_timer, set_timer
from windtunnel.sim.compiled.exchanges import BY_CALLER, connection_until, end, integrate, leave_wire, release
from windtunnel.sim.compiled.forks import cancel_branches, leave_fork
from windtunnel.sim.compiled.frames import gone
from windtunnel.sim.compiled.jit import jit
from windtunnel.sim.compiled.pace import cool
from windtunnel.sim.compiled.pools import disconnect, leave_pool
from windtunnel.sim.compiled.records import (
    BACKING_OFF,
    BRANCH,
    CALLING,
    COMPUTING,
    ERROR,
    FAULT,
    FORKED,
    HAS_CONNECTION,
    HAS_SLOT,
    IN_FLIGHT,
    IN_FLIGHT_COUNTED,
    LINE,
    LINGERING,
    NOBODY,
    POOL,
    SHED,
    WAITING,
    WARMED,
    ZOMBIE,
)
from windtunnel.sim.compiled.world import World


@jit
def cancel(w: World, f):
    """A strand gives up everything, innermost first."""
    g = w.g[0]
    x = w.frames[f]
    phase = x.phase
    if phase in (CALLING, BACKING_OFF):
        for n in range(2):
            c = x.c_child0 if n == 0 else x.c_child1
            if c >= 0:
                if w.wires[w.frames[c].wire].survives_cancel:
                    w.frames[c].parent = -1
                else:
                    end(w, c, ERROR, BY_CALLER)
        x.c_child0 = -1
        x.c_child1 = -1
    elif phase == FORKED:
        cancel_branches(w, f)
    elif phase == IN_FLIGHT:
        caches.stop_waiting(w, f)
    if x.flight >= 0:
        caches.land(w, f, False)
    if x.kind == BRANCH:
        leave_fork(w, f)
        gone(w, f)
        return
    if x.marks & ZOMBIE and g.tracks:
        leave_wire(w, f)
    if phase == LINE and not x.marks & (HAS_SLOT | SHED):
        if w.stations[w.instances[x.inst].station].used:
            integrate(w, x.inst)
        line.leave(w, f, x.inst)
    elif phase == COMPUTING:
        processor.drop(w, f)
    elif phase == WAITING and x.marks & HAS_SLOT:
        if w.stations[w.instances[x.inst].station].discipline == line.PREEMPTIVE:
            line.stop_holding(w, f, x.inst)
    elif phase == POOL and not x.marks & HAS_CONNECTION:
        leave_pool(w, f)
    if x.marks & WARMED:
        cool(w, f)
    batch.leave(w, f, x.inst)
    if x.marks & IN_FLIGHT_COUNTED:
        release(w, f, ERROR)
    until = connection_until(w, f)
    if until > g.now:
        x.stamp += 1  # nothing that was to come of it counts any more
        x.phase = LINGERING
        set_timer(w, main_timer(w, f), until, FAULT | NOBODY)
        return
    disconnect(w, f)
    gone(w, f)
