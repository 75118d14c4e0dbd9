"""Those who ask: an open loop that comes when it is due, or users who wait and think. Used by the engine."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from windtunnel.sim.draws import Purpose, at
from windtunnel.sim.model import ClosedLoop
from windtunnel.sim.reference.call import Call
from windtunnel.sim.reference.clock import Rank, Steps
from windtunnel.sim.reference.request import Owed, Request, Strand

if TYPE_CHECKING:
    from windtunnel.sim.reference.engine import Engine


class OpenLoop:
    """Requests that come when they are due, whatever became of the earlier ones."""

    def __init__(self, engine: Engine) -> None:
        """The first one is planned."""
        self._engine = engine
        engine.clock.process(self._arrive())

    def _arrive(self) -> Steps:
        engine, number = self._engine, 0
        for piece in engine.model.arrivals():
            columns = (piece.at_s, piece.flow, piece.prompt, piece.tenant, piece.input_tokens, piece.output_tokens)
            rows = zip(*(column.tolist() for column in columns), strict=True)
            for at_s, flow, prompt, tenant, asked, answered in rows:
                yield engine.clock.at(at_s, Rank.ARRIVAL, number)
                request = _request(engine, number, flow, prompt, tenant)
                request.input_tokens = asked if asked >= 0 else None
                request.output_tokens = answered if answered >= 0 else None
                engine.clock.process(ask(engine, request))
                number += 1


class Users:
    """A closed loop: everybody waits for an answer and thinks before the next question."""

    def __init__(self, engine: Engine, loop: ClosedLoop) -> None:
        """Everybody thinks about the first one."""
        self._engine = engine
        self._loop = loop
        for user in range(loop.users):
            self._think(user)

    def _think(self, number: int) -> None:
        """Plan a request, unless it would come too late."""
        engine = self._engine
        base = engine.draws.base(number)
        think_ms = self._loop.think_ms.sample(lambda n: at(base, 0, 0, Purpose.THINK, n))
        at_s = engine.clock.now + think_ms / 1000
        if at_s < engine.model.duration_s:
            engine.clock.at(at_s, Rank.ARRIVAL, number).callbacks.append(lambda _: self._ask(number))

    def _ask(self, number: int) -> None:
        loop, base = self._loop, self._engine.draws.base(number)
        request = _request(
            self._engine,
            number,
            _looked_up(loop.flows, at(base, 0, 0, Purpose.FLOW)),
            _looked_up(loop.prompts, at(base, 0, 0, Purpose.PROMPT)),
            _looked_up(loop.tenants, at(base, 0, 0, Purpose.TENANT)),
        )
        self._engine.clock.process(self._waits(request))

    def _waits(self, request: Request) -> Steps:
        yield from ask(self._engine, request)
        self._think(request.number + self._loop.users)


def ask(engine: Engine, request: Request) -> Steps:
    """A request at its client: one call, until it has ended."""
    model = engine.model
    strand = Strand(request, request.base, replica=0, deadline_s=math.inf, within=None)
    call = Call(engine, strand, model.hops[model.entries[request.flow].hop])
    outcome = yield from call.run()
    engine.settle(request)
    engine.recorder.sample(
        request=request.number,
        flow=model.flows[request.flow],
        intended_s=request.intended_s,
        done_s=engine.clock.now,
        outcome=outcome,
        heard=call.heard,
    )


def _request(engine: Engine, number: int, flow: int, prompt: int, tenant: int) -> Request:
    return Request(
        number=number,
        flow=flow,
        prompt=prompt,
        tenant=tenant,
        priority=engine.model.priorities[flow],
        base=engine.draws.base(number),
        intended_s=engine.clock.now,
        owed=[Owed(host, who, work_s) for host, who, work_s in engine.model.beside_s],
    )


def _looked_up(cumulated: NDArray[np.float64], u: float) -> int:
    return min(int(np.searchsorted(cumulated, u, side="right")), len(cumulated) - 1)
