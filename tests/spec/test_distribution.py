"""Quantile functions, moments and draws of each kind agree with each other, and with what is known in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from windtunnel.spec.distribution import (
    Constant,
    Distribution,
    Empirical,
    Exponential,
    Gamma,
    Hyperexponential,
    Lognormal,
    Pareto,
    Uniform,
    Weibull,
)

ANY: TypeAdapter[Distribution] = TypeAdapter(Distribution)
ALL: list[Distribution] = [
    Constant(value=3),
    Exponential.model_validate({"mean": 4}),
    Lognormal(median=180, sigma=0.3),
    Uniform(low=1, high=5),
    Empirical(quantiles=(1, 2, 2, 8)),
    Gamma.model_validate({"mean": 5, "shape": 0.4}),
    Gamma.model_validate({"mean": 5, "shape": 3.5}),
    Weibull(scale=4, shape=1.5),
    Weibull(scale=4, shape=0.7),
    Pareto(scale=2, shape=4.5),
    Hyperexponential(probabilities=(0.75, 0.25), means=(1, 9)),
]
each = pytest.mark.parametrize("distribution", ALL, ids=lambda d: d.kind)


def addressed(rng: np.random.Generator) -> Callable[[int], float]:
    """The numbers of one draw: the n-th is the same, however often it is asked for."""
    drawn: dict[int, float] = {}
    return lambda n: drawn.setdefault(n, float(rng.random()) or 0.5)


@each
def test_mean_and_second_moment_are_those_of_the_quantile_function(distribution: Distribution) -> None:
    # the midpoint rule on a grid that is finer towards 1, where the tail is
    edges = 1 - np.concatenate([np.linspace(1, 0.01, 2000), np.geomspace(0.01, 1e-14, 2000)[1:]])
    values = np.array([distribution.at(u) for u in (edges[1:] + edges[:-1]) / 2])
    assert np.sum(values * np.diff(edges)) == pytest.approx(distribution.mean(), rel=3e-3)
    assert np.sum(values**2 * np.diff(edges)) == pytest.approx(distribution.second_moment(), rel=1e-2)


@each
@given(st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_has_no_smaller_value(distribution: Distribution, a: float, b: float) -> None:
    low, high = sorted((min(a, 1 - 1e-12), min(b, 1 - 1e-12)))
    assert 0 <= distribution.at(low) <= distribution.at(high) < math.inf


@each
def test_draws_lie_below_each_quantile_as_often_as_they_should(distribution: Distribution) -> None:
    rng = np.random.default_rng(5)
    drawn = np.array([distribution.sample(addressed(rng)) for _ in range(6000)])
    for share in (0.1, 0.5, 0.9, 0.99):
        tolerance = 4 * math.sqrt(share * (1 - share) / len(drawn))
        quantile = distribution.at(share)
        # both: a quantile that many draws are equal to has less below and more up to it
        assert np.mean(drawn < quantile) <= share + tolerance
        assert np.mean(drawn <= quantile) >= share - tolerance


@pytest.mark.parametrize(
    ("distribution", "share", "value"),
    [
        (Lognormal(median=180, sigma=0.3), 0.5, 180),
        (Exponential.model_validate({"mean": 1}), 1 - math.exp(-2), 2),
        (Empirical(quantiles=(0, 10)), 0.25, 2.5),
        (Gamma.model_validate({"mean": 3, "shape": 1}), 1 - math.exp(-2), 6),  # exponential
        (Gamma.model_validate({"mean": 8, "shape": 4}), 0.95, 15.507313055865453),  # chi squared with 8 degrees
        (Gamma.model_validate({"mean": 1, "shape": 0.5}), 0.95, 3.841458820694124),  # chi squared with 1
        (Weibull(scale=4, shape=1), 1 - math.exp(-3), 12),
        (Weibull(scale=4, shape=2), 1 - math.exp(-4), 8),
        (Pareto(scale=2, shape=3), 1 - 1 / 8, 4),
        (Hyperexponential(probabilities=(1, 0), means=(2, 7)), 1 - math.exp(-1), 2),
    ],
)
def test_known_quantiles(distribution: Distribution, share: float, value: float) -> None:
    assert distribution.at(share) == pytest.approx(value)


def test_an_infinite_variance_is_said() -> None:
    assert Pareto(scale=1, shape=2).second_moment() == math.inf
    assert Pareto(scale=1, shape=2).mean() == 2


def test_two_draws_of_a_hyperexponential_have_their_addresses() -> None:
    mixed = Hyperexponential(probabilities=(0.25, 0.75), means=(1, 100))
    assert mixed.sample([0.2499, 0.5].__getitem__) == pytest.approx(math.log(2))
    assert mixed.sample([0.25, 0.5].__getitem__) == pytest.approx(100 * math.log(2))


def test_a_gamma_draw_goes_on_until_one_fits() -> None:
    """x = 0 and a small u are always taken; a u next to 1 with a far x never is."""
    gamma = Gamma.model_validate({"mean": 6, "shape": 3})
    d = 3 - 1 / 3
    first = {2: 0.5, 3: 0.5}
    assert gamma.sample(first.__getitem__) == pytest.approx(d * 2)
    assert gamma.sample(({2: 1e-4, 3: 1 - 1e-12} | {4: 0.5, 5: 0.5}).__getitem__) == pytest.approx(d * 2)


def test_a_number_is_a_constant_and_a_constant_is_the_same_after_its_text() -> None:
    assert ANY.validate_python(7) == Constant(value=7)
    for distribution in ALL:
        assert ANY.validate_json(ANY.dump_json(distribution, by_alias=True)) == distribution


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (-1, "greater than or equal to 0"),
        ("fast", "found 'fast', expected a number, or a distribution with its kind"),
        (True, "found True, expected a number, or a distribution"),
        ({"kind": "pareto", "scale": 1, "shape": 1}, "greater than 1"),
        ({"kind": "weibull", "scale": 0, "shape": 1}, "greater than 0"),
        ({"kind": "gamma", "mean": 1, "shape": -1}, "greater than or equal to 0.001"),
        ({"kind": "hyperexponential", "probabilities": [0.5, 0.4], "means": [1, 2]}, "sum to 0.9, expected a sum of 1"),
        (
            {"kind": "hyperexponential", "probabilities": [1], "means": [1, 2]},
            "found 2 of them, expected 1, as many as",
        ),
        ({"exponential": 10}, "Unable to extract tag using discriminator 'kind'"),
    ],
)
def test_what_is_no_distribution_is_refused(said: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ANY.validate_python(said)
