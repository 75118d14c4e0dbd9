"""What a cache has, who waits for the same answer, what a standby does not know yet (see ../ENGINES.md).

Used by strands.
"""

from __future__ import annotations

from windtunnel.sim.compiled import callers, lists
from windtunnel.sim.compiled.agenda import then
from windtunnel.sim.compiled.frames import root_of
from windtunnel.sim.compiled.jit import jit
from windtunnel.sim.compiled.records import HIT, IN_FLIGHT, LANDED, MISS, OK
from windtunnel.sim.compiled.sampling import HIT as HIT_DRAW
from windtunnel.sim.compiled.sampling import LAG, sample, uniform
from windtunnel.sim.compiled.world import World

WORK, LOOKUP, STORE = 0, 1, 2


@jit
def _take_out(w: World, i, prompt):
    n = w.instances[i]
    e = w.stored[n.cache_at + prompt]
    e.there = 0
    n.cache_size -= 1
    if e.prev >= 0:
        w.stored[n.cache_at + e.prev].next = e.next
    else:
        n.recent = e.next
    if e.next >= 0:
        w.stored[n.cache_at + e.next].prev = e.prev
    else:
        n.oldest = e.prev


@jit
def _put_first(w: World, i, prompt):
    n = w.instances[i]
    e = w.stored[n.cache_at + prompt]
    e.there = 1
    n.cache_size += 1
    e.prev = -1
    e.next = n.recent
    if n.recent >= 0:
        w.stored[n.cache_at + n.recent].prev = prompt
    else:
        n.oldest = prompt
    n.recent = prompt


@jit
def store(w: World, i, prompt):
    """An answer is kept from now on, and perhaps the one that was not used for longest is not."""
    n = w.instances[i]
    s = w.stations[n.station]
    if w.stored[n.cache_at + prompt].there:
        _take_out(w, i, prompt)
    _put_first(w, i, prompt)
    w.stored[n.cache_at + prompt].until = w.g[0].now + s.ttl
    if s.capacity >= 0 and n.cache_size > s.capacity:
        _take_out(w, i, n.oldest)
        s.evictions += 1


@jit
def empty(w: World, i):
    """A replica that was killed comes back with nothing."""
    n = w.instances[i]
    while n.recent >= 0:
        _take_out(w, i, n.recent)


@jit
def look_up_or_store(w: World, f):
    """What a visit at a cache comes to."""
    x = w.frames[f]
    h = w.hops[x.hop]
    n = w.instances[x.inst]
    s = w.stations[n.station]
    if s.hit_ratio >= 0:
        if h.role == STORE:
            return OK
        return HIT if uniform(x.origin, h.place | x.attempt << 32 | HIT_DRAW) < s.hit_ratio else MISS
    if h.role == STORE:
        store(w, x.inst, x.prompt)
        return OK
    e = w.stored[n.cache_at + x.prompt]
    if not e.there:
        return MISS
    if e.until <= w.g[0].now:
        _take_out(w, x.inst, x.prompt)
        return MISS
    if s.capacity >= 0:
        _take_out(w, x.inst, x.prompt)
        _put_first(w, x.inst, x.prompt)
    if s.reset_on_hit:
        e.until = w.g[0].now + s.ttl
    return HIT


# Singleflight


@jit
def leads(w: World, f, lane):
    """After a miss: True: nobody is fetching this answer, so this strand does; False: it waits."""
    g = w.g[0]
    x = w.frames[f]
    flight = w.lanes[lane].flights
    while flight >= 0 and w.flights[flight].key != x.prompt:
        flight = w.flights[flight].next
    if flight >= 0:
        fetch = w.flights[flight]
        x.phase = IN_FLIGHT
        x.c_child0 = flight
        lists.insert(w, fetch, fetch.tail, f)
        return False
    flight = g.flights_free
    fetch = w.flights[flight]
    g.flights_free = fetch.next
    fetch.key = x.prompt
    fetch.lane = lane
    fetch.head = -1
    fetch.tail = -1
    fetch.outer = x.flight
    fetch.next = w.lanes[lane].flights
    w.lanes[lane].flights = flight
    x.flight = flight
    return True


@jit
def _leave(w: World, f, flight):
    lists.remove(w, w.flights[flight], f)
    w.frames[f].c_child0 = -1


@jit
def stop_waiting(w: World, f):
    """A strand that waits for another's answer is cancelled. One that was already told is in no line."""
    if w.frames[f].c_child0 >= 0:
        _leave(w, f, w.frames[f].c_child0)


@jit
def land(w: World, f, well):
    """The answer is there, and all who wait have it; or it is not, and the first of them fetches it."""
    g = w.g[0]
    x = w.frames[f]
    while x.flight >= 0:
        flight = x.flight
        fetch = w.flights[flight]
        x.flight = fetch.outer
        if not well and fetch.head >= 0:
            heir = fetch.head
            _leave(w, heir, flight)
            fetch.outer = w.frames[heir].flight
            w.frames[heir].flight = flight
            w.frames[heir].c_got = MISS
            then(w, heir, LANDED)
        else:
            while fetch.head >= 0:
                waiting = fetch.head
                _leave(w, waiting, flight)
                w.frames[waiting].c_got = HIT
                then(w, waiting, LANDED)
            lane = w.lanes[fetch.lane]
            if lane.flights == flight:
                lane.flights = fetch.next
            else:
                before = lane.flights
                while w.flights[before].next != flight:
                    before = w.flights[before].next
                w.flights[before].next = fetch.next
            fetch.next = g.flights_free
            g.flights_free = flight
        if well:
            return


@jit
def stale(w: World, f):
    """A read at a standby of what the same request has written less than a replication lag ago is counted."""
    x = w.frames[f]
    h = w.hops[x.hop]
    s = w.stations[h.callee]
    r = root_of(w, f)
    if s.lag < 0 or s.reign_count == 0 or r < 0:
        return
    now = w.g[0].now
    root = w.frames[r]
    if not h.reads:
        root.written = now
        root.message = h.callee
    elif x.callee != callers.reigning(w, h.callee) and root.written >= 0 and root.message == h.callee:
        lag_ms = sample(w.distributions, w.numbers, s.lag, x.origin, h.place | x.attempt << 32 | LAG)
        if now - root.written < lag_ms / 1000:
            s.stale += 1
