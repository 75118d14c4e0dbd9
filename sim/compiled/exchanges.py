"""Exchanges: how they begin and end, their limits, their connections. Used by strands and whatever ends one."""

from __future__ import annotations

import math

from windtunnel.sim.compiled import callers, line, tally, wires
from windtunnel.sim.compiled.agenda import main_timer, set_at, set_timer, take_back, then, then_cancel
from windtunnel.sim.compiled.frames import born, client_span, hand_on, server_span, tokens_heard
from windtunnel.sim.compiled.jit import hot, jit
from windtunnel.sim.compiled.limits import list_limit, unlist_limit
from windtunnel.sim.compiled.pools import disconnect
from windtunnel.sim.compiled.records import (
    ANSWERED,
    BACKING_OFF,
    BACKOFF,
    ENDED,
    ERROR,
    EXCHANGE,
    FAULT,
    HAS_CONNECTION,
    HAS_SLOT,
    IN_FLIGHT_COUNTED,
    LIMIT,
    MISS,
    NOBODY,
    REJECTED,
    START,
    TIMEOUT,
    ZOMBIE,
)
from windtunnel.sim.compiled.sampling import BACKOFF as BACKOFF_DRAW
from windtunnel.sim.compiled.sampling import based, uniform
from windtunnel.sim.compiled.world import World

BY_ITSELF, BY_LIMIT, BY_CUT, BY_CALLER = 0, 1, 2, 3
NO_JITTER, FULL, EQUAL, DECORRELATED = range(4)


@jit
def alarm(w: World, wire):
    """A wire's timer has come: its first limit is due, or has become void and the next one takes its place."""
    link = w.wires[wire]
    f = link.lim_head
    if f < 0:
        return
    x = w.frames[f]
    due = w.heap[0]  # what has just been taken still lies there
    its = w.ranks[link.alarm]
    if x.limit == due.t and LIMIT | x.rkey == its.key and x.limit_order == its.order:
        end(w, f, TIMEOUT, BY_LIMIT)
        f = link.lim_head
        if f < 0:
            return
        x = w.frames[f]
    set_at(w, link.alarm, x.limit, LIMIT | x.rkey, x.limit_order)


@hot
def start(w: World, f, hop, attempt):
    """An exchange begins; it goes on from START."""
    g = w.g[0]
    p = w.frames[f]
    h = w.hops[hop]
    wire = h.wire
    link = w.wires[wire]
    c = born(w, EXCHANGE, START)
    x = w.frames[c]
    x.parent = f
    hand_on(w, f, c)
    x.origin = x.salt
    if attempt > 0:  # what a further attempt asks of others is asked anew
        x.salt = based(x.salt, attempt << 32)
    x.within = c
    x.hop = hop
    x.wire = wire
    x.attempt = attempt
    x.rkey = (p.request + 1) << 8 | attempt
    x.caller_rep = p.callee
    lane = link.first_lane + p.callee
    x.lane = lane
    x.callee = callers.choose(w, hop, lane, p.salt, attempt, p.prompt)
    x.inst = w.stations[h.callee].first + x.callee
    x.began = g.now
    link.attempts += 1
    own_limit = g.now + link.timeout
    limit = p.c_deadline if p.c_deadline < own_limit else own_limit
    x.limit = limit
    x.deadline = limit if link.propagates else math.inf
    if limit < math.inf:
        g.order += 1
        x.limit_order = g.order
        if limit == own_limit:
            list_limit(w, c)
        else:  # cut short by a deadline: not in the list's order
            set_at(w, main_timer(w, c) + 3, limit, LIMIT | x.rkey, x.limit_order)
    if g.tracks:
        x.up_next = -1
        x.up_prev = link.up_tail
        if link.up_tail >= 0:
            w.frames[link.up_tail].up_next = c
        else:
            link.up_head = c
        link.up_tail = c
    if link.counts:
        w.pairs[w.lanes[lane].first_pair + x.callee].under_way += 1
        x.epoch = w.lanes[lane].epoch
        if w.lanes[lane].state == callers.HALF_OPEN:
            w.lanes[lane].probing += 1
    p.c_under_way += 1
    if p.c_child0 < 0:
        p.c_child0 = c
    else:
        p.c_child1 = c
    return c


@jit
def hedge(w: World, f):
    """A second exchange for the same call."""
    x = w.frames[f]
    c = start(w, f, x.c_hop, x.c_attempt)
    x.c_attempt += 1
    then(w, c, START)


@hot
def over(w: World, f, outcome, cancelled):
    """An exchange is over for its caller, who is told by whoever asks. The caller's frame, -1: nobody waits."""
    g = w.g[0]
    x = w.frames[f]
    x.marks |= ENDED
    x.outcome = outcome
    if w.wires[x.wire].counts:
        _counted(w, f, cancelled)
    if x.listed:
        unlist_limit(w, f)
    elif x.limit < math.inf:
        take_back(w, main_timer(w, f) + 3)
    if g.record_spans:
        client_span(w, f)
    if g.sketches:
        tally.call(w, f)
    p = x.parent
    if p < 0:
        return -1
    x.parent = -1
    y = w.frames[p]
    if y.c_child0 == f:
        y.c_child0 = -1
    else:
        y.c_child1 = -1
    y.c_under_way -= 1
    if not y.c_won:
        y.c_got = outcome
        y.c_retry_after = x.retry_after if outcome == REJECTED else 0.0
        y.c_heard = x.heard
        y.c_tokens = tokens_heard(w, f) if x.tokens >= 0 else -1
        y.c_won = outcome <= MISS
    return p


@jit
def _counted(w: World, f, cancelled):
    x = w.frames[f]
    w.pairs[w.lanes[x.lane].first_pair + x.callee].under_way -= 1
    if cancelled:
        callers.forget_probe(w, f)
    else:
        callers.note(w, f)


@jit
def end(w: World, f, outcome, how):
    """An exchange ends before its strand has come to its end; only the first end counts."""
    g = w.g[0]
    x = w.frames[f]
    if x.marks & ENDED:
        return
    link = w.wires[x.wire]
    zombie = how == BY_LIMIT and link.survives_timeout and x.arrived >= 0
    if g.tracks and not zombie:
        leave_wire(w, f)
    p = over(w, f, outcome, how == BY_CALLER)
    if p >= 0 and how != BY_CALLER:
        then(w, p, ANSWERED)
    if zombie:
        x.marks |= ZOMBIE
        until = connection_until(w, f)
        if until > g.now:
            set_timer(w, main_timer(w, f) + 3, until, FAULT | NOBODY)
        else:
            disconnect(w, f)
    elif how != BY_ITSELF:
        then_cancel(w, f)


@jit
def leave_wire(w: World, f):
    """No longer among those under way on its wire."""
    x = w.frames[f]
    link = w.wires[x.wire]
    if x.up_prev >= 0:
        w.frames[x.up_prev].up_next = x.up_next
    else:
        link.up_head = x.up_next
    if x.up_next >= 0:
        w.frames[x.up_next].up_prev = x.up_prev
    else:
        link.up_tail = x.up_prev


@hot
def release(w: World, f, outcome):
    """The callee is through with it: its place goes to the next, and its span is written."""
    x = w.frames[f]
    n = w.instances[x.inst]
    station = w.stations[n.station]
    if x.marks & IN_FLIGHT_COUNTED:
        x.marks &= ~IN_FLIGHT_COUNTED
        if station.used:
            integrate(w, x.inst)
        n.in_flight -= 1
    if x.marks & HAS_SLOT:
        x.marks &= ~HAS_SLOT
        if station.shed == line.ADAPTIVE:
            line.adapt(w, x.inst, outcome <= MISS and w.g[0].now - x.admitted <= station.shed_a)
        n.busy -= 1
        if n.waiting > 0:
            line.serve_line(w, x.inst)
    if w.g[0].record_spans and station.traced:
        server_span(w, f, outcome)


@jit
def integrate(w: World, i):
    """An autoscaler's means: in flight and waiting, over time."""
    n = w.instances[i]
    passed = w.g[0].now - n.sum_at
    n.flight_sum += n.in_flight * passed
    n.line_sum += n.waiting * passed
    n.sum_at = w.g[0].now


@jit
def connection_until(w: World, f):
    """How long the connection of an exchange that was given up is kept."""
    x = w.frames[f]
    link = w.wires[x.wire]
    if x.marks & HAS_CONNECTION and link.to_database and link.active_faults:
        return wires.lingers_until(w, f)
    return w.g[0].now


@jit
def retry(w: World, f):
    """A call has failed; False: it is not tried again."""
    g = w.g[0]
    x = w.frames[f]
    h = w.hops[x.c_hop]
    link = w.wires[h.wire]
    attempt = max(x.c_attempt - 1, 0)
    whole = min(link.max_backoff, link.backoff * 2.0**x.c_tries)
    u = uniform(x.salt, h.place | attempt << 32 | BACKOFF_DRAW)
    pause = u * whole
    if link.jitter == NO_JITTER:
        pause = whole
    elif link.jitter == EQUAL:
        pause = whole / 2 + u * (whole / 2)
    elif link.jitter == DECORRELATED:
        pause = min(link.max_backoff, link.backoff + u * (3 * x.c_prev - link.backoff))
        x.c_prev = pause
    due = g.now + max(pause, x.c_retry_after)
    if due >= x.c_deadline:
        return False
    if link.budget_ratio > 0:
        n = w.lanes[link.first_lane + x.callee]
        if n.budget < 1:
            return False
        n.budget -= 1
    x.c_tries += 1
    link.again += 1
    x.phase = BACKING_OFF
    set_timer(w, main_timer(w, f), due, BACKOFF | (x.request + 1) << 8 | attempt)
    return True


@jit
def forget_hedge(w: World, f):
    """A call is decided: whatever else was asked for it is not waited for."""
    x = w.frames[f]
    take_back(w, main_timer(w, f))
    c = x.c_child0 if x.c_child0 >= 0 else x.c_child1
    if c >= 0:
        if w.wires[w.hops[x.c_hop].wire].survives_cancel:
            w.frames[c].parent = -1
            x.c_child0 = -1
            x.c_child1 = -1
        else:
            end(w, c, ERROR, BY_CALLER)
    x.c_under_way = 0
