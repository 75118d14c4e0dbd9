"""How quick an answer has to be to count."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.harness import worlds
from windtunnel.sim.answers.goodput import goodput_limit_ms


@pytest.mark.parametrize(
    ("objectives", "limit_ms"),
    [
        ({"latency_ms_p95": {"max": 300}, "latency_ms_p50": {"max": 100}}, 100),
        ({"latency_ms_p99_9": {"max": 900}, "error_ratio": {"max": 0}}, 900),
        ({"latency_ms_max": {"max": 50}, "answer_ms_p50": {"max": 10}, "first_token_ms_p50": {"max": 1}}, math.inf),
        ({"latency_ms_p50": {"min": 5}}, math.inf),
    ],
)
def test_the_strictest_quantile_of_latency_decides(objectives: dict[str, Any], limit_ms: float) -> None:
    scenario = worlds.scenario({"during": objectives, "after": {"latency_ms_p50": {"max": 7}}})
    assert goodput_limit_ms(scenario, "during") == limit_ms
    assert goodput_limit_ms(scenario, "after") == 7
    assert goodput_limit_ms(scenario, "before") == math.inf
