"""What a strand does until it waits: the state machine of the compiled engine (see ../ENGINES.md). Used by the kernel.

``go`` is the heart: a frame and what it goes on from, in; everything up to the point where nobody can go on without
time passing or somebody else's consequence, out. Where a strand hands over to another one and nothing else is due
before that, ``go`` goes on with the other one at once, which is the same as queueing it.

What happens to nearly every call stands here, and goes on by falling through to the next phase; what only some models
have is a function elsewhere, which says the phase that comes next.
"""

from __future__ import annotations

import math

from windtunnel.sim.compiled import answers, caches, callers, decoding, line, programs, queues, room, tally, visits
from windtunnel.sim.compiled.agenda import first, main_timer, set_timer, then
from windtunnel.sim.compiled.exchanges import (
    BY_ITSELF,
    end,
    forget_hedge,
    hedge,
    leave_wire,
    over,
    release,
    retry,
    start,
)
from windtunnel.sim.compiled.first_tokens import first_timer, first_token
from windtunnel.sim.compiled.forks import branch_ends, cancel_branches
from windtunnel.sim.compiled.frames import ended, gone
from windtunnel.sim.compiled.jit import inlined, jit
from windtunnel.sim.compiled.owing import burn
from windtunnel.sim.compiled.pools import connect, connected, disconnect, leave_pool
from windtunnel.sim.compiled.records import (
    ANSWERED,
    APART,
    ARRIVING,
    BACKING_OFF,
    BACKOFF,
    BRANCH,
    BURN,
    BURNING,
    CALL,
    CALLING,
    CLIENT,
    COMPUTING,
    DEPARTURE,
    END,
    ENDED,
    EXCHANGE,
    FIRST_LATE,
    FOLLOWING,
    GRANTED,
    HAS_CONNECTION,
    HAS_SLOT,
    HIT,
    IN_FLIGHT_COUNTED,
    INVOKING,
    JOINED,
    LANDED,
    LAST_OF_TOKENS,
    LAST_OF_VISITS,
    LEG_BACK,
    LINGERING,
    LINK_BACK,
    LOST,
    MESSAGE,
    MISS,
    NEXT,
    OK,
    ON_END,
    ON_NEXT,
    OPEN,
    OUTCOME,
    OUTCOME_BITS,
    POOL,
    POOLED,
    PROGRAM,
    PROGRAM_ENDS,
    REJECTED,
    REQUEST_ENDS,
    SERVED,
    SERVING,
    START,
    TIMEOUT,
    TOKENS,
    VISITS,
    WAITING,
    ZOMBIE,
)
from windtunnel.sim.compiled.sampling import SERVICE, sample
from windtunnel.sim.compiled.world import World


@inlined
def go(w: World, f, phase):
    """Let a strand go on from ``phase`` until nobody can without time passing or another consequence."""
    g = w.g[0]
    outcome = OK
    while True:
        if phase == START:
            x = w.frames[f]
            link = w.wires[x.wire]
            if link.pool >= 0 and link.caller >= 0 and not connect(w, f):
                return
            phase = POOLED

        if phase == POOLED:  # it has a connection
            x = w.frames[f]
            if x.phase == POOL:
                connected(w, f)
            phase = visits.set_out(w, f) if w.hops[x.hop].after == NEXT else ARRIVING

        if phase == ARRIVING:  # nothing stands before it but a line
            x = w.frames[f]
            n = w.instances[x.inst]
            station = w.stations[n.station]
            x.arrived = g.now
            n.in_flight += 1
            if station.slots < 0:
                x.marks |= IN_FLIGHT_COUNTED
                x.admitted = -1.0
            elif n.busy < station.slots and n.waiting == 0:
                n.busy += 1
                x.marks |= IN_FLIGHT_COUNTED | HAS_SLOT
                x.admitted = g.now
            else:
                x.marks |= IN_FLIGHT_COUNTED
                x.admitted = -1.0
                if n.waiting >= station.queue_limit:
                    outcome = REJECTED
                    phase = SERVED
                    continue
                line.join(w, f, x.inst)
                return
            phase = SERVING

        if phase == GRANTED:  # it has a place
            x = w.frames[f]
            if w.hops[x.hop].after == NEXT:
                phase = visits.go_on(w, f, GRANTED)
            else:
                x.admitted = g.now
                phase = SERVING

        if phase == SERVING:  # its own work begins, and nothing bears on how long it takes
            x = w.frames[f]
            h = w.hops[x.hop]
            service = sample(w.distributions, w.numbers, h.service, x.origin, h.place | x.attempt << 32 | SERVICE)
            if service > 0:
                x.due = g.now + service / 1000
                x.phase = WAITING
                set_timer(w, main_timer(w, f), x.due, DEPARTURE | x.rkey)
                return
            outcome = OK
            phase = h.after

        if phase == WAITING:  # its own work's timer has come
            x = w.frames[f]
            outcome = OK
            phase = w.hops[x.hop].after
            if phase == NEXT:
                phase = visits.go_on(w, f, WAITING)

        if VISITS <= phase <= LAST_OF_VISITS:
            phase = visits.go_on(w, f, phase)

        if TOKENS <= phase <= LAST_OF_TOKENS:
            phase = decoding.go_on(w, f, phase)

        if phase >= OUTCOME:
            outcome = phase >> OUTCOME_BITS
            phase &= OUTCOME - 1

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
            else:
                phase = programs.operate(w, f)
                continue

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
            if w.hops[x.hop].after == NEXT or x.marks & ENDED:
                phase = answers.go_on(w, f, SERVED, outcome)
            else:
                x.outcome = outcome
                release(w, f, outcome)
                phase = LINK_BACK

        if phase == LEG_BACK:
            phase = answers.go_on(w, f, LEG_BACK, OK)

        if phase == LINK_BACK:  # the answer is there
            x = w.frames[f]
            p = x.parent
            told = False
            if g.tracks and (x.marks & ZOMBIE or not x.marks & ENDED):
                leave_wire(w, f)
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

        if phase == ANSWERED:  # an exchange has ended, or none was allowed
            x = w.frames[f]
            h = w.hops[x.c_hop]
            link = w.wires[h.wire]
            if x.phase != CALLING or (x.c_under_way > 0 and not x.c_won):
                return
            if link.hedges:
                forget_hedge(w, f)
            got = x.c_got
            again = got > MISS and not x.c_passed and x.c_tries < link.retries and link.retry_mask >> got & 1
            if again and retry(w, f):
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

        if phase == REQUEST_ENDS:  # the client has its answer
            if not _client_done(w, f):
                return
            phase = BURNING

        if phase == INVOKING:  # a call begins
            if room.short(w):
                first(w, f, INVOKING)
                return
            x = w.frames[f]
            hop = w.operations[x.pc].a
            link = w.wires[w.hops[hop].wire]
            x.c_hop = hop
            x.c_prev = link.backoff
            x.at_call = w.blank[0].at_call
            own_deadline = g.now + link.deadline
            x.c_deadline = x.deadline if x.deadline < own_deadline else own_deadline
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

        if phase == NEXT:
            return
        if phase >= APART:
            phase = _apart(w, f, phase)


@jit
def _apart(w: World, f, phase):
    """What is neither a visit nor an answer, and seldom; the phase that comes next."""
    g = w.g[0]
    if phase == CALLING:  # time to hedge
        x = w.frames[f]
        h = w.hops[x.c_hop]
        link = w.wires[h.wire]
        if link.probes > 0 and not callers.allows(w, h.wire, link.first_lane + x.callee):
            return NEXT
        hedge(w, f)
        return NEXT

    if phase == LANDED:  # it waited for another's answer to the same question
        x = w.frames[f]
        if x.c_got == HIT and x.within >= 0:
            first_token(w, x.within, 1, 0.0)
        x.phase = PROGRAM
        return FOLLOWING

    if phase == JOINED:
        x = w.frames[f]
        cancel_branches(w, f)
        x.phase = PROGRAM
        if x.f_got != OK:
            return PROGRAM_ENDS | x.f_got << OUTCOME_BITS
        x.pc = w.operations[x.pc].next
        return PROGRAM

    if phase == BURNING:
        x = w.frames[f]
        if burn(w, f):
            gone(w, f)
        else:
            x.phase = COMPUTING
        return NEXT

    if phase == POOL:  # no connection in time
        x = w.frames[f]
        leave_pool(w, f)
        x.wait = g.now - x.began
        x.phase = LOST
        end(w, f, TIMEOUT, BY_ITSELF)
        gone(w, f)
        return NEXT

    if phase == LINGERING:
        x = w.frames[f]
        disconnect(w, f)
        gone(w, f)
        return NEXT

    if phase == FIRST_LATE:
        first_timer(w, f)
    return NEXT


@jit
def _client_done(w: World, f):
    """A request is over: counted, and recorded. True: there is processor time to burn."""
    g = w.g[0]
    x = w.frames[f]
    got = x.c_got
    outcome = OK if got <= MISS else got
    w.ends_all[outcome] += 1
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
