"""When replicas are down: killed, with their zone, or at random."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.sim.worlds import ONE_HOST, scenario
from windtunnel.sim.parts.outages import MOST_OUTAGES, Outage, outages, too_many
from windtunnel.spec.deployment import Deployment

COPIES = {"app": 3, "db": 2, "cache": 1}
PLACED = Deployment.model_validate(
    ONE_HOST | {"place": {"app": {"replicas": 3, "zones": ["a", "b"]}, "db": {"replicas": 2, "zones": ["b", "a"]}}}
)
WINDOWS = {"before_s": 10, "during_s": 20, "after_s": 5}


def down(*faults: dict[str, Any], seed: int = 1) -> tuple[Outage, ...]:
    return outages(scenario(windows=WINDOWS, faults=list(faults), seed=seed), PLACED, COPIES)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"kill": "db"}, [("db", None)]),
        ({"kill": "db.1"}, [("db", 1)]),
        ({"zone_outage": "a"}, [("app", 0), ("app", 2), ("db", 1)]),
        ({"zone_outage": "b"}, [("app", 1), ("db", 0)]),
        ({"outage": "app->db"}, []),  # a link's fault, not the component's
        ({"brownout": "db", "factor": 3}, []),
    ],
)
def test_who_is_down_for_the_whole_window(fault: dict[str, Any], expected: list[tuple[str, int | None]]) -> None:
    assert [(outage.component, outage.replica) for outage in down(fault)] == expected
    assert all((outage.begin_s, outage.end_s) == (10, 30) for outage in down(fault))


def test_an_outage_knows_its_fault() -> None:
    assert [outage.fault for outage in down({"kill": "app.0"}, {"outage": "app->db"}, {"kill": "db"})] == [0, 2]


RANDOM = {"random_outages": "app", "mtbf_s": 3, "mttr_s": 1}


def test_random_outages_lie_apart_within_the_window() -> None:
    found = down(RANDOM)
    assert {outage.replica for outage in found} == {0, 1, 2}
    for replica in range(3):
        spells = [(outage.begin_s, outage.end_s) for outage in found if outage.replica == replica]
        assert all(10 < begin_s < end_s <= 30 for begin_s, end_s in spells)
        assert all(one[1] < two[0] for one, two in itertools.pairwise(spells))
        assert len({begin_s for begin_s, _ in spells}) == len(spells) > 1


def test_random_outages_are_addressed_by_seed_replica_and_fault() -> None:
    assert down(RANDOM) == down(RANDOM)
    assert down(RANDOM) != down(RANDOM, seed=2)
    one = [outage for outage in down(RANDOM) if outage.replica == 1]
    assert list(down(RANDOM | {"random_outages": "app.1"})) == one
    moved = [outage.begin_s for outage in down({"kill": "db"}, RANDOM) if outage.replica == 1 and outage.fault == 1]
    assert moved != [outage.begin_s for outage in one]


def test_random_outages_have_the_means_that_were_asked_for() -> None:
    """Down for mttr / (mtbf + mttr) of the time: 3,000 periods, whose share has a standard error of about 0.4 %."""
    said = scenario(windows={"during_s": 4000}, faults=[RANDOM])
    found = outages(said, PLACED, COPIES)
    share = sum(outage.end_s - outage.begin_s for outage in found) / (3 * 4000)
    assert share == pytest.approx(0.25, abs=0.02)
    assert len(found) == pytest.approx(3000, rel=0.08)


def test_more_outages_than_anybody_means_are_refused() -> None:
    said = scenario(windows=WINDOWS, faults=[RANDOM | {"mtbf_s": 1e-7, "mttr_s": 1e-7}])
    (problem,) = too_many(said, PLACED, COPIES)
    assert str(problem) == (
        f"faults[0].mtbf_s: found about 300,000,000 outages, expected at most {MOST_OUTAGES:,}: a longer one"
    )
    assert list(too_many(scenario(windows=WINDOWS, faults=[RANDOM]), PLACED, COPIES)) == []
