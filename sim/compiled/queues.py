"""Messages and the workers' places that take them; users who think (see ../ENGINES.md, Queues and Clients).

Used by strands.
"""

from __future__ import annotations

import math

from windtunnel.sim.compiled.agenda import main_timer, set_timer, then
from windtunnel.sim.compiled.frames import born, gone
from windtunnel.sim.compiled.jit import jit
from windtunnel.sim.compiled.records import ARRIVAL, LIMIT, MESSAGE, OK, PROGRAM
from windtunnel.sim.compiled.sampling import THINK, based, sample
from windtunnel.sim.compiled.world import World


@jit
def enqueue(w: World, f, queue, program):
    """Put a message on a queue; False: it is full."""
    g = w.g[0]
    s = w.stations[queue]
    if s.limit >= 0 and s.m_waiting >= s.limit:
        return False
    x = w.frames[f]
    m = g.messages_free
    e = w.messages[m]
    g.messages_free = e.next
    e.salt = x.salt
    e.request = x.request
    e.root = x.root
    e.program = program
    e.receives = 0
    e.done = 0
    e.queue = queue
    e.prio = x.prio
    e.tenant = x.tenant
    e.prompt = x.prompt
    e.given_in = x.given_in
    e.given_out = x.given_out
    e.copies = 0
    _waits(w, m)
    hand_out(w, queue)
    return True


@jit
def _waits(w: World, m):
    """Last in line."""
    e = w.messages[m]
    s = w.stations[e.queue]
    e.next = -1
    e.waits = 1
    if s.m_last >= 0:
        w.messages[s.m_last].next = m
    else:
        s.m_first = m
    s.m_last = m
    s.m_waiting += 1


@jit
def _take(w: World, queue):
    """The first message that is not done already; -1: none waits."""
    s = w.stations[queue]
    while s.m_first >= 0:
        m = s.m_first
        e = w.messages[m]
        s.m_first = e.next
        if s.m_first < 0:
            s.m_last = -1
        s.m_waiting -= 1
        e.waits = 0
        if not e.done:
            return m
        _forget(w, m)
    return -1


@jit
def _forget(w: World, m):
    """A message that nobody works on, that does not wait and has no timer is no more."""
    g = w.g[0]
    e = w.messages[m]
    if e.copies == 0 and not e.waits:
        e.next = g.messages_free
        g.messages_free = m


@jit
def hand_out(w: World, queue):
    """Messages that wait go to places that are idle."""
    s = w.stations[queue]
    while s.idle_first >= 0 and s.m_waiting > 0:
        place = s.idle_first
        p = w.places[place]
        m = _take(w, queue)
        if m < 0:
            return
        s.idle_first = p.next
        if s.idle_first < 0:
            s.idle_last = -1
        p.idle = 0
        _deliver(w, m, place)


@jit
def rests(w: World, place, queue):
    """A place is idle, from now on the last one."""
    s = w.stations[queue]
    p = w.places[place]
    if p.idle or p.replica >= w.stations[p.station].active:
        return
    p.idle = 1
    p.next = -1
    if s.idle_last >= 0:
        w.places[s.idle_last].next = place
    else:
        s.idle_first = place
    s.idle_last = place


@jit
def part(w: World, queue, station):
    """Idle places of replicas that are no longer active leave the line."""
    s = w.stations[queue]
    before = -1
    place = s.idle_first
    while place >= 0:
        p = w.places[place]
        after = p.next
        if p.station == station and p.replica >= w.stations[station].active:
            p.idle = 0
            if before >= 0:
                w.places[before].next = after
            else:
                s.idle_first = after
            if after < 0:
                s.idle_last = before
        else:
            before = place
        place = after


@jit
def _deliver(w: World, m, place):
    """A place's strand begins with a message."""
    e = w.messages[m]
    p = w.places[place]
    p.message = 1
    f = born(w, MESSAGE, PROGRAM)
    x = w.frames[f]
    e.receives += 1
    e.copies += 1
    x.salt = based(e.salt, e.receives) if e.receives > 1 else e.salt
    x.request = e.request
    x.root = e.root
    x.prio = e.prio
    x.tenant = e.tenant
    x.prompt = e.prompt
    x.callee = p.replica
    x.within = -1
    x.parent = -1
    x.deadline = math.inf
    x.pc = e.program
    x.c_last = OK
    x.attempt = e.receives - 1
    x.rkey = (e.request + 1) << 8 | (e.receives - 1)
    x.written = -1.0
    x.message = m
    x.place = place
    x.inst = w.stations[p.station].first + p.replica
    x.epoch = e.receives
    x.given_in = e.given_in
    x.given_out = e.given_out
    then(w, f, PROGRAM)
    set_timer(w, main_timer(w, f) + 3, w.g[0].now + w.stations[e.queue].visibility, LIMIT | x.rkey)


@jit
def invisible_no_more(w: World, f):
    """A message was not finished in time: it waits again, or is a dead letter. Its worker goes on with it."""
    x = w.frames[f]
    m = x.message
    e = w.messages[m]
    s = w.stations[e.queue]
    if e.done:
        return
    if e.receives >= s.receives:
        s.dead_letters += 1
        e.done = 1
        return
    _waits(w, m)
    hand_out(w, e.queue)


@jit
def finished(w: World, f, well):
    """A place is through with a message, and takes the next one. Without success its timer stays."""
    x = w.frames[f]
    m = x.message
    e = w.messages[m]
    queue = e.queue
    place = x.place
    p = w.places[place]
    p.message = 0
    if well:
        e.done = 1
    timer = main_timer(w, f) + 3
    if well or w.positions[timer] < 0:
        e.copies -= 1
        if e.done:
            _forget(w, m)
        gone(w, f)
    else:
        x.kind = -2  # only its timer is left of it
    rests_or_takes(w, place, queue, p.station)


@jit
def rests_or_takes(w: World, place, queue, station):
    """The next message for a place that has become free."""
    p = w.places[place]
    if p.replica >= w.stations[station].active:
        return
    m = _take(w, queue)
    if m >= 0:
        _deliver(w, m, place)
    else:
        rests(w, place, queue)


@jit
def timer(w: World, f):
    """The timer of a message that was taken has come."""
    x = w.frames[f]
    m = x.message
    ghost = x.kind == -2
    if ghost:
        w.messages[m].copies -= 1
    invisible_no_more(w, f)
    if ghost:
        gone(w, f)
        if w.messages[m].done:
            _forget(w, m)


@jit
def thinks(w: World, user, k):
    """A user's next request is planned, if it comes before the end."""
    g = w.g[0]
    request = k * g.users + user
    base = based(g.root, request)
    at = g.now + sample(w.distributions, w.numbers, g.think, base, THINK) / 1000
    if at < g.duration:
        set_timer(w, g.closed + user, at, ARRIVAL | (request + 1) << 8)
        w.sources[g.closed + user].a = k
