"""A line of frames, forwards and back, of which a record holds the head and the tail. Used wherever strands wait.

A frame is in one such line at a time: its places are ``q_next`` and ``q_prev``.
"""

from __future__ import annotations

from windtunnel.sim.compiled.jit import jit
from windtunnel.sim.compiled.world import World


@jit
def insert(w: World, line, before, f):
    """Behind ``before``; -1: at the head."""
    x = w.frames[f]
    x.q_prev = before
    if before >= 0:
        x.q_next = w.frames[before].q_next
        w.frames[before].q_next = f
    else:
        x.q_next = line.head
        line.head = f
    if x.q_next >= 0:
        w.frames[x.q_next].q_prev = f
    else:
        line.tail = f


@jit
def remove(w: World, line, f):
    """Out of the line that it is in."""
    x = w.frames[f]
    if x.q_prev >= 0:
        w.frames[x.q_prev].q_next = x.q_next
    else:
        line.head = x.q_next
    if x.q_next >= 0:
        w.frames[x.q_next].q_prev = x.q_prev
    else:
        line.tail = x.q_prev
    x.q_prev = -1
    x.q_next = -1
