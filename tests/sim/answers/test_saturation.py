"""What keeps up is not called saturated, what does not is; and where a run is too short for either, that is said."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.sim.answers.series import mm1
from windtunnel.sim.answers import saturation as module
from windtunnel.sim.answers.saturation import Saturation, number_in_system, saturation


def watched(begin_s: NDArray[np.float64], end_s: NDArray[np.float64], samples: int = 2001) -> Saturation:
    at_s = np.linspace(0, begin_s[-1], samples)
    return saturation(number_in_system(begin_s, end_s, at_s), float(at_s[1]))


def verdicts(load: float, arrivals: int, seeds: int = 200) -> Counter[str]:
    queues = (mm1(np.random.default_rng(seed), load, arrivals) for seed in range(seeds))
    return Counter(watched(queue.begin_s, queue.end_s).verdict for queue in queues)


def test_a_queue_at_95_percent_is_never_called_saturated_and_one_at_105_never_stable() -> None:
    below, above = verdicts(0.95, 20_000), verdicts(1.05, 20_000)
    assert below["saturated"] == 0
    assert above["stable"] == 0
    assert below["stable"] >= 140  # 154 seen
    assert above["saturated"] >= 190  # 196 seen


def test_a_short_run_near_the_limit_is_undecided_rather_than_wrong() -> None:
    below, above = verdicts(0.95, 2000), verdicts(1.05, 2000)
    assert below["saturated"] <= 10
    assert above["stable"] <= 10
    assert below["undecided"] >= 100
    assert above["undecided"] >= 100


def test_a_short_run_far_from_the_limit_is_decided() -> None:
    assert verdicts(0.3, 600)["stable"] >= 190
    assert verdicts(1.5, 600)["saturated"] >= 190


@pytest.mark.long
@pytest.mark.parametrize(("load", "verdict", "least"), [(0.95, "stable", 190), (1.05, "saturated", 200)])
def test_a_long_run_is_decided_and_right(load: float, verdict: str, least: int) -> None:
    seen = verdicts(load, 100_000)
    assert seen[verdict] >= least
    assert seen[verdict] + seen["undecided"] == 200


def test_growth_is_what_arrives_less_what_is_served() -> None:
    queue = mm1(np.random.default_rng(1), 1.25, 50_000)
    growth = watched(queue.begin_s, queue.end_s).growth_per_s
    assert growth.low <= 0.25 <= growth.high
    assert growth.half_width < 0.05


def test_bursts_of_arrivals_are_no_saturation_as_long_as_they_are_served() -> None:
    """Arrivals that come in bursts of hundreds, load 0.7: neighbouring seconds are alike, over blocks they are not."""
    seen = Counter[str]()
    for seed in range(100):
        rng = np.random.default_rng(seed)
        rates = np.repeat(rng.choice([0.1, 1.3], 400), 100)  # for 100 s each
        begin_s = np.repeat(np.arange(len(rates)), rng.poisson(rates)) + 0.5
        service_s = rng.standard_exponential(len(begin_s))
        walk = np.concatenate([[0.0], np.cumsum(service_s[:-1] - np.diff(begin_s))])
        seen[watched(begin_s, begin_s + walk - np.minimum.accumulate(walk) + service_s).verdict] += 1
    assert seen["saturated"] <= 5
    assert seen["stable"] >= 80


def test_filling_up_is_no_saturation() -> None:
    """No queue at all, 10 s for each request: watched for 100 s the number may be anything but growing."""
    rng = np.random.default_rng(2)
    for duration_s, stable in ((100, 0), (1000, 45)):
        seen = Counter[str]()
        for _ in range(50):
            begin_s = np.sort(rng.uniform(0, duration_s, 50 * duration_s))
            seen[watched(begin_s, begin_s + 10).verdict] += 1
        assert seen["saturated"] == 0
        assert seen["stable"] >= stable


def test_worlds_without_chance_are_judged_too() -> None:
    begin_s = np.arange(10_000.0)
    assert watched(begin_s, begin_s + 0.9).verdict == "stable"
    assert watched(begin_s, begin_s + 1.7).verdict == "stable"
    assert watched(begin_s, 1.1 * (begin_s + 1)).verdict == "saturated"
    assert watched(begin_s, np.full(10_000, np.inf)).verdict == "saturated"
    assert saturation(np.zeros(201), 1.0).verdict == "stable"


def test_the_number_in_system_counts_from_begin_to_end() -> None:
    assert number_in_system([2, 0, 1], [np.inf, 3, 2], [-1, 0, 0.5, 1, 1.5, 2, 3, 9]).tolist() == [
        0,
        1,
        1,
        2,
        2,
        2,
        1,
        1,
    ]


def test_a_random_walk_returns_as_rarely_as_the_critical_value_says() -> None:
    """Of walks without drift 5 % are called stable and 5 % saturated; of a drifting one fewer are called stable."""
    rng = np.random.default_rng(3)
    for drift, stable, saturated in ((0.0, (0.035, 0.065), (0.035, 0.065)), (0.1, (0, 0.01), (0.9, 1))):
        seen = Counter(saturation(np.cumsum(rng.standard_normal(4001) + drift), 1.0).verdict for _ in range(2000))
        assert stable[0] <= seen["stable"] / 2000 <= stable[1]
        assert saturated[0] <= seen["saturated"] / 2000 <= saturated[1]


def test_too_few_samples_are_refused() -> None:
    least = 2 * module._BLOCKS * module._SAMPLES + 1
    saturation(np.zeros(least), 1.0)
    for number, interval_s in ((np.zeros(least - 1), 1.0), (np.zeros(least), 0.0)):
        with pytest.raises(ValueError, match="at least 201"):
            saturation(number, interval_s)
