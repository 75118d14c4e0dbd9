"""An answer on its way from the callee to its caller (see ../ENGINES.md). Used by strands."""

from __future__ import annotations

from windtunnel.sim.compiled import wires
from windtunnel.sim.compiled.agenda import main_timer, set_timer
from windtunnel.sim.compiled.exchanges import connection_until, leave_wire, release
from windtunnel.sim.compiled.first_tokens import half_link
from windtunnel.sim.compiled.frames import gone
from windtunnel.sim.compiled.jit import jit
from windtunnel.sim.compiled.records import (
    DEPARTURE,
    ENDED,
    FAULT,
    HAS_CONNECTION,
    HELD,
    LEG_BACK,
    LINGERING,
    LINK_BACK,
    LOST,
    NEXT,
    NOBODY,
    SERVED,
    ZOMBIE,
)
from windtunnel.sim.compiled.world import World


@jit
def go_on(w: World, f, phase, outcome):
    """From SERVED or LEG_BACK: LINK_BACK, or NEXT: it waits."""
    g = w.g[0]
    if phase == SERVED:  # the callee is through: the answer leaves
        x = w.frames[f]
        x.outcome = outcome
        x.phase = LINK_BACK
        release(w, f, outcome)
        if x.marks & ENDED:
            if x.marks & ZOMBIE:
                if g.tracks:
                    leave_wire(w, f)
                if x.marks & HAS_CONNECTION:
                    x.phase = LINGERING
                    set_timer(w, main_timer(w, f), connection_until(w, f), FAULT | NOBODY)
                else:
                    gone(w, f)
            return NEXT  # else it was cancelled, and that is on its way
        if w.wires[x.wire].active_faults:
            from_s = g.now if x.left < 0 else x.left
            size, pieces, spread_ms = wires.answer(w, f, g.now - from_s)
            one = wires.passes(w, f, wires.DOWN, size, pieces, spread_ms, from_s, -1)
            if one[2] or one[3]:
                x.phase = LOST
                return NEXT
            if one[1] > 0:
                x.phase = LEG_BACK
                x.marks |= HELD
                set_timer(w, main_timer(w, f), g.now + one[1] / 1000, DEPARTURE | x.rkey)
                return NEXT
        phase = LEG_BACK

    if phase == LEG_BACK:
        x = w.frames[f]
        x.marks &= ~HELD
        half = half_link(w, f)
        if half > 0:
            x.phase = LINK_BACK
            set_timer(w, main_timer(w, f), g.now + half / 1000, DEPARTURE | x.rkey)
            return NEXT
    return LINK_BACK
