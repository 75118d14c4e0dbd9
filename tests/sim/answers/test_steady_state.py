"""One long run's mean: right where the run is long enough, and in doubt where it is not."""

from __future__ import annotations

import numpy as np
import pytest

from tests.sim.answers.series import ar1, mean_wait, mm1
from windtunnel.sim.answers.interval import overlapping_batch_means
from windtunnel.sim.answers.steady_state import steady_state


def test_it_is_the_interval_of_what_remains_after_the_warm_up() -> None:
    values = ar1(np.random.default_rng(1), 1, 20_000, 0.5)[0]
    values[:500] += 20
    answer = steady_state(values, 0.99)
    assert 490 <= answer.warm_up <= 600
    assert answer.mean == overlapping_batch_means(values[answer.warm_up :], 0.99)
    assert answer.mean.low <= 0 <= answer.mean.high
    assert answer.doubts == ()


def test_means_of_many_requests_say_the_same_as_the_requests() -> None:
    waits = mm1(np.random.default_rng(2), 0.8, 400_000).wait_s
    single, pieces = steady_state(waits), steady_state(waits.reshape(-1, 100).mean(axis=1))
    assert pieces.mean.mean == pytest.approx(single.mean.mean, abs=single.mean.half_width / 2)
    assert pieces.mean.half_width == pytest.approx(single.mean.half_width, rel=0.2)


def test_runs_from_an_empty_queue_cover_or_are_in_doubt() -> None:
    rng = np.random.default_rng(3)
    answers = [steady_state(mm1(rng, 0.5, 25_000).wait_s) for _ in range(600)]
    wrong = [not answer.mean.low <= mean_wait(0.5) <= answer.mean.high for answer in answers]
    doubted = [bool(answer.doubts) for answer in answers]
    assert np.mean(wrong) <= 0.08
    assert np.mean(np.logical_and(wrong, np.logical_not(doubted))) <= 0.075
    assert np.mean(doubted) < 0.1


def test_a_queue_that_is_watched_too_briefly_is_in_doubt() -> None:
    rng = np.random.default_rng(4)
    answers = [steady_state(mm1(rng, 0.9, 10_000).wait_s) for _ in range(100)]
    assert sum(any("depend on each other" in doubt for doubt in answer.doubts) for answer in answers) >= 98


def test_doubts_are_said_in_words() -> None:
    assert any("not settled" in doubt for doubt in steady_state(np.arange(2000.0)).doubts)
    assert any("too few" in doubt for doubt in steady_state(np.random.default_rng(5).standard_normal(300)).doubts)
    assert steady_state(np.ones(1000)).doubts == ()
    with pytest.raises(ValueError, match="at least 40"):
        steady_state(np.ones(39))
