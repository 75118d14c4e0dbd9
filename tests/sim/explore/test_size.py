"""The cheapest configuration is the one that the closed form says, and so is the one that survives a loss."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.sim.explore.worlds import SERVICE_S, here, station
from windtunnel.sim.analytic.erlang import MMc
from windtunnel.sim.explore.axis import Axis
from windtunnel.sim.explore.size import Size, default_bounds, size
from windtunnel.sim.explore.subject import Subject
from windtunnel.spec.architecture import Architecture
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.problem import SpecError

REPLICAS = Axis("place.app.replicas", tuple(range(1, 13)))
SLOTS = Axis("components.app.max_concurrency", tuple(range(1, 13)))


def sized(subject: Subject, *bounds: Axis, **more: Any) -> Size:
    with here() as where:
        return size(subject, where, runs=3, bounds=bounds, **more)


def test_the_fewest_slots_of_a_station_with_one_queue() -> None:
    bound_ms = 540.0
    truth = [MMc(c, 40, SERVICE_S).sojourn_quantile(0.99) * 1000 for c in range(5, 13)]
    fewest = 5 + next(n for n, p99_ms in enumerate(truth) if p99_ms <= bound_ms)
    stages: list[str] = []
    found = sized(station(slots=5, objectives={"latency_ms_p99": {"max": bound_ms}}), SLOTS, stage=stages.append)
    assert found.cheapest is not None
    assert dict(found.cheapest.settings) == {SLOTS.key: fewest}
    assert found.cheapest.holds
    assert not found.given.holds
    assert (found.surviving, found.lost, found.single) == (None, (), ("app",))
    assert found.exhaustive
    assert stages[0] == "simulating the configuration as it is"
    # the given 5 slots are loaded to where the closed form has the p99 at the bound
    assert found.limit.carried is not None
    at_limit = MMc(5, 40 * found.limit.carried, SERVICE_S).sojourn_quantile(0.99) * 1000
    assert at_limit == pytest.approx(bound_ms, rel=0.06)


def test_the_fewest_replicas_also_with_one_lost_and_what_they_cost() -> None:
    # random balancing makes each of n replicas an M/M/1: p99 = ln 100 / (mu - lambda / n)
    bound_s = 1.22
    rate = 40
    fewest = math.ceil(rate / (1 / SERVICE_S - math.log(100) / bound_s))
    costs = {"currency": "EUR", "replica_hour": {"app": 0.5}}
    subject = station(rate_per_s=rate, replicas=5, costs=costs, objectives={"latency_ms_p99": {"max": bound_s * 1000}})
    found = sized(subject, REPLICAS)
    assert found.cheapest is not None
    assert found.surviving is not None
    assert dict(found.cheapest.settings) == {REPLICAS.key: fewest}
    assert dict(found.surviving.settings) == {REPLICAS.key: fewest + 1}
    assert (found.lost, found.single) == (("app",), ())
    assert found.cost_per_hour(found.cheapest) == pytest.approx(0.5 * fewest)
    assert (found.priced, found.currency) == (True, "EUR")
    cost = [found.cost_per_hour(each) for each in found.frontier]
    p99_ms = [each.held[0].value or math.inf for each in found.frontier]
    assert cost == sorted(cost)
    assert p99_ms == sorted(p99_ms, reverse=True)
    assert found.cheapest.settings in [each.settings for each in found.frontier]
    assert len(found.frontier) >= 3
    assert found.limit.carried is not None
    assert found.limit.carried < 1 < (found.limit_of_answer.carried or 0 if found.limit_of_answer else 0)


def test_where_nothing_does_the_nearest_is_told() -> None:
    found = sized(station(objectives={"latency_ms_p99": {"max": 400}}, during_s=30), REPLICAS)
    assert (found.cheapest, found.surviving, found.frontier) == (None, None, ())
    # 100 ms on average, exponential: the 99 % quantile is 460 ms without any wait
    assert dict(found.nearest.settings) == {REPLICAS.key: 12}
    assert not found.nearest.holds
    assert found.nearest.saturated is None
    assert (found.priced, found.currency) == (False, "replicas")


TWO = {
    "name": "two",
    "components": {
        "door": {"kind": "service"},
        "app": {"kind": "service", "max_concurrency": 1, "queue_limit": 100_000},
        "cheap": {"kind": "service", "max_concurrency": 1, "queue_limit": 100_000},
        "db": {"kind": "database"},
    },
    "links": [
        {"from": "client", "to": "door", "timeout_ms": 1e9},
        {"from": "door", "to": "app", "timeout_ms": 1e9, "balance": "random"},
        {"from": "door", "to": "cheap", "timeout_ms": 1e9, "balance": "random"},
        {"from": "app", "to": "db", "timeout_ms": 1e9, "pool": 8},
        {"from": "cheap", "to": "db", "timeout_ms": 1e9},
    ],
    "flows": {
        "ask": {
            "steps": [
                {
                    "call": "door",
                    "service_ms": 0,
                    "steps": [
                        {
                            "call": "app",
                            "service_ms": {"kind": "exponential", "mean": 50},
                            "steps": [{"call": "db", "service_ms": 1}],
                        },
                        {"call": "cheap", "service_ms": {"kind": "exponential", "mean": 50}},
                    ],
                }
            ]
        }
    },
}


def two(prices: dict[str, float]) -> Subject:
    alone = station(rate_per_s=40, during_s=60, objectives={"latency_ms_p90": {"max": BOUND_S * 1000}})
    placed = {"name": "cluster", "hosts": {"c": {"cores": 64}}, "costs": {"replica_hour": prices}}
    return Subject(alone.scenario, Architecture.model_validate(TWO), Deployment.model_validate(placed))


BOUND_S = 0.53


def slower_share(one: int, other: int, t: float) -> float:
    """P(T > t) through two M/M/1 of a share of the load each; their times are independent (Jackson, Burke)."""
    a, b = (1 / (20 - 40 / replicas) for replicas in (one, other))
    if a == b:
        return (1 + t / a) * math.exp(-t / a)
    return (a * math.exp(-t / a) - b * math.exp(-t / b)) / (a - b)


def test_what_is_dear_is_spared_and_what_is_free_is_made_small() -> None:
    """Both do the same work, as an M/M/1 each, whose times add up."""
    bounds = [
        Axis("place.app.replicas", tuple(range(1, 9))),
        Axis("place.cheap.replicas", tuple(range(1, 9))),
        Axis("links[app->db].pool", (1, 2, 4, 8)),
    ]
    found = sized(two({"app": 10, "cheap": 1}), *bounds, lose_one=False)
    assert found.cheapest is not None
    chosen = dict(found.cheapest.settings)
    assert slower_share(3, 4, BOUND_S) < 0.1 < slower_share(3, 3, BOUND_S)
    assert (chosen["place.app.replicas"], chosen["place.cheap.replicas"]) == (3, 4)
    assert chosen["links[app->db].pool"] == 1
    assert (found.lost, found.surviving) == ((), None)


def test_default_bounds_are_replicas_of_what_holds_no_state_and_pools() -> None:
    axes, left_out = default_bounds(two({"app": 1}))
    assert [axis.key for axis in axes] == [
        "place.door.replicas",
        "place.app.replicas",
        "place.cheap.replicas",
        "links[app->db].pool",
    ]
    assert [axis.values[-1] for axis in axes] == [20, 20, 20, 64]
    (words,) = left_out
    assert words.startswith("db: more of a database are other data")
    scaled = two({"app": 1}).changed(
        {"place.app": {"autoscale": {"min": 1, "max": 4, "rule": {"kind": "target", "metric": "cpu", "value": 0.5}}}}
    )
    axes, left_out = default_bounds(scaled)
    assert "app: it is scaled between 1 and 4" in left_out
    assert "place.app.replicas" not in [axis.key for axis in axes]


@pytest.mark.parametrize("values", [(0, 1), (2, 1), ("a",), (1.5,)])
def test_bounds_are_whole_numbers_that_ascend(values: tuple[Any, ...]) -> None:
    with pytest.raises(SpecError, match=r"--vary place.app.replicas: found .*, expected whole numbers"):
        sized(station(), Axis("place.app.replicas", values))
