"""What a station turns away at once: rate limits, a crash (see ../ENGINES.md, Arrival). Used by visits."""

from __future__ import annotations

from windtunnel.sim.compiled.agenda import then_cancel
from windtunnel.sim.compiled.exchanges import BY_CUT, end
from windtunnel.sim.compiled.jit import jit
from windtunnel.sim.compiled.records import ENDED, ERROR, REJECTED
from windtunnel.sim.compiled.tokens import input_tokens, output_tokens
from windtunnel.sim.compiled.world import World


@jit
def turned_away(w: World, f):
    """The checks of a station that has any: an outcome, or -1: it may stay."""
    g = w.g[0]
    x = w.frames[f]
    n = w.instances[x.inst]
    s = w.stations[n.station]
    if s.rate > 0:
        b = w.buckets[s.buckets + (x.tenant if s.per_tenant else 0)]
        b.tokens = min(s.burst, b.tokens + (g.now - b.at) * s.rate)
        b.at = g.now
        if b.tokens < 1:
            return REJECTED
        b.tokens -= 1
    if s.rpm > 0 or s.tpm > 0:
        late = _beyond_limits(w, f)
        if late > 0:
            x.retry_after = late
            return REJECTED
    if s.crash_above >= 0:
        if g.now < n.down_until:
            return ERROR
        if n.in_flight > s.crash_above:
            _crash(w, x.inst)
    return -1


@jit
def _beyond_limits(w: World, f):
    """How long until a limit of requests or tokens per minute allows it; 0: now, and it is charged."""
    x = w.frames[f]
    s = w.stations[w.instances[x.inst].station]
    now = w.g[0].now
    need = float(input_tokens(w, f) + output_tokens(w, f))
    requests = w.buckets[s.limit]
    tokens = w.buckets[s.limit + 1]
    late = 0.0
    if s.rpm > 0:
        requests.tokens = min(float(s.rpm), requests.tokens + (now - requests.at) * (s.rpm / 60))
        requests.at = now
        if requests.tokens < 1:
            late = max(late, (1 - requests.tokens) / (s.rpm / 60))
    if s.tpm > 0:
        tokens.tokens = min(float(s.tpm), tokens.tokens + (now - tokens.at) * (s.tpm / 60))
        tokens.at = now
        if tokens.tokens < need:
            late = max(late, (need - tokens.tokens) / (s.tpm / 60))
    if late > 0:
        return late
    if s.rpm > 0:
        requests.tokens -= 1
    if s.tpm > 0:
        tokens.tokens -= need
    return 0.0


@jit
def _crash(w: World, i):
    """A replica goes down with everything that has arrived at it."""
    g = w.g[0]
    n = w.instances[i]
    s = w.stations[n.station]
    n.crash_from = g.now
    n.down_until = g.now + s.crash_restart
    for wire in range(w.g[0].links):
        if w.wires[wire].callee != n.station:
            continue
        c = w.wires[wire].up_head
        while c >= 0:
            after = w.frames[c].up_next
            if w.frames[c].inst == i and w.frames[c].arrived >= 0:
                if w.frames[c].marks & ENDED:
                    then_cancel(w, c)
                else:
                    end(w, c, ERROR, BY_CUT)
            c = after
