"""What a caller decides: which replica, whether its breaker allows, whom it leaves out (see ../ENGINES.md).

Used by strands.
"""

from __future__ import annotations

import math

from windtunnel.sim.compiled.jit import hot, jit
from windtunnel.sim.compiled.records import MISS
from windtunnel.sim.compiled.sampling import BALANCE, based, uniform
from windtunnel.sim.compiled.world import World

ROUND_ROBIN, RANDOM, LEAST_REQUESTS, POWER_OF_TWO, HASH = range(5)
CLOSED, OPENED, HALF_OPEN = 0, 1, 2


@jit
def reigning(w: World, s):
    """The replica that is a database's primary now."""
    station = w.stations[s]
    replica = w.spells[station.reign].replica
    for n in range(station.reign, station.reign + station.reign_count):
        if w.spells[n].begin <= w.g[0].now:
            replica = w.spells[n].replica
    return replica


@jit
def _left_out(w: World, wire, lane, replica):
    now = w.g[0].now
    link = w.wires[wire]
    for n in range(link.sick, link.sick + link.sicks):
        spell = w.spells[n]
        if spell.replica == replica and spell.begin <= now < spell.end:
            return True
    if link.checks and link.health > 0:
        station = w.stations[link.callee]
        if station.crash_above >= 0:
            inst = w.instances[station.first + replica]
            seen = math.ceil(inst.crash_from / link.health) * link.health
            over = math.ceil(inst.down_until / link.health) * link.health
            if inst.down_until > 0 and seen <= now < over:
                return True
    return link.ejection > 0 and w.pairs[w.lanes[lane].first_pair + replica].until > now


@jit
def _choose_carefully(w: World, hop, lane, turn, base, attempt, prompt):
    h = w.hops[hop]
    link = w.wires[h.wire]
    station = w.stations[h.callee]
    primary = -1
    if station.reign_count > 0:
        primary = reigning(w, h.callee)
        if not h.reads or station.active <= 1:
            return primary
    k = 0
    out = 0
    for r in range(station.active):
        if r != primary:
            k += 1
            out += 1 if _left_out(w, h.wire, lane, r) else 0
    everybody = 2 * out > k
    n = k if everybody else k - out
    pairs = w.lanes[lane].first_pair
    want, other = turn % n, -1
    if link.balance == RANDOM:
        want = int(uniform(base, h.place | attempt << 32 | BALANCE) * n)
    elif link.balance == POWER_OF_TWO and n > 1:
        want = int(uniform(base, h.place | attempt << 32 | BALANCE) * n)
        other = int(uniform(base, h.place | attempt << 32 | BALANCE | 1) * (n - 1))
        if other >= want:
            other += 1
    chosen, second = -1, -1
    best = w.g[0].root  # any unsigned number
    fewest, fewest_at = -1, 0
    place = 0
    for r in range(station.active):
        if r == primary or (not everybody and _left_out(w, h.wire, lane, r)):
            continue
        if link.balance == HASH:
            weight = _weight(w, prompt, r)
            if chosen < 0 or weight > best:
                best = weight
                chosen = r
        elif link.balance == LEAST_REQUESTS:
            load = w.pairs[pairs + r].under_way
            after = (place - want) % n  # places are looked at from ``want`` on
            if fewest < 0 or load < fewest or (load == fewest and after < fewest_at):
                fewest, fewest_at, chosen = load, after, r
        else:
            if place == want:
                chosen = r
            if place == other:
                second = r
        place += 1
    if other >= 0 and w.pairs[pairs + second].under_way < w.pairs[pairs + chosen].under_way:
        chosen = second
    return chosen


@hot
def _weight(w: World, prompt, r):
    return based(based(w.g[0].root, prompt), r)


@hot
def choose(w: World, hop, lane, base, attempt, prompt):
    """The callee's replica."""
    h = w.hops[hop]
    link = w.wires[h.wire]
    if link.callees == 1 and not link.checks:
        return 0
    turn = w.lanes[lane].turn
    w.lanes[lane].turn += 1
    if link.balance == ROUND_ROBIN and not link.checks:
        active = w.stations[h.callee].active
        return 0 if active == 1 else turn % active
    return _choose_carefully(w, hop, lane, turn, base, attempt, prompt)


@jit
def allows(w: World, wire, lane):
    """Whether the breaker lets an exchange start."""
    link = w.wires[wire]
    n = w.lanes[lane]
    if n.state == OPENED and w.g[0].now >= n.opened + link.open_for:
        n.state = HALF_OPEN
        n.probing = 0
        n.good = 0
    return n.state == CLOSED or (n.state == HALF_OPEN and n.probing < link.probes)


@jit
def note(w: World, f):
    """An exchange ended by itself: breaker and ejection learn of it."""
    x = w.frames[f]
    link = w.wires[x.wire]
    well = x.outcome <= MISS
    if link.ejection > 0:
        pair = w.pairs[w.lanes[x.lane].first_pair + x.callee]
        if well:
            pair.failures = 0
        else:
            pair.failures += 1
            if pair.failures >= link.ejection:
                pair.failures = 0
                pair.until = w.g[0].now + link.eject_for
    if link.probes > 0:
        _note_breaker(w, x.wire, x.lane, x.epoch, well)


@jit
def _opens(w: World, lane):
    n = w.lanes[lane]
    n.state = OPENED
    n.opened = w.g[0].now
    n.epoch += 1
    n.probing = 0
    n.good = 0
    n.failures = 0
    n.ring_n = 0
    n.ring_at = 0
    n.ring_bad = 0


@jit
def _note_breaker(w: World, wire, lane, epoch, well):
    link = w.wires[wire]
    n = w.lanes[lane]
    if epoch != n.epoch:
        return
    if n.state == HALF_OPEN:
        n.probing -= 1
        if not well:
            _opens(w, lane)
            return
        n.good += 1
        if n.good >= link.probes:
            n.state = CLOSED
            n.failures = 0
            n.ring_n = 0
            n.ring_at = 0
            n.ring_bad = 0
        return
    if link.breaker_failures > 0:
        n.failures = 0 if well else n.failures + 1
        if n.failures >= link.breaker_failures:
            _opens(w, lane)
        return
    at = link.ring + (lane - link.first_lane) * link.breaker_calls + n.ring_at
    if n.ring_n == link.breaker_calls:
        n.ring_bad -= w.ring[at]
    else:
        n.ring_n += 1
    w.ring[at] = 0 if well else 1
    n.ring_bad += w.ring[at]
    n.ring_at = (n.ring_at + 1) % link.breaker_calls
    if n.ring_n == link.breaker_calls and n.ring_bad >= link.breaker_ratio * link.breaker_calls:
        _opens(w, lane)


@jit
def forget_probe(w: World, f):
    """A cancelled exchange gives its probe's place back."""
    x = w.frames[f]
    n = w.lanes[x.lane]
    if w.wires[x.wire].probes > 0 and n.state == HALF_OPEN and x.epoch == n.epoch:
        n.probing -= 1
