"""When callers lose patience: a list per wire, in the order in which it comes, behind one timer. Used by exchanges."""

from __future__ import annotations

from windtunnel.sim.compiled.agenda import set_at
from windtunnel.sim.compiled.jit import jit
from windtunnel.sim.compiled.records import LIMIT
from windtunnel.sim.compiled.world import World


@jit
def list_limit(w: World, f):
    """Of an exchange that begins."""
    x = w.frames[f]
    link = w.wires[x.wire]
    before = link.lim_tail
    while before >= 0:
        b = w.frames[before]
        if b.limit < x.limit or (b.limit == x.limit and b.rkey <= x.rkey):
            break
        before = b.lim_prev
    x.listed = 1
    x.lim_prev = before
    if before >= 0:
        x.lim_next = w.frames[before].lim_next
        w.frames[before].lim_next = f
    else:
        x.lim_next = link.lim_head
        link.lim_head = f
    if x.lim_next >= 0:
        w.frames[x.lim_next].lim_prev = f
    else:
        link.lim_tail = f
    if before < 0 and (w.positions[link.alarm] < 0 or x.lim_next >= 0):
        set_at(w, link.alarm, x.limit, LIMIT | x.rkey, x.limit_order)


@jit
def unlist_limit(w: World, f):
    """Of an exchange that is over."""
    x = w.frames[f]
    link = w.wires[x.wire]
    x.listed = 0
    if x.lim_prev >= 0:
        w.frames[x.lim_prev].lim_next = x.lim_next
    else:
        link.lim_head = x.lim_next
    if x.lim_next >= 0:
        w.frames[x.lim_next].lim_prev = x.lim_prev
    else:
        link.lim_tail = x.lim_prev
