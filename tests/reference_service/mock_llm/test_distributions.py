"""Each distribution has the moments that its parameters promise, and a malformed one is refused with the reason."""

import json
from random import Random
from statistics import fmean, median, stdev

import pytest

from windtunnel.reference_service.environment import SettingError
from windtunnel.reference_service.mock_llm.distributions import Distribution


def draws(text: str, count: int = 20_000) -> list[float]:
    distribution, random = Distribution.from_json(text), Random(1)
    return [distribution.draw(random) for _ in range(count)]


def test_constant_is_constant():
    assert set(draws('{"kind":"constant","value":7.5}', 10)) == {7.5}


def test_lognormal_has_its_median_and_the_mean_that_follows():
    values = draws('{"kind":"lognormal","median":200,"sigma":0.5}')
    assert median(values) == pytest.approx(200, rel=0.02)
    assert fmean(values) == pytest.approx(200 * 2.718281828 ** (0.5**2 / 2), rel=0.02)


def test_exponential_has_a_standard_deviation_like_its_mean():
    values = draws('{"kind":"exponential","mean":30}')
    assert fmean(values) == pytest.approx(30, rel=0.03)
    assert stdev(values) == pytest.approx(30, rel=0.03)
    assert set(draws('{"kind":"exponential","mean":0}', 3)) == {0.0}


def test_uniform_stays_within_its_bounds():
    values = draws('{"kind":"uniform","low":10,"high":30}')
    assert 10 <= min(values) < 10.1
    assert 29.9 < max(values) <= 30
    assert fmean(values) == pytest.approx(20, rel=0.02)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("20", "unknown kind None"),
        ("{", "not JSON"),
        ('{"kind":"normal","mean":1}', "unknown kind 'normal'"),
        ('{"kind":"constant"}', "constant takes value"),
        ('{"kind":"lognormal","median":1,"mean":2}', "lognormal takes median and sigma"),
        ('{"kind":"constant","value":-1}', "value must be a number of 0 or more"),
        ('{"kind":"constant","value":"1"}', "value must be"),
        ('{"kind":"constant","value":true}', "value must be"),
        (json.dumps({"kind": "constant", "value": float("nan")}), "value must be"),
        ('{"kind":"uniform","low":3,"high":2}', "low is above high"),
    ],
)
def test_malformed_ones_are_refused(text, reason):
    with pytest.raises(SettingError, match=reason):
        Distribution.from_json(text)
