"""Places at a replica, and who waits for one (see ../ENGINES.md, Arrival and Line). Used by strands."""

from __future__ import annotations

import math

from windtunnel.sim.compiled import lists
from windtunnel.sim.compiled.agenda import main_timer, take_back, then
from windtunnel.sim.compiled.jit import hot, jit
from windtunnel.sim.compiled.records import (
    GRANTED,
    HAS_SLOT,
    LINE,
    REFUSED,
    RESUMED,
    SHED,
)
from windtunnel.sim.compiled.world import World

CODEL, WAIT_LIMIT, ADAPTIVE = 1, 2, 3
FIFO, PRIORITY, PREEMPTIVE = 0, 1, 2


@hot
def slots(w: World, i):
    """How many requests a replica works on at once now; -1: any number."""
    s = w.stations[w.instances[i].station]
    if s.shed == ADAPTIVE:
        return int(w.instances[i].adaptive)
    return s.slots


@jit
def join(w: World, f, i):
    """Wait in line."""
    n = w.instances[i]
    x = w.frames[f]
    before = n.tail
    if w.stations[n.station].discipline != FIFO:
        while before >= 0:
            b = w.frames[before]
            if b.prio < x.prio or (b.prio == x.prio and b.order < x.order):
                break
            before = b.q_prev
    lists.insert(w, n, before, f)
    n.waiting += 1
    x.phase = LINE


@jit
def leave(w: World, f, i):
    """Out of the line."""
    n = w.instances[i]
    lists.remove(w, n, f)
    n.waiting -= 1


@jit
def _refuses(w: World, f, i):
    """Whether the one just taken out of the line is shed."""
    n = w.instances[i]
    s = w.stations[n.station]
    now = w.g[0].now
    waited = now - w.frames[f].arrived
    if s.shed == WAIT_LIMIT:
        return waited > s.shed_a
    if s.shed != CODEL:
        return False
    if waited < s.shed_a or n.waiting == 0:
        n.above = 0.0
        may_drop = False
    elif n.above == 0:
        n.above = now + s.shed_b
        may_drop = False
    else:
        may_drop = now >= n.above
    if n.dropping and not may_drop:
        n.dropping = 0
    if n.dropping and now >= n.drop_next:
        n.count += 1
        n.drop_next += s.shed_b / math.sqrt(n.count)
        return True
    if not n.dropping and may_drop:
        n.dropping = 1
        n.count = n.count - 2 if n.count > 2 and now - n.drop_next < s.shed_b else 1
        n.drop_next = now + s.shed_b / math.sqrt(n.count)
        return True
    return False


@jit
def serve_line(w: World, i):
    """Give free places to those in line."""
    n = w.instances[i]
    shed = w.stations[n.station].shed
    limit = slots(w, i)
    while n.waiting > 0 and n.busy < limit:
        f = n.head
        leave(w, f, i)
        if shed != 0 and w.frames[f].marks & RESUMED == 0 and _refuses(w, f, i):
            w.frames[f].marks |= SHED
            then(w, f, REFUSED)
        else:
            n.busy += 1
            w.frames[f].marks |= HAS_SLOT
            then(w, f, GRANTED)


@jit
def adapt(w: World, i, well):
    """An adaptive limit learns from a request that has ended."""
    n = w.instances[i]
    s = w.stations[n.station]
    if well:
        n.adaptive = min(s.shed_maximum, n.adaptive + 1.0 / n.adaptive)
    else:
        n.adaptive = max(s.shed_minimum, n.adaptive * s.shed_backoff)


@jit
def preempt(w: World, f, i):
    """Take the place of a less urgent holder whose own work is in its timer; False: there is none."""
    n = w.instances[i]
    x = w.frames[f]
    victim = -1
    h = w.batches[i].head  # holders, in the order in which their timers were set
    while h >= 0:
        y = w.frames[h]
        if y.prio > x.prio and (
            victim < 0
            or y.prio > w.frames[victim].prio
            or (y.prio == w.frames[victim].prio and y.admitted >= w.frames[victim].admitted)
        ):
            victim = h
        h = y.q_next
    if victim < 0:
        return False
    stop_holding(w, victim, i)
    y = w.frames[victim]
    take_back(w, main_timer(w, victim))
    y.target = y.due - w.g[0].now
    y.marks = (y.marks | RESUMED) & ~HAS_SLOT
    n.busy -= 1
    join(w, victim, i)
    return True


@jit
def hold(w: World, f, i):
    """A holder that may be preempted."""
    holders = w.batches[i]
    lists.insert(w, holders, holders.tail, f)


@jit
def stop_holding(w: World, f, i):
    """No longer."""
    lists.remove(w, w.batches[i], f)
