"""Processor time that nobody waits for: it is burnt when a request has its answer. Used by strands and visits."""

from __future__ import annotations

from windtunnel.sim.compiled import processor
from windtunnel.sim.compiled.agenda import then
from windtunnel.sim.compiled.frames import born, root_of
from windtunnel.sim.compiled.jit import jit
from windtunnel.sim.compiled.records import BURN, BURNING
from windtunnel.sim.compiled.world import World


@jit
def owe(w: World, f, host, owner, source, work):
    """Processor time that nobody waits for: it is burnt when the request has its answer; at once when it has gone."""
    g = w.g[0]
    r = root_of(w, f)
    if r < 0:
        r = born(w, BURN, BURNING)
        w.frames[r].request = w.frames[f].request
        w.frames[r].place = 0  # nothing stands beside it
        then(w, r, BURNING)
    node = g.owed_free
    o = w.owed[node]
    g.owed_free = o.next
    o.work, o.host, o.owner, o.source, o.next = work, host, owner, source, -1
    last = w.frames[r].owed
    if last < 0:
        w.frames[r].owed = node
        return
    while w.owed[last].next >= 0:
        last = w.owed[last].next
    w.owed[last].next = node


@jit
def burn(w: World, f):
    """The next job that is owed; True: there was none left."""
    g = w.g[0]
    x = w.frames[f]
    if x.place > 0:  # what stands beside every request comes first
        n = g.besides - x.place
        x.place -= 1
        work = w.numbers[g.beside + 3 * n + 2]
        host = int(w.numbers[g.beside + 3 * n])
        processor.compute(w, f, processor.lone_thread(w, host, int(w.numbers[g.beside + 3 * n + 1])), work)
        return False
    node = x.owed
    if node < 0:
        return True
    o = w.owed[node]
    x.owed = o.next
    thread = o.source if o.source >= 0 else processor.lone_thread(w, o.host, o.owner)
    processor.compute(w, f, thread, o.work)
    o.next = g.owed_free
    g.owed_free = node
    return False
