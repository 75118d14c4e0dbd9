"""Branches that run beside each other, and their join (see ../ENGINES.md). Used by strands."""

from __future__ import annotations

import math

from windtunnel.sim.compiled.agenda import then, then_cancel
from windtunnel.sim.compiled.frames import born, gone, hand_on
from windtunnel.sim.compiled.jit import jit
from windtunnel.sim.compiled.records import BRANCH, ERROR, FORKED, JOINED, MISS, OK, PROGRAM
from windtunnel.sim.compiled.world import World


@jit
def fork(w: World, f, op):
    """Branches begin, each a strand of its own."""
    o = w.operations[op]
    p = w.frames[f]
    p.f_need = o.c
    p.f_good = 0
    p.f_left = o.b
    p.f_decided = 0
    p.f_got = ERROR
    p.f_first = -1
    p.phase = FORKED
    last = -1
    for n in range(o.b):
        b = born(w, BRANCH, PROGRAM)
        x = w.frames[b]
        x.parent = f
        hand_on(w, f, b)
        x.within = p.within
        x.callee = p.callee
        x.inst = p.inst
        x.deadline = p.deadline
        x.rkey = p.rkey
        x.hop = p.hop
        x.attempt = p.attempt
        x.pc = w.targets[o.a + n]
        x.limit = math.inf
        x.c_last = OK
        x.up_prev = last
        x.up_next = -1
        if last >= 0:
            w.frames[last].up_next = b
        else:
            p.f_first = b
        last = b
        then(w, b, PROGRAM)


@jit
def branch_ends(w: World, b, outcome):
    """A branch has come to its end; the fork may be decided by that."""
    x = w.frames[b]
    f = x.parent
    leave_fork(w, b)
    if f < 0:  # its fork was decided or cancelled meanwhile
        gone(w, b)
        return
    p = w.frames[f]
    p.f_left -= 1
    if outcome <= MISS:
        p.f_good += 1
    elif not p.f_decided:
        p.f_got = outcome
    if not p.f_decided and (p.f_good >= p.f_need or p.f_good + p.f_left < p.f_need):
        p.f_decided = 1
        if p.f_good >= p.f_need:
            p.f_got = OK
        then(w, f, JOINED)
    gone(w, b)


@jit
def cancel_branches(w: World, f):
    """Whoever of a fork's branches is still there, in their order."""
    b = w.frames[f].f_first
    w.frames[f].f_first = -1
    while b >= 0:
        then_cancel(w, b)
        w.frames[b].parent = -1
        b = w.frames[b].up_next


@jit
def leave_fork(w: World, b):
    """A branch is no longer among its fork's."""
    x = w.frames[b]
    if x.up_prev >= 0:
        w.frames[x.up_prev].up_next = x.up_next
    elif x.parent >= 0 and w.frames[x.parent].f_first == b:
        w.frames[x.parent].f_first = x.up_next
    if x.up_next >= 0:
        w.frames[x.up_next].up_prev = x.up_prev
