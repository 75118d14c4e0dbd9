"""Runs with seed after seed, until it is known well enough."""

from __future__ import annotations

import pytest

from tests.sim.answers.drawings import queue, simulated
from windtunnel.sim.answers.forecast import pooled
from windtunnel.sim.answers.replicate import replications, until_precise
from windtunnel.spec.run import Run
from windtunnel.spec.seeds import SEEDS


def one(seed: int) -> Run:
    return simulated(queue(load=0.5), seed)


def over(seed: int) -> Run:
    return simulated(queue(load=1.5), seed)


def test_a_fixed_number_with_seeds_from_the_first_on() -> None:
    made = list(replications(one, 7, 3))
    assert [run.record.scenario.seed for run, _ in made] == [7, 8, 9]
    assert len({run.digest() for run, _ in made}) == 3
    assert made[0][0].digest() == one(7).digest()


def test_after_the_largest_seed_comes_the_first() -> None:
    assert [run.record.scenario.seed for run, _ in replications(one, SEEDS - 1, 2)] == [SEEDS - 1, 0]
    assert len(list(until_precise(one, SEEDS - 1, 1.0, at_least=3, at_most=30))) == 3


def test_until_mean_and_p95_are_known() -> None:
    few = [said for _, said in until_precise(one, 1, 1.0, at_least=3, at_most=30)]
    many = [said for _, said in until_precise(one, 1, 0.08, at_least=3, at_most=30)]
    assert len(few) == 3
    assert 3 < len(many) < 30
    (window,) = pooled(many).windows
    assert window.mean_ms
    assert window.mean_ms.relative_half_width < 0.08


def test_at_most_so_many() -> None:
    assert len(list(until_precise(one, 1, 0.0001, at_least=2, at_most=4))) == 4


def test_a_saturated_window_is_not_waited_for() -> None:
    made = [said for _, said in until_precise(over, 1, 0.01, at_least=3, at_most=30)]
    assert len(made) == 3
    assert pooled(made).saturated


def test_a_precision_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="relative_half_width"):
        list(until_precise(one, 1, 0.0))
