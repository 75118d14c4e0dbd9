"""The loop: the next consequence, or else the next timer or arrival, until it has to come back. Used by execute."""

from __future__ import annotations

import math

from windtunnel.sim.compiled import (
    batch,
    caches,
    cancellation,
    exchanges,
    first_tokens,
    pools,
    processor,
    queues,
    room,
    strands,
    tally,
    wires,
)
from windtunnel.sim.compiled.agenda import fill, main_timer, set_at, take_back, take_first, then, then_cancel
from windtunnel.sim.compiled.frames import born
from windtunnel.sim.compiled.jit import jit
from windtunnel.sim.compiled.records import (
    ALARM,
    ARRIVAL,
    BATCH,
    CLIENT,
    DONE,
    ENDED,
    ERROR,
    EXCHANGE,
    FAULT,
    FAULTS,
    FIRST_LATE,
    HELD,
    MORE_ARRIVALS,
    NOBODY,
    OBSERVE,
    PROGRAM,
    SCALE,
    THREAD,
    TICK,
    TIMEOUT,
    USER,
)
from windtunnel.sim.compiled.sampling import FLOW, PROMPT, TENANT, based, uniform
from windtunnel.sim.compiled.world import World


@jit
def _request(w: World, number, flow, prompt, tenant, given_in, given_out):
    """A request's strand at its client, which begins with its program."""
    g = w.g[0]
    f = born(w, CLIENT, PROGRAM)
    x = w.frames[f]
    x.salt = based(g.root, number)
    x.request = number
    x.rkey = (number + 1) << 8
    x.intended = g.now
    x.flow = flow
    x.prompt = prompt
    x.tenant = tenant
    x.given_in = given_in
    x.given_out = given_out
    x.root = f
    x.parent = -1
    x.within = -1
    x.callee = 0
    x.deadline = math.inf
    x.limit = math.inf
    x.written = -1.0
    x.prio = w.entries[flow].priority
    x.pc = w.entries[flow].operation
    if g.sketches:
        tally.enter(w, f)
    return f


@jit
def _closed_request(w: World, source):
    """A user asks: what, is drawn by address."""
    g = w.g[0]
    user = source - g.closed
    number = w.sources[source].a * g.users + user
    base = based(g.root, number)
    flow = _looked_up(w, g.joins, g.flows, uniform(base, FLOW))
    prompt = _looked_up(w, g.joins + g.flows, g.prompts, uniform(base, PROMPT))
    tenant = _looked_up(w, g.joins + g.flows + g.prompts, g.tenants, uniform(base, TENANT))
    return _request(w, number, flow, prompt, tenant, -1, -1)


@jit
def _looked_up(w: World, start, n, u):
    """searchsorted(cumulated weights, u, side="right"), at most the last."""
    low, high = 0, n
    while low < high:
        middle = (low + high) // 2
        if u < w.numbers[start + middle]:
            high = middle
        else:
            low = middle + 1
    return min(low, n - 1)


@jit
def _happens(w: World):
    """Faults begin and heal."""
    g = w.g[0]
    event = w.happenings[g.happening]
    g.happening += 1
    if g.happening < g.happenings:
        # as all of them were set at the very beginning, before whatever else is due with them
        set_at(w, g.source, w.happenings[g.happening].t, FAULT | NOBODY, 0)
    n = event.window
    window = w.windows[n]
    link = w.wires[window.wire]
    if event.heals:
        window.active = 0
        link.active_faults -= 1
    else:
        window.active = 1
        link.active_faults += 1
        if window.kills:
            _kill(w, n)
    f = link.up_head
    while f >= 0:
        after = w.frames[f].up_next
        if wires.hits(w, n, f):
            if w.frames[f].marks & ENDED:  # a zombie
                if window.kills and not event.heals:
                    then_cancel(w, f)
            elif event.heals:
                _heals(w, f, window.closes)
            else:
                _begins(w, f, n)
        f = after


@jit
def _kill(w: World, n):
    window = w.windows[n]
    s = w.stations[w.wires[window.wire].callee]
    if s.cache and s.hit_ratio < 0:
        for r in range(s.replicas):
            if window.callee < 0 or window.callee == r:
                caches.empty(w, s.first + r)


@jit
def _begins(w: World, f, n):
    g = w.g[0]
    x = w.frames[f]
    window = w.windows[n]
    if window.kind == wires.OUTAGE:
        wires.cut(w, f, n, g.now, False)
    elif window.kind == wires.BLACKHOLE and window.a > 0:
        wires.cut(w, f, n, g.now + window.a / 1000, False)
    if x.left >= 0 and g.now < x.left + x.spread:
        left_s = x.left + x.spread - g.now
        size, pieces, spread_ms = wires.answer(w, f, left_s)
        wires.passes(w, f, wires.DOWN, size, pieces, spread_ms, g.now, n)


@jit
def _heals(w: World, f, closes):
    x = w.frames[f]
    if closes:
        exchanges.end(w, f, ERROR, exchanges.BY_CUT)
        return
    timer = main_timer(w, f)
    # what was held first goes first
    first_held = w.positions[timer + 1] >= 0 and x.first_phase == FIRST_LATE
    if first_held:
        take_back(w, timer + 1)
        then(w, f, FIRST_LATE)
    if x.marks & HELD and w.positions[timer] >= 0:
        take_back(w, timer)
        then(w, f, x.phase)


@jit
def _of_source(w: World, id):
    """A source's timer has come. A frame that goes on; -1: none; -2 less a reason: the kernel has to come back."""
    g = w.g[0]
    s = w.sources[id]
    kind = s.kind
    if kind == ALARM:
        exchanges.alarm(w, s.a)
    elif kind == THREAD:
        processor.finish(w, id)
    elif kind == BATCH:
        batch.reached(w, s.a)
    elif kind == FAULTS:
        _happens(w)
    elif kind == USER:
        return _closed_request(w, id)
    elif kind == OBSERVE:
        return -2 - TICK
    else:  # AUTOSCALE, READY
        g.reason = id
        return -2 - SCALE
    return -1


@jit
def _besides(w: World, f, which):
    """A timer of a frame that is not its own: its first token's, its cut's, its limit's, its message's."""
    if which == 1:
        first_tokens.first_timer(w, f)
    elif which == 2:
        exchanges.end(w, f, ERROR, exchanges.BY_CUT)
    elif w.frames[f].kind != EXCHANGE:
        queues.timer(w, f)
    elif w.frames[f].marks & ENDED:
        pools.disconnect(w, f)
    else:
        exchanges.end(w, f, TIMEOUT, exchanges.BY_LIMIT)


@jit
def advance(w: World):
    """Run until it is over (DONE), arrivals are needed (MORE_ARRIVALS), memory is (GROW), records are to be fetched
    (DRAIN), or it is time for a look (TICK) or for an autoscaler (SCALE, whose source is in ``g.reason``)."""
    g = w.g[0]
    while True:
        reason = room.short(w)
        if reason:
            return reason
        if g.fifo_n > 0:
            e = w.fifo[g.fifo_at]
            g.fifo_at = (g.fifo_at + 1) & g.ring
            g.fifo_n -= 1
            f = e.frame
            if w.frames[f].stamp != e.stamp:
                continue
            if e.cancel:
                cancellation.cancel(w, f)
                continue
            phase = e.phase
        else:
            fill(w)
            n = g.chunk
            first = w.heap[0]
            if n < g.chunk_n and (
                g.heap == 0 or w.at_s[n] < first.t or (w.at_s[n] == first.t and w.ranks[first.id].key >= ARRIVAL)
            ):
                g.chunk = n + 1
                g.now = w.at_s[n]
                number = g.next_request
                g.next_request = number + 1
                f = _request(w, number, w.flow[n], w.prompt[n], w.tenant[n], w.given_in[n], w.given_out[n])
                phase = PROGRAM
            elif g.chunk_n >= 0 and g.chunk >= g.chunk_n:
                return MORE_ARRIVALS
            elif g.heap == 0:
                return DONE
            else:
                id = take_first(w)
                if id < g.sources:
                    f = _of_source(w, id)
                    if f < -1:
                        return -2 - f
                    if f < 0:
                        continue
                    phase = PROGRAM
                else:
                    f = (id - g.sources) >> 2
                    which = (id - g.sources) & 3
                    if which:
                        _besides(w, f, which)
                        continue
                    phase = w.frames[f].phase
        strands.go(w, f, phase)
