"""How figures read."""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness import worlds
from windtunnel.harness.report import wording
from windtunnel.spec.load import Load
from windtunnel.spec.objective import Bound


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("latency_ms_p90", 412.3, "412 ms"),
        ("latency_ms_p50", 4.256, "4.26 ms"),
        ("answer_ms_max", 12_345.6, "12,346 ms"),
        ("first_token_ms_p50", 99.96, "100 ms"),
        ("error_ratio", 0.0125, "1.25 %"),
        ("error_ratio", 0.00004, "0.004 %"),
        ("throughput_per_s", 11.84, "11.8 /s"),
        ("recovery_s", 0.0, "0 s"),
        ("recovery_s", 0.99999, "1 s"),
        ("acknowledged_writes_lost", 3.0, "3"),
        ("acknowledged_writes_lost", 100.0, "100"),
        ("latency_ms_p99", None, "-"),
    ],
)
def test_amounts_have_units(metric: str, value: float | None, text: str) -> None:
    assert wording.amount(metric, value) == text


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        ("latency_ms_p90", "latency p90"),
        ("first_token_ms_p50", "first token p50"),
        ("recovery_s", "recovery"),
        ("throughput_per_s", "throughput"),
        ("error_ratio", "error ratio"),
        ("latency_ms_p99_9", "latency p99.9"),
        ("goodput_per_s", "goodput"),
        ("cost_per_1000", "cost per 1000"),
        ("acknowledged_writes_lost", "acknowledged writes lost"),
    ],
)
def test_titles_have_none(metric: str, text: str) -> None:
    assert wording.title(metric) == text


def test_bounds_and_changes() -> None:
    assert wording.bound("error_ratio", Bound(max=0.001)) == "<= 0.1 %"
    assert wording.bound("throughput_per_s", Bound(min=5)) == ">= 5 /s"
    assert wording.bound("latency_ms_p50", Bound(min=5, max=9)) == "5 ms to 9 ms"
    assert wording.change("latency_ms_p50", 326, 301) == "326 → 301 ms"
    assert wording.change("acknowledged_writes_lost", 1, 0) == "1 → 0"
    assert wording.signed(0.0909, relative=True) == "+9.1 %"
    assert wording.signed(-0.004, relative=False) == "-0.4 pp"


@pytest.mark.parametrize(
    ("load", "words"),
    [
        ({"arrivals": "gamma", "rate_per_s": 12, "cv": 2}, "gamma arrivals, 12 /s, coefficient of variation 2"),
        (
            {"arrivals": "mmpp", "states": [{"rate_per_s": 5, "mean_s": 30}, {"rate_per_s": 50, "mean_s": 2}]},
            "mmpp arrivals, 5 /s for 30 s, 50 /s for 2 s",
        ),
        (
            {"arrivals": "diurnal", "rate_per_s": 12, "amplitude": 0.5, "period_s": 60},
            "diurnal arrivals, 12 /s, up and down by 50 % in 60 s",
        ),
        (
            {"arrivals": "flash", "rate_per_s": 12, "peak_per_s": 90, "at_s": 5, "hold_s": 3},
            "flash arrivals, 12 /s, 90 /s from second 5 on",
        ),
        ({"arrivals": "trace", "trace": "days/one.csv", "speed": 2}, "trace arrivals, one.csv at 2 times its speed"),
        ({"arrivals": "closed", "users": 20, "think_ms": 1500}, "closed arrivals, 20 users who think for 1.5 s"),
    ],
)
def test_a_load_in_words(load: dict[str, Any], words: str) -> None:
    assert wording.load(Load.model_validate(load | {"flows": {"chat": 1}})) == f"{words}: chat 100 %"


def test_a_scenario_in_words() -> None:
    asked = worlds.scenario(
        faults=[{"latency": "app->llm", "latency_ms": 500}],
        load={"rate_per_s": 12, "flows": {"chat": 4, "history": 1}},
        windows={"warm_up_s": 2.5, "during_s": 20},
    )
    assert wording.load(asked.load) == "poisson arrivals, 12 /s: chat 80 %, history 20 %"
    assert wording.windows(asked) == "warm-up 2.5 s, during 20 s"
    assert wording.faults(asked) == "latency app->llm (during)"
    assert wording.faults(worlds.scenario()) == "none"
