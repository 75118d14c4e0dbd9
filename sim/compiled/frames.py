"""Strands are born and end; requests are counted when they end. Used by this package."""

from __future__ import annotations

import math

from windtunnel.sim.compiled.agenda import main_timer, take_back
from windtunnel.sim.compiled.jit import hot, jit
from windtunnel.sim.compiled.records import CLIENT, ENDED, FREE, MISS
from windtunnel.sim.compiled.world import World


@hot
def born(w: World, kind, phase):
    """A frame from the free list. The kernel has seen to it that there is one."""
    g = w.g[0]
    f = g.free
    x = w.frames[f]
    g.free = x.q_next
    g.live += 1
    x.kind = kind
    x.phase = phase
    x.marks = 0
    x.at_birth = w.blank[0].at_birth
    return f


@jit
def gone(w: World, f):
    """Back to the free list; its timers are taken back, and what was to come of it is void."""
    g = w.g[0]
    x = w.frames[f]
    x.stamp += 1
    x.phase = FREE
    x.kind = -1
    timer = main_timer(w, f)
    for k in range(4):
        if w.positions[timer + k] >= 0:
            take_back(w, timer + k)
    if x.cut >= 0:
        _forget_cuts(w, f)
    x.q_next = g.free
    g.free = f
    g.live -= 1


@hot
def ended(w: World, f):
    """``gone``, for a strand that has come to its end: of its timers only a first token's or a cut's may be set."""
    g = w.g[0]
    x = w.frames[f]
    x.stamp += 1
    x.phase = FREE
    x.kind = -1
    if x.left >= 0:
        take_back(w, main_timer(w, f) + 1)
    if x.cut >= 0:
        take_back(w, main_timer(w, f) + 2)
        _forget_cuts(w, f)
    x.q_next = g.free
    g.free = f
    g.live -= 1


@jit
def _forget_cuts(w: World, f):
    g = w.g[0]
    x = w.frames[f]
    while x.cut >= 0:
        node = x.cut
        x.cut = w.cuts[node].next
        w.cuts[node].next = g.cuts_free
        g.cuts_free = node


@hot
def hand_on(w: World, f, c):
    """What a frame hands on to one that works for it."""
    w.frames[c].handed_on = w.frames[f].handed_on


@jit
def root_of(w: World, f):
    """The frame of the request's client; -1 when it has gone."""
    x = w.frames[f]
    r = x.root
    if r >= 0 and w.frames[r].kind == CLIENT and w.frames[r].request == x.request:
        return r
    return -1


@jit
def tokens_heard(w: World, f):
    """How many tokens have reached the caller by now; -1 before the first."""
    x = w.frames[f]
    if x.heard < 0 or x.tokens < 0:
        return -1
    if (x.marks & ENDED and x.outcome <= MISS) or x.spread == 0:
        return x.tokens
    share = (w.g[0].now - x.heard) / x.spread
    return min(x.tokens, 1 + int(share * (x.tokens - 1)))


@jit
def client_span(w: World, f):
    """A call as its caller saw it."""
    g = w.g[0]
    x = w.frames[f]
    s = w.spans[g.spans]
    g.spans += 1
    s.request = x.request
    s.server = 0
    s.hop = x.hop
    s.replica = x.caller_rep
    s.attempt = x.attempt
    s.start = x.began
    s.duration = (g.now - x.began) * 1000
    s.outcome = x.outcome
    s.wait = math.nan if x.wait < 0 else x.wait * 1000
    s.first_token = math.nan if x.heard < 0 else (x.heard - x.began) * 1000
    s.tokens = tokens_heard(w, f)


@jit
def server_span(w: World, f, outcome):
    """A call as its callee saw it."""
    g = w.g[0]
    x = w.frames[f]
    s = w.spans[g.spans]
    g.spans += 1
    s.request = x.request
    s.server = 1
    s.hop = x.hop
    s.replica = x.callee
    s.attempt = x.attempt
    s.start = x.arrived
    s.duration = (g.now - x.arrived) * 1000
    s.outcome = outcome
    s.wait = math.nan if x.admitted < 0 else (x.admitted - x.arrived) * 1000
    came = x.arrived if x.admitted < 0 else x.admitted
    s.first_token = math.nan if x.decoded < 0 else (x.decoded - came) * 1000
    s.tokens = -1 if x.decoded < 0 else x.tokens
