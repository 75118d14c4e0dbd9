"""Who leads when, by hand: lease 10 s, promotion 5 s."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windtunnel.sim.parts.reigns import Spell, merged, reigns
from windtunnel.spec.architecture import Failover

PATRONI = Failover(lease_ttl_s=10, promotion_s=5)


@pytest.mark.parametrize(
    ("spells", "expected"),
    [
        ({}, [(0, 0)]),
        ({0: [(100, 200)]}, [(0, 0), (115, 1)]),
        ({0: [(0, 200)]}, [(0, 0), (15, 1)]),
        ({0: [(100, 109.9)]}, [(0, 0)]),  # back before its lease has run out
        ({0: [(100, 110)]}, [(0, 0)]),  # just too late, and then the lowest that is alive again: elected anew
        ({0: [(100, 118)]}, [(0, 0), (115, 1)]),
        ({1: [(0, 1000)], 2: [(0, 1000)]}, [(0, 0)]),
        ({0: [(100, 200)], 1: [(90, 300)]}, [(0, 0), (115, 2)]),
        ({0: [(100, 200)], 1: [(90, 150)], 2: [(90, 160)]}, [(0, 0), (150, 1)]),  # nobody there: the first to be back
        ({0: [(100, 200)], 1: [(90, 150)], 2: [(90, 150)]}, [(0, 0), (150, 1)]),
        ({0: [(100, 200)], 1: [(150, 180)]}, [(0, 0), (115, 1), (165, 2)]),
        (
            {0: [(100, 120)], 1: [(150, 180)]},
            [(0, 0), (115, 1), (165, 0)],
        ),  # an old primary is a standby
        ({0: [(100, 105), (103, 112)]}, [(0, 0)]),  # one outage of twelve seconds, after which it is elected anew
        ({0: [(112, 200), (100, 112)]}, [(0, 0), (115, 1)]),
    ],
)
def test_the_lowest_replica_that_is_alive_follows(spells: dict[int, list[Spell]], expected: list[Spell]) -> None:
    assert [(reign.begin_s, reign.replica) for reign in reigns(spells, 3, PATRONI)] == expected


def test_without_failover_nobody_follows() -> None:
    assert [(reign.begin_s, reign.replica) for reign in reigns({0: [(100, 200)]}, 3, None)] == [(0, 0)]


def test_spells_that_overlap_or_touch_are_one() -> None:
    assert merged([(5, 6), (1, 2), (2, 3), (1.5, 2.5), (5.2, 5.5)]) == ((1, 3), (5, 6))


SPELLS = st.lists(
    st.tuples(st.integers(0, 100), st.integers(1, 40)).map(lambda pair: (float(pair[0]), float(sum(pair)))), max_size=5
)


@given(st.dictionaries(st.integers(0, 2), SPELLS))
def test_whoever_begins_to_reign_is_alive_and_new(spells: dict[int, list[Spell]]) -> None:
    found = reigns(spells, 3, PATRONI)
    assert (found[0].begin_s, found[0].replica) == (0, 0)
    for before, reign in itertools.pairwise(found):
        assert reign.replica != before.replica
        assert reign.begin_s >= before.begin_s + PATRONI.lease_ttl_s + PATRONI.promotion_s
        assert not any(begin_s <= reign.begin_s < end_s for begin_s, end_s in spells.get(reign.replica, []))
        assert any(before.begin_s <= begin_s < reign.begin_s for begin_s, _ in spells[before.replica])
