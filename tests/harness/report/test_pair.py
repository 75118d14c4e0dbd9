"""What a pair puts together."""

from __future__ import annotations

import pytest

from tests.harness import worlds
from windtunnel.harness.report.pair import Pair
from windtunnel.harness.verdict import Verdict

MEASURED, FORECAST = worlds.lively(), worlds.lively("forecast", 2, 0.9)


def test_objectives_stand_side_by_side() -> None:
    rows = Pair.of(MEASURED, FORECAST).objectives
    assert [(row.window, row.metric) for row in rows] == [
        ("before", "error_ratio"),
        ("before", "latency_ms_p90"),
        ("during", "answer_ms_p90"),
        ("during", "acknowledged_writes_lost"),
        ("after", "recovery_s"),
        ("after", "latency_ms_p99"),
    ]
    lost = rows[3]
    assert lost.measured is not None
    assert lost.forecast is not None
    assert (lost.measured.verdict, lost.forecast.verdict) == (Verdict.PASS, Verdict.NOT_OBSERVED)


def test_reality_decides() -> None:
    """A forecast that cannot observe something does not spoil a measured pass, and never makes one."""
    question = worlds.scenario({"during": {"acknowledged_writes_lost": {"max": 0}}})
    measured = worlds.run(question, found={500: True})
    forecast = worlds.run(question, kind="forecast")
    assert Pair.of(measured, forecast).verdict is Verdict.PASS
    assert Pair.of(forecast=forecast).verdict is Verdict.NOT_OBSERVED


def test_the_typical_error_is_the_median_over_the_whole_requests_figures() -> None:
    typical = Pair.of(MEASURED, worlds.lively("forecast", 1, 0.9)).typical_error
    assert typical is not None
    size, n = typical
    assert size == pytest.approx(0.1, abs=0.005), "everything was forecast a tenth too quick"
    assert n > 10
    assert Pair.of(MEASURED).typical_error is None


def test_objectives_that_only_one_run_has_are_kept() -> None:
    measured = worlds.run(worlds.scenario({"during": {"error_ratio": {"max": 0.5}}}))
    forecast = worlds.run(worlds.scenario({"during": {"error_ratio": {"max": 0.1}}}), kind="forecast")
    rows = Pair.of(measured, forecast).objectives
    assert [(str(row.bound), row.measured is None, row.forecast is None) for row in rows] == [
        ("<= 0.5", False, True),
        ("<= 0.1", True, False),
    ]


def test_nothing_is_no_finding() -> None:
    with pytest.raises(ValueError, match="expected at least one"):
        Pair.of()


def test_a_run_comes_with_its_ruling_and_in_its_own_place() -> None:
    with pytest.raises(ValueError, match="a run without its ruling"):
        Pair(MEASURED, None, None, None, None)
    with pytest.raises(ValueError, match="a forecast run in place of the measured one"):
        Pair.of(measured=FORECAST)
