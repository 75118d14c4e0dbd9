"""Small models for the compiled engine's own tests."""

from __future__ import annotations

from collections.abc import Sequence

from tests.sim.reference.worlds import World
from windtunnel.sim.model import OUTSIDE, Model
from windtunnel.spec.distribution import Exponential


def queue(at_s: Sequence[float], *, slots: int = 1, mean_ms: float = 10.0) -> Model:
    """Requests at a station of so many places, with exponential times."""
    world = World()
    wire = world.wire(OUTSIDE, world.station("server", slots=slots))
    return world.model(world.call(wire, Exponential(mean=mean_ms)), at_s=at_s)
