"""What an exchange goes through at its callee, where that is more than a place and a time: the link, whatever turns it
away, the processor. Used by strands.

``go_on`` and its like say what the strand goes on from: a phase, in higher bits the outcome; NEXT: it waits.
"""

from __future__ import annotations

import math

from windtunnel.sim.compiled import line, processor, wires
from windtunnel.sim.compiled.agenda import main_timer, set_timer
from windtunnel.sim.compiled.exchanges import integrate
from windtunnel.sim.compiled.first_tokens import half_link
from windtunnel.sim.compiled.jit import jit
from windtunnel.sim.compiled.owing import owe
from windtunnel.sim.compiled.pace import cool, slowness, warm
from windtunnel.sim.compiled.records import (
    BURN,
    BURNING,
    COMPUTING,
    DEPARTURE,
    ENDED,
    GRANTED,
    HAS_SLOT,
    HELD,
    IN_FLIGHT_COUNTED,
    LEG_OUT,
    LINE,
    LINK_OUT,
    LOST,
    NEXT,
    OUTCOME_BITS,
    REFUSED,
    REJECTED,
    RESUMED,
    SERVED,
    TURNING,
    WAITING,
    WARMED,
    WORKED,
)
from windtunnel.sim.compiled.refusals import turned_away
from windtunnel.sim.compiled.sampling import SERVICE, TURN, sample, uniform
from windtunnel.sim.compiled.world import World


@jit
def set_out(w: World, f):
    """A request leaves its caller."""
    g = w.g[0]
    x = w.frames[f]
    if w.wires[x.wire].active_faults:
        one = wires.passes(w, f, wires.UP, float(w.hops[x.hop].request_bytes), 1, 0.0, g.now, -1)
        if one[2] or one[3]:
            x.phase = LOST
            return NEXT
        if one[1] > 0:
            x.phase = LEG_OUT
            x.marks |= HELD
            set_timer(w, main_timer(w, f), g.now + one[1] / 1000, DEPARTURE | x.rkey)
            return NEXT
    return go_on(w, f, LEG_OUT)


@jit
def go_on(w: World, f, phase):
    """From LEG_OUT to REFUSED."""
    g = w.g[0]
    if phase == LEG_OUT:
        x = w.frames[f]
        x.marks &= ~HELD
        half = half_link(w, f)
        if half > 0:
            x.phase = LINK_OUT
            set_timer(w, main_timer(w, f), g.now + half / 1000, DEPARTURE | x.rkey)
            return NEXT
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
            outcome = turned_away(w, f)
        if x.marks & ENDED:  # perhaps by the crash that it caused: its cancellation is on its way
            x.phase = LOST
            return NEXT
        if station.limits_at > 0 and outcome >= 0:
            return SERVED | outcome << OUTCOME_BITS
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
                    return SERVED | REJECTED << OUTCOME_BITS
                else:
                    line.join(w, f, x.inst)
                    return NEXT
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
                return NEXT
        if x.marks & HAS_SLOT:
            x.admitted = g.now
        if h.free_service:
            return TURNING
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
            return NEXT
        phase = COMPUTING

    if phase == COMPUTING:  # its processor work is done
        x = w.frames[f]
        if x.kind == BURN:
            return BURNING
        n = w.instances[x.inst]
        station = w.stations[n.station]
        service = x.due
        on_processor = station.cpu if station.cpu < service else service
        if station.cpu > on_processor and station.cpu < math.inf:
            owe(w, f, station.host, n.station, n.thread if station.single else -1, station.cpu - on_processor)
        if service > on_processor:
            x.due = g.now + service - on_processor
            x.phase = WAITING
            set_timer(w, main_timer(w, f), x.due, DEPARTURE | x.rkey)
            if station.discipline == line.PREEMPTIVE and x.marks & HAS_SLOT:
                line.hold(w, f, x.inst)
            return NEXT
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
                    return NEXT
        return TURNING

    if phase == REFUSED:
        x = w.frames[f]
        if w.stations[w.instances[x.inst].station].used:
            integrate(w, x.inst)
    return SERVED | REJECTED << OUTCOME_BITS
