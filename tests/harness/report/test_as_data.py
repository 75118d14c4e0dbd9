"""The JSON as a program reads it."""

from __future__ import annotations

import json

from tests.harness import worlds
from windtunnel.harness.report.as_data import as_data
from windtunnel.harness.report.pair import Pair
from windtunnel.harness.verdict import Comparison, Ruling


def test_rulings_and_comparison_can_be_read_back() -> None:
    pair = Pair.of(worlds.lively(), worlds.lively("forecast", 2, 0.93))
    assert pair.measured is not None
    found = json.loads(json.dumps(as_data(pair)))
    assert Ruling.model_validate(found["measured"]["ruling"]) == pair.measured_ruling
    assert Comparison.model_validate(found["comparison"]) == pair.comparison
    assert (found["verdict"], found["measured"]["exit_code"]) == ("inconclusive", 3)
    assert found["measured"]["digest"] == pair.measured.digest()
    assert found["measured"]["injections"][0]["proven"] is True
    assert found["typical_error"]["figures"] > 10
    assert found["forecast"]["parameters"] == "3f9c2a71"


def test_what_is_not_there_is_null() -> None:
    found = json.loads(json.dumps(as_data(Pair.of(forecast=worlds.lively("forecast")))))
    assert (found["measured"], found["comparison"], found["typical_error"]) == (None, None, None)
