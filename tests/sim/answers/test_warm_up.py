"""MSER-5 cuts off what is not steady, and says when it cannot."""

from __future__ import annotations

import numpy as np
import pytest

from tests.sim.answers.series import ar1, mm1
from windtunnel.sim.answers.warm_up import mser5


def by_the_letter(values: list[float]) -> int:
    """The rule as the paper has it, over the first half."""
    z = [sum(values[i : i + 5]) / 5 for i in range(0, len(values) // 5 * 5, 5)]
    errors = []
    for d in range(len(z) // 2 + 1):
        rest = z[d:]
        mean = sum(rest) / len(rest)
        errors.append(sum((value - mean) ** 2 for value in rest) / len(rest) ** 2)
    return 5 * errors.index(min(errors))


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_rule_of_the_paper(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = 1000 + rng.standard_normal(403) + 3 * np.exp(-np.arange(403) / 30)
    assert mser5(values).values == by_the_letter(values.tolist())


def test_a_step_is_cut_off_where_it_ends() -> None:
    rng = np.random.default_rng(1)
    values = rng.standard_normal(1000)
    values[:100] += 10
    warm_up = mser5(values)
    assert 95 <= warm_up.values <= 115
    assert mser5(values + 1e6) == warm_up, "a large mean must cost no digits"
    assert warm_up.doubt is None


def test_little_is_cut_off_where_nothing_is_to_be_cut() -> None:
    cuts = [mser5(run).values for run in ar1(np.random.default_rng(2), 200, 2000, 0.5)]
    assert np.mean(cuts) < 200
    assert mser5(np.ones(200)).values == 0


def test_the_filling_of_an_empty_queue_is_cut_off_on_average_over_runs() -> None:
    waits = np.array([mm1(np.random.default_rng(seed), 0.8, 4000).wait_s for seed in range(300)]).mean(axis=0)
    warm_up = mser5(waits)
    assert 50 < warm_up.values < 1000  # the queue forgets its state in some 90 services
    assert waits[: warm_up.values].mean() < 0.9 * 4 < waits[warm_up.values :].mean()


def test_a_run_that_never_settles_is_in_doubt_and_keeps_its_second_half() -> None:
    warm_up = mser5(np.arange(1000.0))
    assert warm_up.doubt is not None
    assert "not settled" in warm_up.doubt
    assert warm_up.values <= 500


def test_a_few_values_are_in_doubt() -> None:
    for values in ([], [1.0], np.ones(99)):
        warm_up = mser5(values)
        assert warm_up.values == 0
        assert warm_up.doubt is not None
        assert "too few" in warm_up.doubt
