"""How long a question and its answer are. Used by visits and refusals."""

from __future__ import annotations

from windtunnel.sim.compiled.jit import jit
from windtunnel.sim.compiled.sampling import INPUT_TOKENS, OUTPUT_TOKENS, based, sample
from windtunnel.sim.compiled.world import World


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
