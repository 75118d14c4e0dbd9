"""Users instead of a rate: what a closed loop needs to choose each request by itself. Used by the compiler."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np

from windtunnel.sim.draws import Draws, Purpose
from windtunnel.sim.model import ClosedLoop
from windtunnel.spec.load import Load


def closed_loop(load: Load) -> ClosedLoop | None:
    """The users of a closed load; None of an open one."""
    if load.users is None or load.think_ms is None:
        return None
    flows = load.cumulated_flows()
    return ClosedLoop(
        users=load.users,
        think_ms=load.think_ms,
        flows=flows / flows[-1],
        prompts=load.prompts.cumulated(),
        tenants=load.tenants.cumulated(),
    )


def asked(closed: ClosedLoop, seed: int) -> Iterator[tuple[int, int]]:
    """Flow and prompt of each request, without end, as an engine draws them."""
    draws = Draws(seed)
    for request in count():
        flow = np.searchsorted(closed.flows, draws.uniform(request, 0, 0, Purpose.FLOW), side="right")
        prompt = np.searchsorted(closed.prompts, draws.uniform(request, 0, 0, Purpose.PROMPT), side="right")
        yield int(flow), int(prompt)
