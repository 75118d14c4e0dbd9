"""When faults begin and heal, and whom they meet. Used by the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windtunnel.sim.model import FaultWindow
from windtunnel.sim.reference.clock import Rank

if TYPE_CHECKING:
    from windtunnel.sim.reference.engine import Engine
    from windtunnel.sim.reference.exchange import Exchange


class Faults:
    """All of a model."""

    def __init__(self, engine: Engine) -> None:
        """They are planned, in their order."""
        self._engine = engine
        self._active: dict[int, FaultWindow] = {}
        """By their place in the model, ascending."""
        for place, window in enumerate(engine.model.faults):
            self._plan(place, window)

    def active(self, wire: int, caller_replica: int, callee_replica: int) -> list[tuple[int, FaultWindow]]:
        """Those that a connection suffers from now, with their places."""
        return [
            (place, window)
            for place, window in self._active.items()
            if window.hits(wire, caller_replica, callee_replica)
        ]

    def _plan(self, place: int, window: FaultWindow) -> None:
        clock = self._engine.clock
        clock.at(window.begin_s, Rank.FAULT).callbacks.append(lambda _: self._begin(place, window))
        clock.at(window.end_s, Rank.FAULT).callbacks.append(lambda _: self._heal(place, window))

    def _begin(self, place: int, window: FaultWindow) -> None:
        last = next(reversed(self._active), place)
        self._active[place] = window
        if place < last:
            self._active = dict(sorted(self._active.items()))
        if window.kills:
            self._empty_caches(window)
        for exchange in self._met(window):
            if not exchange.zombie:
                exchange.fault_begins(place, window)
            elif window.kills:
                exchange.cancel()

    def _heal(self, place: int, window: FaultWindow) -> None:
        del self._active[place]
        for exchange in self._met(window):
            if not exchange.zombie:
                exchange.fault_heals(window)

    def _empty_caches(self, window: FaultWindow) -> None:
        station = self._engine.stations[self._engine.model.wires[window.wire].callee]
        hit = station.replicas if window.callee_replica is None else [station.replicas[window.callee_replica]]
        for replica in hit:
            if replica.cache is not None:
                replica.cache.empty()

    def _met(self, window: FaultWindow) -> list[Exchange]:
        return [
            exchange
            for exchange in self._engine.present[window.wire]
            if window.hits(window.wire, exchange.caller_replica, exchange.callee_replica)
        ]
