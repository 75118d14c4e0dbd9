"""What an operation of a program does that does not call: choices, repeats, forks, queues. Used by strands."""

from __future__ import annotations

from windtunnel.sim.compiled import caches, queues, room
from windtunnel.sim.compiled.agenda import first
from windtunnel.sim.compiled.forks import fork
from windtunnel.sim.compiled.jit import jit
from windtunnel.sim.compiled.records import (
    AGAIN,
    CHOOSE,
    FORK,
    JUMP,
    LAND,
    LOOP,
    NEXT,
    OUTCOME_BITS,
    PROGRAM,
    PROGRAM_ENDS,
    REJECTED,
)
from windtunnel.sim.compiled.sampling import CHOICE, TIMES, based, sample, uniform
from windtunnel.sim.compiled.world import World

NO_CALL = 30
"""In the place of an outcome: there was none in this iteration."""
LOOPS = 4
"""How deep repeats can be nested within one strand."""


@jit
def _chosen(w: World, f):
    x = w.frames[f]
    o = w.operations[x.pc]
    u = uniform(x.salt, int(o.c) << 40 | CHOICE)
    for n in range(o.b - 1):
        if u < w.numbers[o.next + n]:
            return w.targets[o.a + n]
    return w.targets[o.a + o.b - 1]


@jit
def _loop(w: World, f):
    """A repeat begins. Targets: index, distribution, at most, until, slot, body, after."""
    x = w.frames[f]
    a = w.operations[x.pc].a
    n = w.targets[a + 2]
    if w.targets[a + 1] >= 0:
        drawn = sample(w.distributions, w.numbers, w.targets[a + 1], x.salt, w.targets[a] << 40 | TIMES)
        n = min(n, max(0, int(drawn + 0.5)))
    loop = w.loops[f * LOOPS + w.targets[a + 4]]
    loop.salt = x.salt
    loop.i = 0
    loop.n = n
    if n <= 0:
        return w.targets[a + 6]
    loop.last = x.c_last
    x.c_last = NO_CALL
    return w.targets[a + 5]


@jit
def _again(w: World, f):
    """An iteration has ended."""
    x = w.frames[f]
    a = w.operations[x.pc].a
    loop = w.loops[f * LOOPS + w.targets[a + 4]]
    loop.i += 1
    if x.c_last != NO_CALL:
        loop.last = x.c_last
    if loop.i >= loop.n or w.targets[a + 3] >> x.c_last & 1:
        x.salt = loop.salt
        x.c_last = loop.last
        return w.targets[a + 6]
    x.salt = based(loop.salt, loop.i)
    x.c_last = NO_CALL
    return w.targets[a + 5]


@jit
def operate(w: World, f):
    """An operation that neither calls nor ends; what the strand goes on from."""
    x = w.frames[f]
    o = w.operations[x.pc]
    if o.op == JUMP:
        x.pc = o.next
    elif o.op == CHOOSE:
        x.pc = _chosen(w, f)
    elif o.op == LOOP:
        x.pc = _loop(w, f)
    elif o.op == AGAIN:
        x.pc = _again(w, f)
    elif o.op == LAND:
        caches.land(w, f, True)
        x.pc = o.next
    elif room.short(w):
        first(w, f, PROGRAM)
        return NEXT
    elif o.op == FORK:
        fork(w, f, x.pc)
        return NEXT
    elif queues.enqueue(w, f, o.a, o.b) or o.c:
        x.pc = o.next
    else:
        return PROGRAM_ENDS | REJECTED << OUTCOME_BITS
    return PROGRAM
