"""A component that a user writes in Python, as a SimPy process. Given to the engine in the place of own work.

The station of that name keeps its replicas, places, limits, wires and faults; what a request does once it is admitted
is the component's::

    class VectorIndex:
        def __init__(self) -> None:
            self.entries = 0

        def serve(self, engine: Engine, exchange: Exchange) -> Generator[Event, Any, str]:
            if exchange.hop.op == "add":
                self.entries += 1
            yield engine.after(exchange, 0.001 * math.log2(2 + self.entries))
            return "ok"

    execute(model, {"index": VectorIndex()})

State is its own. Whatever it draws it draws by address (``exchange.uniform``), so that a run can be replayed. It may be
cancelled at any ``yield``, with simpy's Interrupt: what it holds then it gives back, and raises that on.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Protocol

from simpy.events import Event

if TYPE_CHECKING:
    from windtunnel.sim.reference.engine import Engine
    from windtunnel.sim.reference.exchange import Exchange


class Component(Protocol):
    """What a request does at a station."""

    def serve(self, engine: Engine, exchange: Exchange) -> Generator[Event, Any, str]:
        """From admission to the last byte of the answer; how it ended: ok, or a failure of spec.architecture.Outcome.

        ``engine.after`` passes time, ``engine.computes`` uses the host's processor, ``engine.runs_program`` makes the
        calls that the flow has here.
        """
