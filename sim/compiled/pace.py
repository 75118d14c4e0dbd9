"""What makes own work slower: idleness before it, and spells of a fault. Used by visits."""

from __future__ import annotations

import math

from windtunnel.sim.compiled.jit import jit
from windtunnel.sim.compiled.records import WARMED
from windtunnel.sim.compiled.world import World


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
