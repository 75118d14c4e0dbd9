"""Whether there is room for what happens next. Used by the kernel and by strands.

Nothing can grow while compiled code runs. So it is asked before every timer and consequence, and within a strand before
everything that a program might do again and again without time passing; a strand that finds no room is put back, to go
on first (``agenda.first``), and the kernel returns to have room made.
"""

from __future__ import annotations

from windtunnel.sim.compiled.jit import hot, jit
from windtunnel.sim.compiled.records import DRAIN, GROW
from windtunnel.sim.compiled.world import World

SPARE = 64
"""Frames and records that one step may take, beside the branches of a fork and the places of workers."""


@hot
def short(w: World):
    """Whether memory is needed (GROW) or records have to be fetched (DRAIN) first; 0: no."""
    g = w.g[0]
    if g.live <= g.easy:  # of frames there are enough, and nothing else runs out
        return 0
    return _short(w)


@jit
def _short(w: World):
    g = w.g[0]
    if g.live + g.spare > g.room:
        return GROW
    if g.threads_free < 0 or w.sources[g.threads_free].next < 0:
        return GROW
    if g.messages_free < 0 or w.messages[g.messages_free].next < 0:
        return GROW
    if g.owed_free < 0 or w.owed[g.owed_free].next < 0:
        return GROW
    if g.flights_free < 0 or w.flights[g.flights_free].next < 0:
        return GROW
    if g.record_samples and g.samples + 2 * g.live + SPARE > g.samples_room:
        return DRAIN
    if g.record_spans and g.spans + 4 * g.live + SPARE > g.spans_room:
        return DRAIN
    return 0
