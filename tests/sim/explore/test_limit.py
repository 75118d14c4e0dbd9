"""The largest load is where the closed form says, in the load's own words."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tests.sim.explore.worlds import SERVICE_S, here, station
from windtunnel.sim.explore.bench import Bench
from windtunnel.sim.explore.limit import in_words, largest_load
from windtunnel.spec.load import Load

BOUND_S = 0.8


def test_the_largest_rate_of_a_station() -> None:
    # M/M/1: P(T > t) = exp(-(mu - lambda) t), so that p95 = t where mu - lambda = ln 20 / t
    truth = 1 / SERVICE_S - math.log(20) / BOUND_S
    subject = station(rate_per_s=2, during_s=300, objectives={"latency_ms_p95": {"max": BOUND_S * 1000}})
    with here() as where:
        found = largest_load(Bench(subject, where, 2), ())
    assert found.carried is not None
    assert 2 * found.carried == pytest.approx(truth, rel=0.07)
    assert found.load == f"{2 * found.carried:.4g} requests/s"
    assert found.beyond is not None
    assert not found.beyond.holds
    assert found.beyond.bottleneck.startswith("app: ")


def test_a_load_that_is_too_much_is_turned_down_and_one_that_is_impossible_is_none() -> None:
    with here() as where:
        found = largest_load(Bench(station(rate_per_s=40, objectives={"latency_ms_p95": {"max": 800}}), where, 2), ())
        assert found.carried is not None
        assert 0.05 < found.carried < 0.25
        never = largest_load(Bench(station(objectives={"latency_ms_p95": {"max": 1}}, during_s=30), where, 2), ())
    assert never.carried is None
    assert never.beyond is not None


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"rate_per_s": 10}, "15 requests/s"),
        (
            {"arrivals": "flash", "rate_per_s": 10, "peak_per_s": 100, "at_s": 1, "hold_s": 1},
            "15 requests/s with a peak of 150/s",
        ),
        ({"arrivals": "diurnal", "rate_per_s": 10, "amplitude": 0.5, "period_s": 60}, "15 requests/s on average"),
        (
            {"arrivals": "mmpp", "states": [{"rate_per_s": 0, "mean_s": 1}, {"rate_per_s": 20, "mean_s": 1}]},
            "15 requests/s on average",
        ),
        ({"arrivals": "closed", "users": 10, "think_ms": {"kind": "constant", "value": 5}}, "15 users"),
        ({"arrivals": "trace", "trace": Path("a.csv"), "speed": 2}, "3 times the recorded speed"),
    ],
)
def test_a_multiple_of_a_load_in_its_own_words(said: dict[str, Any], words: str) -> None:
    assert in_words(Load.model_validate(said | {"flows": {"ask": 1}}), 1.5) == words


def test_users_are_counted_in_whole_numbers() -> None:
    think = {"kind": "exponential", "mean": 1000}
    load = {"arrivals": "closed", "rate_per_s": None, "users": 4, "think_ms": think}
    subject = station(load=load, during_s=60, objectives={"latency_ms_p90": {"max": 1000}})
    with here() as where:
        found = largest_load(Bench(subject, where, 2), ())
    assert found.beyond is not None
    assert found.carried is not None
    users = dict(found.beyond.settings)["load.users"]
    assert found.load == f"{users - 1} users"
