"""Draws and samples of the compiled engine: the bits of sim.draws and spec.distribution."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sim.compiled.worlds import queue
from windtunnel.sim import draws
from windtunnel.sim.compiled import sampling
from windtunnel.sim.compiled.lowering import Lowering, zeros
from windtunnel.sim.compiled.records import DISTRIBUTION
from windtunnel.spec.distribution import (
    Constant,
    Distribution,
    Empirical,
    Exponential,
    Gamma,
    Hyperexponential,
    Lognormal,
    Pareto,
    Uniform,
    Weibull,
)

EVERY_KIND: list[Distribution] = [
    Constant(value=3.5),
    Exponential(mean=2.0),
    Lognormal(median=3, sigma=0.7),
    Uniform(low=1, high=4),
    Empirical(quantiles=(1.0, 2.0, 2.0, 7.5)),
    Gamma(mean=3, shape=0.4),
    Gamma(mean=3, shape=2.5),
    Weibull(scale=2, shape=0.8),
    Pareto(scale=1, shape=2.2),
    Hyperexponential(probabilities=(0.2, 0.8), means=(9.0, 1.0)),
]


@settings(deadline=None)  # the first one compiles
@given(st.integers(0, 2**63 - 1), st.integers(0, 2**20), st.integers(0, 255))
def test_an_address_has_the_same_number_in_both(request: int, hop: int, attempt: int) -> None:
    base = draws.Draws(7).base(request)
    place = hop << 40 | attempt << 32 | sampling.SERVICE
    assert sampling.uniform(np.uint64(base), place) == draws.at(base, hop, attempt, draws.Purpose.SERVICE)
    assert int(sampling.based(np.uint64(draws.mix(7)), request)) == base


@pytest.mark.parametrize("distribution", EVERY_KIND, ids=lambda each: each.kind)
def test_a_sample_is_the_specifications(distribution: Distribution) -> None:
    low = Lowering(queue([0.0]))
    row = low.distribution(distribution)
    table = zeros(DISTRIBUTION, 1)
    table[0] = low.distributions[row]
    numbers = np.array([*low.numbers, 0.0])
    for request in range(300):
        base = draws.Draws(3).base(request)
        place = 5 << 40 | 2 << 32 | sampling.SERVICE
        expected = distribution.sample(lambda n, base=base: draws.at(base, 5, 2, draws.Purpose.SERVICE, n))
        found = sampling.sample(table, numbers, 0, np.uint64(base), place)
        assert found == expected, request
