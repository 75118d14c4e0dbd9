"""First tokens on their way to the client, through every caller that streams. Used by strands and visits."""

from __future__ import annotations

from windtunnel.sim.compiled import wires
from windtunnel.sim.compiled.agenda import main_timer, set_timer
from windtunnel.sim.compiled.jit import hot, jit
from windtunnel.sim.compiled.records import DEPARTURE, ENDED, FIRST_LATE, FIRST_LINK
from windtunnel.sim.compiled.sampling import LINK, sample
from windtunnel.sim.compiled.world import World


@jit
def first_token(w: World, f, tokens, spread):
    """The callee has its first token; it goes on to the caller, and from there upwards."""
    g = w.g[0]
    while f >= 0:
        x = w.frames[f]
        if not w.hops[x.hop].streams or x.left >= 0 or x.marks & ENDED:
            return
        x.left = g.now
        x.spread = spread
        x.tokens = tokens
        if w.wires[x.wire].active_faults:
            size, pieces, spread_ms = wires.answer(w, f, spread)
            one = wires.passes(w, f, wires.DOWN, size, pieces, spread_ms, x.left, -1)
            if one[2]:
                return
            if one[0] > 0:
                x.first_phase = FIRST_LATE
                set_timer(w, main_timer(w, f) + 1, g.now + one[0] / 1000, DEPARTURE | x.rkey)
                return
        if not _crosses(w, f):
            return
        f, tokens, spread = _hear(w, f)


@jit
def _crosses(w: World, f):
    """A first token enters the link; True: it is through already."""
    x = w.frames[f]
    half = half_link(w, f)
    if half <= 0:
        return True
    x.first_phase = FIRST_LINK
    set_timer(w, main_timer(w, f) + 1, w.g[0].now + half / 1000, DEPARTURE | x.rkey)
    return False


@jit
def _hear(w: World, f):
    """The caller hears the first token; whose turn it is to pass it on (-1: nobody's), and what it is."""
    x = w.frames[f]
    x.heard = w.g[0].now
    p = x.parent
    if p < 0:
        return -1, x.tokens, x.spread
    y = w.frames[p]
    if y.within < 0:
        return -1, x.tokens, x.spread
    if w.hops[w.frames[y.within].hop].streams:
        y.c_passed = 1
    return y.within, x.tokens, x.spread


@jit
def first_timer(w: World, f):
    """A first token's timer has come, or what held it has gone."""
    x = w.frames[f]
    if x.marks & ENDED:
        return
    if x.first_phase == FIRST_LATE and not _crosses(w, f):
        return
    within, tokens, spread = _hear(w, f)
    first_token(w, within, tokens, spread)


@hot
def half_link(w: World, f):
    """Half of the time that a link takes, in ms."""
    x = w.frames[f]
    h = w.hops[x.hop]
    if h.link < 0:
        return 0.0
    return sample(w.distributions, w.numbers, h.link, x.origin, h.place | x.attempt << 32 | LINK) / 2
