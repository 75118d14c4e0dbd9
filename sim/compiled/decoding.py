"""Tokens: the time to the first one, and to the last, alone or in a batch (see ../ENGINES.md). Used by strands."""

from __future__ import annotations

from windtunnel.sim.compiled import batch
from windtunnel.sim.compiled.agenda import main_timer, set_timer
from windtunnel.sim.compiled.first_tokens import first_token
from windtunnel.sim.compiled.jit import jit
from windtunnel.sim.compiled.pace import slowness
from windtunnel.sim.compiled.records import (
    BATCH_DECODE,
    BATCH_PREFILL,
    DECODE,
    DEPARTURE,
    NEXT,
    PREFILL,
    PROGRAM,
    TURNING,
)
from windtunnel.sim.compiled.sampling import FIRST_TOKEN, PREFIX, TOKEN, sample, uniform
from windtunnel.sim.compiled.tokens import input_tokens, output_tokens
from windtunnel.sim.compiled.world import World


@jit
def go_on(w: World, f, phase):
    """From TURNING to BATCH_DECODE, when a callee's own work is done: PROGRAM, or NEXT: it waits."""
    g = w.g[0]
    if phase == TURNING:
        return _begin(w, f)

    if phase == PREFILL:
        x = w.frames[f]
        x.decoded = g.now
        w.stations[w.instances[x.inst].station].tokens_out += x.c_tokens
        first_token(w, f, x.c_tokens, x.half)
        x.tokens = x.c_tokens
        if x.half > 0:
            x.phase = DECODE
            set_timer(w, main_timer(w, f), x.due + x.half, DEPARTURE | x.rkey)
            return NEXT
        return PROGRAM

    if phase == DECODE:
        return PROGRAM

    if phase == BATCH_PREFILL:
        x = w.frames[f]
        x.decoded = g.now
        w.stations[w.instances[x.inst].station].tokens_out += x.c_tokens
        first_token(w, f, x.c_tokens, x.half * batch.factor(w, x.inst))
        x.tokens = x.c_tokens
        x.phase = BATCH_DECODE
        if x.half > 0:
            batch.further(w, f, x.inst, x.half)
            return NEXT
        phase = BATCH_DECODE

    if phase == BATCH_DECODE:
        x = w.frames[f]
        batch.leave(w, f, x.inst)
    return PROGRAM


@jit
def _begin(w: World, f):
    """Its own work is done, and its caller's thread has come to it: tokens, or its program."""
    g = w.g[0]
    x = w.frames[f]
    h = w.hops[x.hop]
    if not h.llm:
        return PROGRAM
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
    return NEXT
