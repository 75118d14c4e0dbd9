"""The mock's batch and the capacity model's are the same machine: both finish everybody at the same instants."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windtunnel.reference_service.mock_llm.batch import Batch
from windtunnel.sim.reference.batch import Batch as ModelBatch
from windtunnel.sim.reference.clock import Clock, Rank

from .test_batch import Noted


def modelled(arrivals: list[tuple[float, float, float]], slowdown: float) -> list[list[float]]:
    """First token and end of each, in the model: (arrival, work until the first token, work after it)."""
    clock = Clock()
    batch = ModelBatch(clock, slowdown)
    found: list[list[float]] = [[] for _ in arrivals]

    def served(number: int, arrival_s: float, first_s: float, rest_s: float) -> Iterator[Any]:
        yield clock.at(arrival_s, Rank.ARRIVAL)
        member = batch.join(first_s)
        yield member.reached
        found[number].append(clock.now)
        batch.further(member, rest_s)
        yield member.reached
        found[number].append(clock.now)
        batch.leave(member)

    for number, each in enumerate(arrivals):
        clock.process(served(number, *each))
    clock.run()
    return found


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10**6), slowdown=st.sampled_from([0.05, 0.5, 2.0]), count=st.integers(1, 12))
def test_they_agree(seed, slowdown, count):
    random = Random(seed)
    arrivals = sorted((random.uniform(0, 4), random.uniform(0.1, 1), random.uniform(0.1, 3)) for _ in range(count))
    batch = Batch(count, slowdown=slowdown)
    members = []
    for arrival_s, first_s, rest_s in arrivals:
        members.append(Noted(first_s, first_s + rest_s))
        batch.enter(members[-1], arrival_s)
    batch.advance(1e6)
    for mine, model in zip([member.reached_s for member in members], modelled(arrivals, slowdown), strict=True):
        assert mine == pytest.approx(model)
