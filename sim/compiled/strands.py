"""What a strand does until it waits: the state machine of the compiled engine (see ../ENGINES.md). Used by the kernel.

``go`` is the heart: a frame and what it goes on from, in; everything up to the point where nobody can go on without
time passing or somebody else's consequence, out. Where a strand hands over to another one and nothing else is due
before that, ``go`` goes on with the other one at once, which is the same as queueing it.
"""

from __future__ import annotations

import math

from windtunnel.sim.compiled import batch, caches, callers, line, processor, queues, room, tally, wires
from windtunnel.sim.compiled.agenda import first, main_timer, set_at, set_timer, take_back, then, then_cancel
from windtunnel.sim.compiled.frames import born, client_span, ended, gone, hand_on, root_of, server_span, tokens_heard
from windtunnel.sim.compiled.jit import hot, jit
from windtunnel.sim.compiled.records import (
    AGAIN,
    ANSWERED,
    BACKING_OFF,
    BACKOFF,
    BATCH_DECODE,
    BATCH_PREFILL,
    BRANCH,
    BURN,
    BURNING,
    CALL,
    CALLING,
    CHOOSE,
    CLIENT,
    COMPUTING,
    DECODE,
    DEPARTURE,
    END,
    ENDED,
    ENQUEUE,
    ERROR,
    EXCHANGE,
    FAULT,
    FIRST_LATE,
    FIRST_LINK,
    FOLLOWING,
    FORK,
    FORKED,
    GRANTED,
    HAS_CONNECTION,
    HAS_SLOT,
    HELD,
    HIT,
    IN_FLIGHT,
    IN_FLIGHT_COUNTED,
    INVOKING,
    JOINED,
    JUMP,
    LAND,
    LANDED,
    LEG_BACK,
    LEG_OUT,
    LIMIT,
    LINE,
    LINGERING,
    LINK_BACK,
    LINK_OUT,
    LOOP,
    LOST,
    MESSAGE,
    MISS,
    NOBODY,
    OK,
    ON_END,
    ON_NEXT,
    OPEN,
    POOL,
    POOLED,
    PREFILL,
    PROGRAM,
    PROGRAM_ENDS,
    REFUSED,
    REJECTED,
    REQUEST_ENDS,
    RESUMED,
    SERVED,
    SHED,
    START,
    TIMEOUT,
    TURNING,
    WAITING,
    WARMED,
    WORKED,
    ZOMBIE,
)
from windtunnel.sim.compiled.sampling import (
    BACKOFF as BACKOFF_DRAW,
)
from windtunnel.sim.compiled.sampling import (
    CHOICE,
    FIRST_TOKEN,
    INPUT_TOKENS,
    LINK,
    OUTPUT_TOKENS,
    PREFIX,
    SERVICE,
    TIMES,
    TOKEN,
    TURN,
    based,
    sample,
    uniform,
)
from windtunnel.sim.compiled.world import World

BY_ITSELF, BY_LIMIT, BY_CUT, BY_CALLER = 0, 1, 2, 3
NO_JITTER, FULL, EQUAL, DECORRELATED = range(4)
NO_CALL = 30
"""In the place of an outcome: there was none in this iteration."""
LOOPS = 4
"""How deep repeats can be nested within one strand."""


# Limits: one list per wire, in the order in which they come, behind one timer


@jit
def _list_limit(w: World, f):
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
def _unlist_limit(w: World, f):
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


@jit
def alarm(w: World, wire):
    """A wire's timer has come: its first limit is due, or has become void and the next one takes its place."""
    link = w.wires[wire]
    f = link.lim_head
    if f < 0:
        return
    x = w.frames[f]
    due = w.heap[0]  # what has just been taken still lies there
    if x.limit == due.t and LIMIT | x.rkey == due.key and x.limit_order == due.order:
        end(w, f, TIMEOUT, BY_LIMIT)
        f = link.lim_head
        if f < 0:
            return
        x = w.frames[f]
    set_at(w, link.alarm, x.limit, LIMIT | x.rkey, x.limit_order)


# Exchanges


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
    limit = min(g.now + link.timeout, p.c_deadline)
    x.limit = limit
    x.deadline = limit if link.propagates else math.inf
    if limit < math.inf:
        g.order += 1
        x.limit_order = g.order
        if limit == g.now + link.timeout:
            _list_limit(w, c)
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
        _unlist_limit(w, f)
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
        _leave_wire(w, f)
    p = over(w, f, outcome, how == BY_CALLER)
    if p >= 0 and how != BY_CALLER:
        then(w, p, ANSWERED)
    if zombie:
        x.marks |= ZOMBIE
        until = _connection_until(w, f)
        if until > g.now:
            set_timer(w, main_timer(w, f) + 3, until, FAULT | NOBODY)
        else:
            disconnect(w, f)
    elif how != BY_ITSELF:
        then_cancel(w, f)


@jit
def _leave_wire(w: World, f):
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


@jit
def disconnect(w: World, f):
    """Give a connection back to its pool."""
    x = w.frames[f]
    if not x.marks & HAS_CONNECTION:
        return
    x.marks &= ~HAS_CONNECTION
    n = w.lanes[x.lane]
    n.busy -= 1
    if n.waiting > 0:
        c = n.head
        _leave_pool(w, c)
        n.busy += 1
        w.frames[c].marks |= HAS_CONNECTION
        then(w, c, POOLED)


@jit
def _leave_pool(w: World, f):
    x = w.frames[f]
    n = w.lanes[x.lane]
    if x.q_prev >= 0:
        w.frames[x.q_prev].q_next = x.q_next
    else:
        n.head = x.q_next
    if x.q_next >= 0:
        w.frames[x.q_next].q_prev = x.q_prev
    else:
        n.tail = x.q_prev
    x.q_prev = -1
    x.q_next = -1
    n.waiting -= 1


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


# First tokens


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
    half = _half_link(w, f)
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
def _half_link(w: World, f):
    x = w.frames[f]
    h = w.hops[x.hop]
    if h.link < 0:
        return 0.0
    return sample(w.distributions, w.numbers, h.link, x.origin, h.place | x.attempt << 32 | LINK) / 2


# Cancellation


@jit
def cancel(w: World, f):
    """A strand gives up everything, innermost first."""
    g = w.g[0]
    x = w.frames[f]
    phase = x.phase
    if phase in (CALLING, BACKING_OFF):
        for n in range(2):
            c = x.c_child0 if n == 0 else x.c_child1
            if c >= 0:
                if w.wires[w.frames[c].wire].survives_cancel:
                    w.frames[c].parent = -1
                else:
                    end(w, c, ERROR, BY_CALLER)
        x.c_child0 = -1
        x.c_child1 = -1
    elif phase == FORKED:
        cancel_branches(w, f)
    elif phase == IN_FLIGHT:
        caches.stop_waiting(w, f)
    if x.flight >= 0:
        caches.land(w, f, False)
    if x.kind == BRANCH:
        _leave_fork(w, f)
        gone(w, f)
        return
    if x.marks & ZOMBIE and g.tracks:
        _leave_wire(w, f)
    if phase == LINE and not x.marks & (HAS_SLOT | SHED):
        if w.stations[w.instances[x.inst].station].used:
            integrate(w, x.inst)
        line.leave(w, f, x.inst)
    elif phase == COMPUTING:
        processor.drop(w, f)
    elif phase == WAITING and x.marks & HAS_SLOT:
        if w.stations[w.instances[x.inst].station].discipline == line.PREEMPTIVE:
            line.stop_holding(w, f, x.inst)
    elif phase == POOL and not x.marks & HAS_CONNECTION:
        _leave_pool(w, f)
    if x.marks & WARMED:
        cool(w, f)
    batch.leave(w, f, x.inst)
    if x.marks & IN_FLIGHT_COUNTED:
        release(w, f, ERROR)
    until = _connection_until(w, f)
    if until > g.now:
        x.stamp += 1  # nothing that was to come of it counts any more
        x.phase = LINGERING
        set_timer(w, main_timer(w, f), until, FAULT | NOBODY)
        return
    disconnect(w, f)
    gone(w, f)


@jit
def _connection_until(w: World, f):
    """How long the connection of an exchange that was given up is kept."""
    x = w.frames[f]
    link = w.wires[x.wire]
    if x.marks & HAS_CONNECTION and link.to_database and link.active_faults:
        return wires.lingers_until(w, f)
    return w.g[0].now


@jit
def cancel_branches(w: World, f):
    """Whoever of a fork's branches is still there, in their order."""
    b = w.frames[f].f_first
    w.frames[f].f_first = -1
    while b >= 0:
        then_cancel(w, b)
        w.frames[b].parent = -1
        b = w.frames[b].up_next


@jit
def _leave_fork(w: World, b):
    x = w.frames[b]
    if x.up_prev >= 0:
        w.frames[x.up_prev].up_next = x.up_next
    elif x.parent >= 0 and w.frames[x.parent].f_first == b:
        w.frames[x.parent].f_first = x.up_next
    if x.up_next >= 0:
        w.frames[x.up_next].up_prev = x.up_prev


@jit
def branch_ends(w: World, b, outcome):
    """A branch has come to its end; the fork may be decided by that."""
    x = w.frames[b]
    f = x.parent
    _leave_fork(w, b)
    if f < 0:  # its fork was decided or cancelled meanwhile
        gone(w, b)
        return
    p = w.frames[f]
    p.f_left -= 1
    if outcome <= MISS:
        p.f_good += 1
    elif not p.f_decided:
        p.f_got = outcome
    if not p.f_decided and (p.f_good >= p.f_need or p.f_good + p.f_left < p.f_need):
        p.f_decided = 1
        if p.f_good >= p.f_need:
            p.f_got = OK
        then(w, f, JOINED)
    gone(w, b)


@jit
def fork(w: World, f, op):
    """Branches begin, each a strand of its own."""
    o = w.operations[op]
    p = w.frames[f]
    p.f_need = o.c
    p.f_good = 0
    p.f_left = o.b
    p.f_decided = 0
    p.f_got = ERROR
    p.f_first = -1
    p.phase = FORKED
    last = -1
    for n in range(o.b):
        b = born(w, BRANCH, PROGRAM)
        x = w.frames[b]
        x.parent = f
        hand_on(w, f, b)
        x.within = p.within
        x.callee = p.callee
        x.inst = p.inst
        x.deadline = p.deadline
        x.rkey = p.rkey
        x.hop = p.hop
        x.attempt = p.attempt
        x.pc = w.targets[o.a + n]
        x.limit = math.inf
        x.c_last = OK
        x.up_prev = last
        x.up_next = -1
        if last >= 0:
            w.frames[last].up_next = b
        else:
            p.f_first = b
        last = b
        then(w, b, PROGRAM)


# Warmth, slowness, processor time that is owed


@jit
def warm(w: World, f):
    """A call begins: the factor of its time for how long the component has been idle."""
    x = w.frames[f]
    n = w.instances[x.inst]
    s = w.stations[n.station]
    idle_ms = 0.0 if n.working else (w.g[0].now - n.last_left) * 1000
    n.working += 1
    x.marks |= WARMED
    for row in range(s.warmths):
        if not idle_ms >= w.numbers[s.warmth + 2 * row] or w.numbers[s.warmth + 2 * row] == math.inf:
            return w.numbers[s.warmth + 2 * row + 1]
    return 1.0


@jit
def cool(w: World, f):
    """It has left."""
    x = w.frames[f]
    n = w.instances[x.inst]
    n.working -= 1
    n.last_left = w.g[0].now
    x.marks &= ~WARMED


@jit
def slowness(w: World, i):
    """How many times longer own work takes now."""
    n = w.instances[i]
    s = w.stations[n.station]
    factor = 1.0
    for k in range(s.slow, s.slow + s.slow_count):
        spell = w.spells[k]
        if (spell.replica < 0 or spell.replica == n.replica) and spell.begin <= w.g[0].now < spell.end:
            factor *= spell.factor
    return factor


@jit
def owe(w: World, f, host, owner, source, work):
    """Processor time that nobody waits for: it is burnt when the request has its answer; at once when it has gone."""
    g = w.g[0]
    r = root_of(w, f)
    if r < 0:
        r = born(w, BURN, BURNING)
        w.frames[r].request = w.frames[f].request
        w.frames[r].place = 0  # nothing stands beside it
        then(w, r, BURNING)
    node = g.owed_free
    o = w.owed[node]
    g.owed_free = o.next
    o.work, o.host, o.owner, o.source, o.next = work, host, owner, source, -1
    last = w.frames[r].owed
    if last < 0:
        w.frames[r].owed = node
        return
    while w.owed[last].next >= 0:
        last = w.owed[last].next
    w.owed[last].next = node


@jit
def burn(w: World, f):
    """The next job that is owed; True: there was none left."""
    g = w.g[0]
    x = w.frames[f]
    if x.place > 0:  # what stands beside every request comes first
        n = g.besides - x.place
        x.place -= 1
        work = w.numbers[g.beside + 3 * n + 2]
        host = int(w.numbers[g.beside + 3 * n])
        processor.compute(w, f, processor.lone_thread(w, host, int(w.numbers[g.beside + 3 * n + 1])), work)
        return False
    node = x.owed
    if node < 0:
        return True
    o = w.owed[node]
    x.owed = o.next
    thread = o.source if o.source >= 0 else processor.lone_thread(w, o.host, o.owner)
    processor.compute(w, f, thread, o.work)
    o.next = g.owed_free
    g.owed_free = node
    return False


# Arrival


@jit
def _turned_away(w: World, f):
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
def output_tokens(w: World, f):
    """How much is answered depends on what is asked, not on who asks; a trace goes before."""
    x = w.frames[f]
    h = w.hops[x.hop]
    if x.given_out >= 0:
        return max(1, x.given_out)
    if h.output < 0:
        return 0
    base = based(w.g[0].root, x.prompt)
    return max(1, int(sample(w.distributions, w.numbers, h.output, base, h.place | OUTPUT_TOKENS) + 0.5))


@jit
def input_tokens(w: World, f):
    """The same of the question."""
    x = w.frames[f]
    h = w.hops[x.hop]
    if x.given_in >= 0:
        return max(1, x.given_in)
    if h.input < 0:
        return 0
    base = based(w.g[0].root, x.prompt)
    return max(1, int(sample(w.distributions, w.numbers, h.input, base, h.place | INPUT_TOKENS) + 0.5))


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


# The heart


@jit
def go(w: World, f, phase):
    """Let a strand go on from ``phase`` until nobody can without time passing or another consequence."""
    g = w.g[0]
    outcome = OK
    while True:
        if phase == START:
            x = w.frames[f]
            link = w.wires[x.wire]
            if link.pool >= 0 and link.caller >= 0:
                n = w.lanes[x.lane]
                if n.busy < link.pool:
                    n.busy += 1
                    x.marks |= HAS_CONNECTION
                    x.wait = 0.0
                else:
                    x.phase = POOL
                    x.q_prev = n.tail
                    x.q_next = -1
                    if n.tail >= 0:
                        w.frames[n.tail].q_next = f
                    else:
                        n.head = f
                    n.tail = f
                    n.waiting += 1
                    until = x.began + link.pool_timeout
                    if until < x.limit:
                        set_timer(w, main_timer(w, f), until, LIMIT | x.rkey)
                    return
            phase = POOLED

        if phase == POOLED:  # it has a connection
            x = w.frames[f]
            if x.phase == POOL:
                if w.positions[main_timer(w, f)] >= 0:
                    take_back(w, main_timer(w, f))
                x.wait = g.now - x.began
            if w.wires[x.wire].active_faults:
                one = wires.passes(w, f, wires.UP, float(w.hops[x.hop].request_bytes), 1, 0.0, g.now, -1)
                if one[2] or one[3]:
                    x.phase = LOST
                    return
                if one[1] > 0:
                    x.phase = LEG_OUT
                    x.marks |= HELD
                    set_timer(w, main_timer(w, f), g.now + one[1] / 1000, DEPARTURE | x.rkey)
                    return
            phase = LEG_OUT

        if phase == LEG_OUT:
            x = w.frames[f]
            x.marks &= ~HELD
            half = _half_link(w, f)
            if half > 0:
                x.phase = LINK_OUT
                set_timer(w, main_timer(w, f), g.now + half / 1000, DEPARTURE | x.rkey)
                return
            phase = LINK_OUT

        if phase == LINK_OUT:  # it arrives
            x = w.frames[f]
            n = w.instances[x.inst]
            station = w.stations[n.station]
            x.arrived = g.now
            x.admitted = -1.0
            if station.used:
                integrate(w, x.inst)
            n.in_flight += 1
            x.marks |= IN_FLIGHT_COUNTED
            if station.limits_at > 0:
                outcome = _turned_away(w, f)
            if x.marks & ENDED:  # perhaps by the crash that it caused: its cancellation is on its way
                x.phase = LOST
                return
            if station.limits_at > 0 and outcome >= 0:
                phase = SERVED
                continue
            limit = line.slots(w, x.inst)
            if limit >= 0:
                if station.discipline != line.FIFO:
                    g.order += 1
                    x.order = g.order
                if n.busy < limit and n.waiting == 0:
                    n.busy += 1
                    x.marks |= HAS_SLOT
                else:
                    if station.discipline == line.PREEMPTIVE and line.preempt(w, f, x.inst):
                        n.busy += 1
                        x.marks |= HAS_SLOT
                    elif n.waiting >= station.queue_limit:
                        outcome = REJECTED
                        phase = SERVED
                        continue
                    else:
                        line.join(w, f, x.inst)
                        return
            phase = GRANTED

        if phase == GRANTED:  # it has a place
            x = w.frames[f]
            n = w.instances[x.inst]
            station = w.stations[n.station]
            h = w.hops[x.hop]
            if x.phase == LINE:
                if station.used:
                    integrate(w, x.inst)
                if x.marks & RESUMED:  # it was preempted: the rest of its own work
                    x.marks &= ~RESUMED
                    x.due = g.now + x.target
                    x.phase = WAITING
                    set_timer(w, main_timer(w, f), x.due, DEPARTURE | x.rkey)
                    line.hold(w, f, x.inst)
                    return
            if x.marks & HAS_SLOT:
                x.admitted = g.now
            if h.free_service:
                phase = TURNING
                continue
            place = h.place | x.attempt << 32
            service = sample(w.distributions, w.numbers, h.service, x.origin, place | SERVICE) / 1000
            if station.slow_count:
                service *= slowness(w, x.inst)
            if station.warmths:
                service *= warm(w, f)
            x.due = service
            if station.cpu > 0 and service > 0:
                x.phase = COMPUTING
                thread = n.thread if station.single else processor.lone_thread(w, station.host, n.station)
                processor.compute(w, f, thread, min(service, station.cpu))
                return
            phase = COMPUTING

        if phase == COMPUTING:  # its processor work is done
            x = w.frames[f]
            if x.kind == BURN:
                phase = BURNING
                continue
            n = w.instances[x.inst]
            station = w.stations[n.station]
            service = x.due
            on_processor = min(service, station.cpu)
            if station.cpu > on_processor and station.cpu < math.inf:
                owe(w, f, station.host, n.station, n.thread if station.single else -1, station.cpu - on_processor)
            if service > on_processor:
                x.due = g.now + service - on_processor
                x.phase = WAITING
                set_timer(w, main_timer(w, f), x.due, DEPARTURE | x.rkey)
                if station.discipline == line.PREEMPTIVE and x.marks & HAS_SLOT:
                    line.hold(w, f, x.inst)
                return
            phase = WORKED

        if phase == WAITING:  # its own work's timer has come
            x = w.frames[f]
            if w.stations[w.instances[x.inst].station].discipline == line.PREEMPTIVE and x.marks & HAS_SLOT:
                line.stop_holding(w, f, x.inst)
            phase = WORKED

        if phase == WORKED:  # own work is done
            x = w.frames[f]
            if x.marks & WARMED:
                cool(w, f)
                h = w.hops[x.hop]
                if h.caller >= 0:
                    caller = w.stations[h.caller]
                    thread = w.instances[caller.first + x.caller_rep].thread
                    if caller.single and w.sources[thread].k > 0:
                        part = uniform(x.origin, h.place | x.attempt << 32 | TURN)
                        x.phase = TURNING
                        set_timer(w, main_timer(w, f), g.now + part * caller.turn, DEPARTURE | x.rkey)
                        return
            phase = TURNING

        if phase == TURNING:
            x = w.frames[f]
            h = w.hops[x.hop]
            if h.llm:
                station = w.stations[w.instances[x.inst].station]
                slow = slowness(w, x.inst) if station.slow_count else 1.0
                tokens = output_tokens(w, f)
                place = h.place | x.attempt << 32
                asked = input_tokens(w, f)
                station.tokens_in += asked
                rest = 1.0
                if station.prefix_ratio > 0 and uniform(x.origin, place | PREFIX) < station.prefix_ratio:
                    rest = 1.0 - station.prefix_share
                prefill = sample(w.distributions, w.numbers, h.first_token, x.origin, place | FIRST_TOKEN) / 1000
                prefill = (prefill + station.prefill * asked * rest) * slow
                pace = sample(w.distributions, w.numbers, h.token, x.origin, place | TOKEN)
                decode = (tokens - 1) * pace / 1000 * slow
                x.half = decode
                x.c_tokens = tokens
                if station.slowdown > 0:
                    x.phase = BATCH_PREFILL
                    batch.join(w, f, x.inst, prefill)
                else:
                    x.phase = PREFILL
                    x.due = g.now + prefill
                    set_timer(w, main_timer(w, f), x.due, DEPARTURE | x.rkey)
                return
            phase = PROGRAM

        if phase == PREFILL:
            x = w.frames[f]
            x.decoded = g.now
            w.stations[w.instances[x.inst].station].tokens_out += x.c_tokens
            first_token(w, f, x.c_tokens, x.half)
            x.tokens = x.c_tokens
            x.phase = DECODE
            set_timer(w, main_timer(w, f), x.due + x.half, DEPARTURE | x.rkey)
            return

        if phase == DECODE:
            x = w.frames[f]
            phase = PROGRAM

        if phase == BATCH_PREFILL:
            x = w.frames[f]
            x.decoded = g.now
            w.stations[w.instances[x.inst].station].tokens_out += x.c_tokens
            first_token(w, f, x.c_tokens, x.half * batch.factor(w, x.inst))
            x.tokens = x.c_tokens
            x.phase = BATCH_DECODE
            if x.half > 0:
                batch.further(w, f, x.inst, x.half)
                return
            phase = BATCH_DECODE

        if phase == BATCH_DECODE:
            x = w.frames[f]
            batch.leave(w, f, x.inst)
            phase = PROGRAM

        if phase == REFUSED:
            x = w.frames[f]
            if w.stations[w.instances[x.inst].station].used:
                integrate(w, x.inst)
            outcome = REJECTED
            phase = SERVED

        if phase == PROGRAM:
            x = w.frames[f]
            if x.kind == EXCHANGE and x.phase != PROGRAM:
                x.phase = PROGRAM
                x.pc = w.hops[x.hop].program
                x.c_last = OK
            # one operation after the other, until one waits
            o = w.operations[x.pc]
            if o.op == CALL:
                phase = INVOKING
            elif o.op == END:
                outcome = OK
                phase = PROGRAM_ENDS
            elif o.op == JUMP:
                x.pc = o.next
            elif o.op == CHOOSE:
                x.pc = _chosen(w, f)
            elif o.op == LOOP:
                x.pc = _loop(w, f)
            elif o.op == AGAIN:
                x.pc = _again(w, f)
            elif o.op == LAND:
                caches.land(w, f, True)
                x.pc = o.next
            elif o.op == FORK:
                if room.short(w):
                    first(w, f, PROGRAM)
                    return
                fork(w, f, x.pc)
                return
            elif o.op == ENQUEUE:
                if room.short(w):
                    first(w, f, PROGRAM)
                    return
                if queues.enqueue(w, f, o.a, o.b) or o.c:
                    x.pc = o.next
                else:
                    outcome = REJECTED
                    phase = PROGRAM_ENDS

        if phase == PROGRAM_ENDS:  # a program has ended
            x = w.frames[f]
            if x.flight >= 0:
                caches.land(w, f, False)
            if x.kind == BRANCH:
                branch_ends(w, f, outcome)
                return
            if x.kind == MESSAGE:
                queues.finished(w, f, outcome == OK)
                return
            if outcome == OK:
                h = w.hops[x.hop]
                if h.role != 0:
                    outcome = caches.look_up_or_store(w, f)
                if h.reads or w.stations[h.callee].lag >= 0:
                    caches.stale(w, f)
                if h.streams:
                    first_token(w, f, 1, 0.0)
            phase = SERVED

        if phase == SERVED:  # the callee is through: the answer leaves
            x = w.frames[f]
            x.outcome = outcome
            x.phase = LINK_BACK
            release(w, f, outcome)
            if x.marks & ENDED:
                if x.marks & ZOMBIE:
                    if g.tracks:
                        _leave_wire(w, f)
                    if x.marks & HAS_CONNECTION:
                        x.phase = LINGERING
                        set_timer(w, main_timer(w, f), _connection_until(w, f), FAULT | NOBODY)
                    else:
                        gone(w, f)
                return  # else it was cancelled, and that is on its way
            if w.wires[x.wire].active_faults:
                from_s = g.now if x.left < 0 else x.left
                size, pieces, spread_ms = wires.answer(w, f, g.now - from_s)
                one = wires.passes(w, f, wires.DOWN, size, pieces, spread_ms, from_s, -1)
                if one[2] or one[3]:
                    x.phase = LOST
                    return
                if one[1] > 0:
                    x.phase = LEG_BACK
                    x.marks |= HELD
                    set_timer(w, main_timer(w, f), g.now + one[1] / 1000, DEPARTURE | x.rkey)
                    return
            phase = LEG_BACK

        if phase == LEG_BACK:
            x = w.frames[f]
            x.marks &= ~HELD
            half = _half_link(w, f)
            if half > 0:
                x.phase = LINK_BACK
                set_timer(w, main_timer(w, f), g.now + half / 1000, DEPARTURE | x.rkey)
                return
            phase = LINK_BACK

        if phase == LINK_BACK:  # the answer is there
            x = w.frames[f]
            p = x.parent
            told = False
            if g.tracks and (x.marks & ZOMBIE or not x.marks & ENDED):
                _leave_wire(w, f)
            if not x.marks & ENDED:
                over(w, f, x.outcome, False)
                told = p >= 0
                if told and (g.fifo_n > 0 or (x.marks & HAS_CONNECTION and w.lanes[x.lane].waiting > 0)):
                    then(w, p, ANSWERED)
                    told = False
            if x.marks & HAS_CONNECTION:
                disconnect(w, f)
            ended(w, f)
            if not told:
                return
            f = p
            phase = ANSWERED

        if phase == CALLING:  # time to hedge
            x = w.frames[f]
            h = w.hops[x.c_hop]
            link = w.wires[h.wire]
            if link.probes > 0 and not callers.allows(w, h.wire, link.first_lane + x.callee):
                return
            hedge(w, f)
            return

        if phase == ANSWERED:  # an exchange has ended, or none was allowed
            x = w.frames[f]
            h = w.hops[x.c_hop]
            link = w.wires[h.wire]
            if x.phase != CALLING or (x.c_under_way > 0 and not x.c_won):
                return
            if link.hedges:
                take_back(w, main_timer(w, f))
                c = x.c_child0 if x.c_child0 >= 0 else x.c_child1
                if c >= 0:
                    if link.survives_cancel:
                        w.frames[c].parent = -1
                        x.c_child0 = -1
                        x.c_child1 = -1
                    else:
                        end(w, c, ERROR, BY_CALLER)
                x.c_under_way = 0
            got = x.c_got
            if got > MISS and not x.c_passed and x.c_tries < link.retries and link.retry_mask >> got & 1:
                whole = min(link.max_backoff, link.backoff * 2.0**x.c_tries)
                u = uniform(x.salt, h.place | max(x.c_attempt - 1, 0) << 32 | BACKOFF_DRAW)
                pause = u * whole
                if link.jitter == NO_JITTER:
                    pause = whole
                elif link.jitter == EQUAL:
                    pause = whole / 2 + u * (whole / 2)
                elif link.jitter == DECORRELATED:
                    pause = min(link.max_backoff, link.backoff + u * (3 * x.c_prev - link.backoff))
                    x.c_prev = pause
                due = g.now + max(pause, x.c_retry_after)
                if due < x.c_deadline:
                    may = True
                    if link.budget_ratio > 0:
                        n = w.lanes[link.first_lane + x.callee]
                        may = n.budget >= 1
                        if may:
                            n.budget -= 1
                    if may:
                        x.c_tries += 1
                        link.again += 1
                        x.phase = BACKING_OFF
                        set_timer(w, main_timer(w, f), due, BACKOFF | (x.request + 1) << 8 | max(x.c_attempt - 1, 0))
                        return
            # the call is over
            x.c_last = got
            x.phase = PROGRAM
            if x.kind == CLIENT:
                phase = REQUEST_ENDS
                continue
            if got == HIT and x.within >= 0:
                first_token(w, x.within, 1, 0.0)
            if got == MISS and w.operations[x.pc].c and not caches.leads(w, f, link.first_lane + x.callee):
                return
            phase = FOLLOWING

        if phase == LANDED:  # it waited for another's answer to the same question
            x = w.frames[f]
            if x.c_got == HIT and x.within >= 0:
                first_token(w, x.within, 1, 0.0)
            x.phase = PROGRAM
            phase = FOLLOWING

        if phase == FOLLOWING:  # what follows from the outcome
            x = w.frames[f]
            got = x.c_got
            x.c_last = got
            goes_on = w.targets[w.operations[x.pc].b + got]
            if goes_on == ON_END:
                outcome = got
                phase = PROGRAM_ENDS
            else:
                x.pc = w.operations[x.pc].next if goes_on == ON_NEXT else goes_on
                phase = PROGRAM

        if phase == JOINED:
            x = w.frames[f]
            cancel_branches(w, f)
            x.phase = PROGRAM
            if x.f_got != OK:
                outcome = x.f_got
                phase = PROGRAM_ENDS
            else:
                x.pc = w.operations[x.pc].next
                phase = PROGRAM

        if phase == REQUEST_ENDS:  # the client has its answer
            x = w.frames[f]
            if not _client_done(w, f):
                return
            phase = BURNING

        if phase == BURNING:
            x = w.frames[f]
            if burn(w, f):
                gone(w, f)
            else:
                x.phase = COMPUTING
            return

        if phase == POOL:  # no connection in time
            x = w.frames[f]
            _leave_pool(w, f)
            x.wait = g.now - x.began
            x.phase = LOST
            end(w, f, TIMEOUT, BY_ITSELF)
            gone(w, f)
            return

        if phase == LINGERING:
            x = w.frames[f]
            disconnect(w, f)
            gone(w, f)
            return

        if phase == FIRST_LATE:
            x = w.frames[f]
            first_timer(w, f)
            return

        if phase == INVOKING:  # a call begins
            if room.short(w):
                first(w, f, INVOKING)
                return
            x = w.frames[f]
            hop = w.operations[x.pc].a
            link = w.wires[w.hops[hop].wire]
            x.c_hop = hop
            x.c_attempt = 0
            x.c_tries = 0
            x.c_prev = link.backoff
            x.c_passed = 0
            x.c_heard = -1.0
            x.c_tokens = -1
            x.c_under_way = 0
            x.c_child0 = -1
            x.c_child1 = -1
            x.c_deadline = min(g.now + link.deadline, x.deadline)
            link.calls += 1
            if link.budget_ratio > 0:
                n = w.lanes[link.first_lane + x.callee]
                n.budget = min(link.budget_burst, n.budget + link.budget_ratio)
            phase = BACKING_OFF

        if phase == BACKING_OFF:  # an attempt begins
            x = w.frames[f]
            h = w.hops[x.c_hop]
            link = w.wires[h.wire]
            x.c_won = 0
            x.c_retry_after = 0.0
            x.c_heard = -1.0
            x.c_tokens = -1
            x.phase = CALLING
            if x.deadline <= g.now:
                x.c_got = TIMEOUT
                phase = ANSWERED
                continue
            if link.probes > 0 and not callers.allows(w, h.wire, link.first_lane + x.callee):
                x.c_got = OPEN
                phase = ANSWERED
                continue
            c = start(w, f, x.c_hop, x.c_attempt)
            x.c_attempt += 1
            if link.hedges:
                set_timer(w, main_timer(w, f), g.now + link.hedge, BACKOFF | (x.request + 1) << 8 | (x.c_attempt - 1))
            if g.fifo_n > 0:
                then(w, c, START)
                return
            f = c
            phase = START


@jit
def _chosen(w: World, f):
    x = w.frames[f]
    o = w.operations[x.pc]
    u = uniform(x.salt, int(o.c) << 40 | CHOICE)
    for n in range(o.b - 1):
        if u < w.numbers[o.next + n]:
            return w.targets[o.a + n]
    return w.targets[o.a + o.b - 1]


@jit
def _loop(w: World, f):
    """A repeat begins. Targets: index, distribution, at most, until, slot, body, after."""
    x = w.frames[f]
    a = w.operations[x.pc].a
    n = w.targets[a + 2]
    if w.targets[a + 1] >= 0:
        drawn = sample(w.distributions, w.numbers, w.targets[a + 1], x.salt, w.targets[a] << 40 | TIMES)
        n = min(n, max(0, int(drawn + 0.5)))
    loop = w.loops[f * LOOPS + w.targets[a + 4]]
    loop.salt = x.salt
    loop.i = 0
    loop.n = n
    if n <= 0:
        return w.targets[a + 6]
    loop.last = x.c_last
    x.c_last = NO_CALL
    return w.targets[a + 5]


@jit
def _again(w: World, f):
    """An iteration has ended."""
    x = w.frames[f]
    a = w.operations[x.pc].a
    loop = w.loops[f * LOOPS + w.targets[a + 4]]
    loop.i += 1
    if x.c_last != NO_CALL:
        loop.last = x.c_last
    if loop.i >= loop.n or w.targets[a + 3] >> x.c_last & 1:
        x.salt = loop.salt
        x.c_last = loop.last
        return w.targets[a + 6]
    x.salt = based(loop.salt, loop.i)
    x.c_last = NO_CALL
    return w.targets[a + 5]


@jit
def _client_done(w: World, f):
    """A request is over: counted, and recorded. True: there is processor time to burn."""
    g = w.g[0]
    x = w.frames[f]
    got = x.c_got
    outcome = OK if got <= MISS else got
    g.requests += 1
    if outcome == OK:
        g.ok += 1
    elif outcome == TIMEOUT:
        g.errors_timeout += 1
    elif outcome == ERROR:
        g.errors_error += 1
    elif outcome == REJECTED:
        g.errors_rejected += 1
    else:
        g.errors_open += 1
    if g.record_samples:
        s = w.samples[g.samples]
        g.samples += 1
        s.request = x.request
        s.flow = x.flow
        s.intended = x.intended
        s.done = g.now
        s.outcome = outcome
        s.heard = math.nan if x.c_heard < 0 else x.c_heard
        s.tokens = x.c_tokens
    if g.sketches:
        tally.request(w, f, outcome)
    if g.users > 0:
        queues.thinks(w, x.request % g.users, x.request // g.users + 1)
    if x.owed < 0 and g.besides == 0:
        ended(w, f)
        return False
    x.kind = BURN
    x.phase = BURNING
    x.place = g.besides
    if g.fifo_n > 0:
        then(w, f, BURNING)
        return False
    return True
