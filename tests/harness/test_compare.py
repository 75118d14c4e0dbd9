"""The error of a forecast, where it is known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness import worlds
from windtunnel.harness.compare import METRICS, compare
from windtunnel.harness.verdict import ForecastError
from windtunnel.spec.parameters import Provenance
from windtunnel.spec.run import Run

PROVENANCE = Provenance(
    runs=("low-load-1",),
    rate_per_s=4,
    measured_at="2026-03-01T10:00:00Z",
    host="laptop",
    cores=2,
    backend="embedded",
    version="0.1.0",
)


def told(forecast: Run, measured: Run) -> dict[tuple[str, str, str], ForecastError]:
    return {(e.window, e.subject, e.metric): e for e in compare(forecast, measured, PROVENANCE).errors}


@given(st.integers(0, 2**32 - 1), st.floats(0.5, 2))
@settings(max_examples=15, deadline=None)
def test_a_run_compared_with_itself_has_no_error(seed: int, slower: float) -> None:
    forecast, measured = (worlds.lively(kind, seed, slower) for kind in ("forecast", "measured"))
    found = compare(forecast, measured, PROVENANCE)
    assert {error.error for error in found.errors} == {0.0}
    assert {error.window for error in found.errors} == {"before", "during", "after"}
    assert {error.subject for error in found.errors} == {"total", "app->db", "app->llm"}


@given(st.floats(0.2, 5), st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_scaled_latencies_are_a_known_error(factor: float, seed: int) -> None:
    """Reality slower by a factor f: the forecast is off by 1/f - 1, in every quantile, the mean and each hop."""
    latency_ms = np.random.default_rng(seed).lognormal(5, 0.5, 1500)
    at_s = np.linspace(1, 30.9, 1500)

    def world(kind: str, times: float) -> Run:
        calls = [worlds.spans(range(1500), "app->llm", latency_ms * times, "ok", latency_ms * times / 3)]
        table = worlds.samples(at_s, latency_ms * times, "ok", latency_ms * times / 2)
        return worlds.run(table=table, calls=calls, kind=kind)  # type: ignore[arg-type]

    found = told(world("forecast", 1), world("measured", factor))
    times = [error for (_, _, metric), error in found.items() if "_ms_" in metric]
    assert len(times) == 3 * 2 * 7
    assert [error.error for error in times] == pytest.approx([1 / factor - 1] * len(times), rel=1e-4, abs=1e-6)
    assert all(error.error == 0 for (_, _, metric), error in found.items() if "_ms_" not in metric)


def test_ten_percent_slower_is_minus_nine_percent() -> None:
    fast = worlds.run(table=worlds.samples(np.linspace(1, 30.9, 1200), 100), kind="forecast")
    slow = worlds.run(table=worlds.samples(np.linspace(1, 30.9, 1200), 110))
    error = told(fast, slow)["during", "total", "latency_ms_p50"]
    assert [error.forecast, error.measured] == pytest.approx([100, 110])
    assert error.n == 401
    assert error.error == pytest.approx(-0.0909, abs=1e-4)
    assert error.noise == pytest.approx(0)


def test_ratios_differ_by_their_difference_and_nothing_is_divided_by_zero() -> None:
    at_s = np.linspace(1, 30.9, 1200)
    calm = worlds.run(table=worlds.samples(at_s), kind="forecast")
    stormy = worlds.run(table=worlds.samples(at_s, outcome=["error", "ok", "timeout", "ok"] * 300))
    found = told(calm, stormy)
    assert found["after", "total", "error_ratio"].error == pytest.approx(-0.5, abs=0.01)
    assert found["after", "total", "timeout_ratio"].error == pytest.approx(-0.25, abs=0.01)
    assert found["after", "total", "error_ratio"].relative is False
    assert found["after", "total", "throughput_per_s"].error == pytest.approx(1, abs=0.02)
    dead = worlds.run(table=worlds.samples(at_s, outcome="error"))
    warnings = compare(calm, dead, PROVENANCE).warnings
    assert ("after", "total", "throughput_per_s") not in told(calm, dead)
    assert any("no relative error of throughput_per_s: before total measured 0, " in warning for warning in warnings)


def test_noise_is_the_difference_of_the_odd_and_the_even_requests() -> None:
    at_s = np.linspace(1, 30.9, 1200)
    measured = worlds.run(table=worlds.samples(at_s, [90, 110] * 600, ["ok", "ok", "ok", "error"] * 300))
    found = told(worlds.run(table=worlds.samples(at_s, 100), kind="forecast"), measured)
    assert found["before", "total", "latency_ms_mean"].noise == pytest.approx(0.2)  # (110 - 90) / 100
    assert found["before", "total", "error_ratio"].noise == pytest.approx(0.5, abs=0.01)


def test_the_noise_is_about_twice_the_standard_error() -> None:
    """What the module's docstring claims, on 400 worlds of 300 exponential latencies: 2 / sqrt(300) = 0.115."""
    draw = np.random.default_rng(5)
    noises = []
    for _ in range(400):
        table = worlds.samples(np.linspace(11, 20.9, 300), draw.exponential(100, 300))
        run = worlds.run(table=table)
        noises.append(told(run, run)["during", "total", "latency_ms_mean"].noise or 0.0)
    assert np.sqrt(np.mean(np.square(noises))) == pytest.approx(0.115, rel=0.15)


def test_too_few_samples_are_left_out_with_a_warning_and_p99_without() -> None:
    few = worlds.samples(np.linspace(11, 20.9, 100))
    found = compare(worlds.run(table=few, kind="forecast"), worlds.run(table=few), PROVENANCE)
    kept = {error.metric for error in found.errors if error.window == "during"}
    assert kept == {"latency_ms_p50", "latency_ms_mean", "throughput_per_s", "error_ratio", "timeout_ratio"}
    (p90,) = (warning for warning in found.warnings if "latency_ms_p90" in warning)
    needed = "too few samples for latency_ms_p90 (200 needed in both runs)"
    assert p90 == f"{needed}: before total 0, during total 100, after total 0"
    assert not any("p99" in warning for warning in found.warnings)
    assert {error.window for error in found.errors} == {"during"}, "the other windows are empty"
    nineteen = worlds.samples(np.linspace(11, 20.9, 19))
    assert compare(worlds.run(table=nineteen, kind="forecast"), worlds.run(table=few), PROVENANCE).errors == ()
    many = worlds.samples(np.linspace(11, 20.9, 2000))
    assert "latency_ms_p99" in {metric for _, _, metric in told(worlds.run(table=many), worlds.run(table=many))}


def test_hops_that_only_one_run_knows_are_named() -> None:
    table = worlds.samples(np.linspace(11, 20.9, 100))
    forecast = worlds.run(table=table, kind="forecast", calls=[worlds.spans(range(100), "app->db")])
    measured = worlds.run(table=table, calls=[worlds.spans(range(100), "app->queue")])
    found = compare(forecast, measured, PROVENANCE)
    assert "during, app->db: called in the forecast run only" in found.warnings
    assert "during, app->queue: called in the measured run only" in found.warnings
    assert {error.subject for error in found.errors} == {"total"}


def test_the_first_token_of_a_hop_is_compared_where_both_runs_see_it() -> None:
    """A balancer passes a stream on without looking into it: only the model knows when its first token came."""
    table = worlds.samples(np.linspace(11, 20.9, 400), 100, "ok", 50)
    forecast = worlds.run(table=table, kind="forecast", calls=[worlds.spans(range(400), "app->llm", 90, "ok", 45)])
    blind = worlds.run(table=table, calls=[worlds.spans(range(400), "app->llm", 90)])
    found = told(forecast, blind)
    assert ("during", "total", "first_token_ms_p50") in found
    assert ("during", "app->llm", "first_token_ms_p50") not in found
    assert not any("first_token" in warning and "app->llm" in warning for warning in compare(forecast, blind).warnings)
    silent = worlds.run(table=worlds.samples(np.linspace(11, 20.9, 400), 100), observes=["samples", "first_token"])
    warnings = compare(forecast, silent, PROVENANCE).warnings
    assert any("first_token_ms_p50 (40 needed in both runs): during total 0" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("forecast", "measured", "provenance", "warning"),
    [
        ({}, {}, PROVENANCE.model_copy(update={"runs": ("measured-1",)}), "fitted to measured-1 itself"),
        ({}, {}, None, "not known which runs"),
        ({"kind": "measured"}, {}, PROVENANCE, "is a measured run, used here as a forecast"),
        ({"asked": worlds.scenario(seed=8)}, {}, PROVENANCE, "differ in their scenario: seed"),
        ({}, {"architecture": worlds.ARCHITECTURE.model_copy(update={"name": "b"})}, PROVENANCE, "architecture: name"),
        ({}, {"deployment": worlds.DEPLOYMENT.model_copy(update={"name": "b"})}, PROVENANCE, "deployment: name"),
        ({}, {"observes": ("samples", "first_token")}, PROVENANCE, "measured run measured-1 does not observe spans"),
        ({"observes": ("samples", "spans")}, {}, PROVENANCE, "forecast run forecast-1 does not observe first_token"),
    ],
)
def test_what_makes_the_comparison_doubtful(
    forecast: dict[str, object], measured: dict[str, object], provenance: Provenance | None, warning: str
) -> None:
    table = worlds.samples(np.linspace(11, 20.9, 400), 100, "ok", 50)
    calls = [worlds.spans(range(400))]
    ours = worlds.run(**({"table": table, "calls": calls, "kind": "forecast"} | forecast))
    theirs = worlds.run(**({"table": table, "calls": calls} | measured))
    assert any(warning in sentence for sentence in compare(ours, theirs, provenance).warnings)
    clean = compare(
        worlds.run(table=table, calls=calls, kind="forecast"), worlds.run(table=table, calls=calls), PROVENANCE
    )
    assert not any(warning in sentence for sentence in clean.warnings)


def test_every_metric_can_be_told() -> None:
    run = worlds.run(table=worlds.samples(np.linspace(11, 20.9, 2000), 100, "ok", 50), kind="forecast")
    assert {error.metric for error in compare(run, run, PROVENANCE).errors} == set(METRICS)
