"""The stop rule stops when it may, says how much is missing, and its answer is as precise as was asked."""

from __future__ import annotations

import numpy as np
import pytest

from tests.sim.answers.series import mm1
from windtunnel.sim.answers.interval import overlapping_batch_means, replications
from windtunnel.sim.answers.precision import Until


def test_it_stops_at_the_first_estimate_that_makes_it_precise_enough() -> None:
    values = np.random.default_rng(1).exponential(1, 5000)
    rule = Until(0.1)
    fed = 1 + next(i for i, value in enumerate(values) if rule.feed(value))
    assert rule.reached
    assert rule.missing == 0
    assert rule.interval == replications(values[:fed])
    assert rule.interval.relative_half_width <= 0.1 / 1.1
    assert replications(values[: fed - 1]).relative_half_width > 0.1 / 1.1


def test_it_takes_several_at_once_and_waits_for_the_least() -> None:
    rule = Until(0.5, at_least=30)
    assert not rule.feed(np.ones(29))
    assert rule.missing == 1
    assert rule.feed(1.0)


def test_it_gives_up_at_the_most_and_says_that_it_did() -> None:
    rule = Until(0.001, at_least=2, at_most=100)
    rng = np.random.default_rng(2)
    assert not rule.feed(rng.exponential(1, 99))
    assert rule.missing == 1
    assert rule.feed(rng.exponential(1))
    assert not rule.reached


def test_what_is_missing_is_about_right() -> None:
    rng = np.random.default_rng(3)
    rule = Until(0.05)
    rule.feed(rng.exponential(1, 400))
    expected = (1.96 * 1.05 / 0.05) ** 2  # estimates with a standard deviation as large as their mean
    assert 400 + rule.missing == pytest.approx(expected, rel=0.3)


def test_a_mean_of_nothing_is_never_precise() -> None:
    rule = Until(0.1, at_most=50)
    rng = np.random.default_rng(4)
    values = rng.standard_normal(25)
    assert not rule.feed(values - values.mean())
    assert not rule.reached


@pytest.mark.parametrize(("at_least", "least_coverage"), [(5, 0.9), (20, 0.935)])
def test_the_answer_covers_and_is_as_near_as_was_asked(at_least: int, least_coverage: float) -> None:
    """With fewer estimates than the default it stops too early, as its documentation says."""
    rng = np.random.default_rng(5)
    covered, near, runs = 0, 0, 1000
    for _ in range(runs):
        rule = Until(0.1, at_least=at_least)
        while not rule.feed(1 + 0.25 * rng.standard_normal()):
            pass
        covered += rule.interval.low <= 1 <= rule.interval.high
        near += abs(rule.interval.mean - 1) <= 0.1
    assert covered / runs >= least_coverage
    assert near / runs >= (0.95 if at_least == 20 else 0.92)


def test_one_run_goes_on_until_its_batches_are_precise_enough() -> None:
    waits = mm1(np.random.default_rng(6), 0.5, 1_000_000).wait_s.reshape(-1, 100).mean(axis=1)
    rule = Until(0.05, method=overlapping_batch_means, at_least=400)
    assert any(rule.feed(piece) for piece in waits.reshape(-1, 50))
    assert rule.interval.method == "overlapping batch means"
    assert rule.interval.mean == pytest.approx(1.0, rel=0.05)
    assert rule.interval.n < len(waits)


@pytest.mark.parametrize("wrong", [{"relative_half_width": 0}, {"at_least": 1}, {"at_least": 5, "at_most": 4}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Until(**{"relative_half_width": 0.1, **wrong})  # type: ignore[arg-type]
