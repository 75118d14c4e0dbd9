"""Draws are uniform, independent of their neighbours, and decided by their address alone."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windtunnel.sim.draws import Draws, Purpose, mix


def test_mixes_as_the_published_generator_does() -> None:
    # The first outputs of SplitMix64 seeded with 1234567, as in the reference implementation's test vector.
    gamma = 0x9E37_79B9_7F4A_7C15
    states = [1234567 + n * gamma for n in range(3)]
    assert [mix(state & (2**64 - 1)) for state in states] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


@given(
    seed=st.integers(0, 2**63 - 1),
    request=st.integers(0, 10**9),
    hop=st.integers(0, 1000),
    attempt=st.integers(0, 10),
    purpose=st.sampled_from(Purpose),
)
def test_equal_addresses_draw_equal_numbers_inside_the_open_interval(
    seed: int, request: int, hop: int, attempt: int, purpose: Purpose
) -> None:
    draws = Draws(seed)
    first = draws.uniform(request, hop, attempt, purpose)
    draws.uniform(request + 1, hop, attempt, purpose)  # what others draw in between changes nothing
    assert draws.uniform(request, hop, attempt, purpose) == first == Draws(seed).uniform(request, hop, attempt, purpose)
    assert 0 < first < 1


def test_no_two_addresses_share_a_number() -> None:
    draws = Draws(7)
    addresses = list(product(range(100), range(10), range(3), Purpose, range(2)))
    assert len({draws.uniform(*address) for address in addresses}) == len(addresses)


@pytest.mark.parametrize("part", range(5), ids=["request", "hop", "attempt", "purpose", "index"])
def test_uniform_and_uncorrelated_along_each_part_of_the_address(part: int) -> None:
    draws = Draws(3)
    n = 256 if part == 2 else 7 if part == 3 else 20_000
    rows = 20_000 // n
    values = []
    for row, step in product(range(rows), range(n)):
        address = [5, 4, 3, 2, 1]
        address[0 if part else 1] = row  # as many neighbours as the part is too short for
        address[part] = step
        values.append(draws.uniform(address[0], address[1], address[2], Purpose(address[3]), address[4]))
    sample = np.array(values)
    n = len(sample)
    # Kolmogorov's bound at 0.1 %, and four standard errors of a correlation of neighbours.
    distance = np.abs(np.sort(sample) - (np.arange(n) + 0.5) / n).max()
    assert distance < 1.95 / math.sqrt(n)
    assert abs(np.corrcoef(sample[:-1], sample[1:])[0, 1]) < 4 / math.sqrt(n)
