"""Calibration finds the times that a run was made with, and a forecast from them is that of the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tests.sim.test_forecast import BUILT, KNOWN, SAID
from tests.sim.worlds import architecture, forecast, parameters, scenario, service, times
from windtunnel.sim.calibrate import calibrate
from windtunnel.spec.parameters import Parameters
from windtunnel.spec.problem import SpecError
from windtunnel.spec.run import SERIES, SPANS, Run
from windtunnel.spec.scenario import Scenario

UNBUSY = KNOWN.model_copy(update={"cpu_ms": {}})


def low_load(**more: Any) -> Scenario:
    return scenario(
        seed=more.pop("seed", 11),
        load={"arrivals": "poisson", "rate_per_s": 4, "prompts": {"distinct": 300, "zipf": 0.9}},
        windows={"warm_up_s": 3, "during_s": 120} | more.pop("windows", {}),
        **more,
    )


def as_measured(run: Run, **more: Any) -> Run:
    """A forecast dressed as a measured run: the client writes no spans, a proxy does not know its caller's name."""
    rows = [row | ({"caller": ""} if row["callee"] == "gateway" else {}) for row in run.spans.to_pylist()]
    rows = [row for row in rows if not (row["kind"] == "client" and row["caller"] == "")]
    dressed = {"kind": "measured", "backend": "embedded", "created_at": "2026-01-02T03:04:05Z", "host": "here"} | more
    record = run.record.model_copy(update=dressed)
    return Run(record, run.samples, pa.Table.from_pylist(rows, SPANS), run.writes, run.series)


def learnt(said: Scenario | None = None, known: Parameters = UNBUSY) -> Parameters:
    return calibrate([as_measured(forecast(said or low_load(), BUILT, known))])


def quantiles(run: Run, *p: float) -> dict[str, np.ndarray]:
    """In all and by hop, of what succeeded."""
    found = {"total": [(row["done_s"] - row["intended_s"]) * 1000 for row in run.samples.to_pylist()]}
    for row in run.spans.to_pylist():
        if row["kind"] == "client" and row["caller"] != "client":
            found.setdefault(f"{row['caller']}->{row['callee']}:{row['op']}", []).append(row["duration_ms"])
    return {name: np.quantile(values, p) for name, values in found.items()}


def test_every_time_is_found_again() -> None:
    parameters = learnt()
    assert set(parameters.calls) == set(KNOWN.calls)
    for key, call in KNOWN.calls.items():
        for part, truth in call:
            found = getattr(parameters.calls[key], part)
            if truth is None:
                assert found is None, (key, part)
                continue
            median = truth.distribution.at(0.5)
            slack = 0.5 if part == "output_tokens" else 1e-3  # whole tokens; rounded quantiles
            assert found.median_low - slack <= median <= found.median_high + slack, (key, part)
            assert found.distribution.at(0.9) == pytest.approx(truth.distribution.at(0.9), rel=0.2, abs=0.01), (
                key,
                part,
            )
    assert parameters.calls["app->llm:call"].service_ms.distribution.at(0.5) == 0


def test_a_forecast_from_what_was_learnt_is_that_of_the_truth_at_three_times_the_rate() -> None:
    said = SAID.model_copy(update={"faults": ()})
    truth, again = (quantiles(forecast(said, BUILT, known), 0.5, 0.95) for known in (UNBUSY, learnt()))
    assert truth.keys() == again.keys()
    for name in truth:
        assert again[name] == pytest.approx(truth[name], rel=0.12, abs=0.5), name


def test_provenance_says_where_the_numbers_come_from() -> None:
    runs = [as_measured(forecast(low_load(seed=seed), BUILT, UNBUSY)) for seed in (1, 2)]
    parameters = calibrate(runs)
    assert parameters.architecture == "tiny"
    assert parameters.provenance.runs == tuple(run.record.id for run in runs)
    assert parameters.provenance.rate_per_s == pytest.approx(4, rel=0.1)
    assert (parameters.provenance.measured_at, parameters.provenance.host) == ("2026-01-02T03:04:05Z", "here")
    assert (parameters.provenance.cores, parameters.provenance.backend) == (2, "embedded")
    assert Parameters.model_validate_json(parameters.model_dump_json(by_alias=True)) == parameters


def test_processor_time_is_what_was_used_per_request() -> None:
    parameters = learnt(known=KNOWN)
    assert parameters.cpu_ms.keys() == {"app", "gateway", "db", "client"}
    for who, cpu_ms in KNOWN.cpu_ms.items():
        assert parameters.cpu_ms[who] == pytest.approx(cpu_ms, rel=0.1)
    readings = [{"name": "cpu_share", "component": who, "at_s": 5.0, "value": 1.0} for who in ("host", "laptop", "app")]
    run = as_measured(forecast(low_load(), BUILT, UNBUSY))
    used = Run(run.record, run.samples, run.spans, run.writes, pa.Table.from_pylist(readings, SERIES))
    assert calibrate([used]).cpu_ms == {"app": pytest.approx(1000 / 4, rel=0.1)}


def test_only_quiet_windows_and_smooth_requests_count() -> None:
    """Latency on the database during a fault, and a warm-up of three times the length, leave no trace."""
    faults = [{"latency": "app->db", "latency_ms": 500}]
    said = low_load(windows={"warm_up_s": 30, "before_s": 60, "during_s": 60, "after_s": 10}, faults=faults)
    parameters = learnt(said)
    assert parameters.calls["app->db:begin"].service_ms.distribution.at(1) < 100
    assert parameters.provenance.rate_per_s == pytest.approx(4, rel=0.2)
    assert parameters.calls["app->db:begin"].service_ms.n < 60 * 4 * 1.2
    slow_start = low_load(windows={"warm_up_s": 1, "during_s": 30})
    run = as_measured(forecast(slow_start, BUILT, UNBUSY))
    retried = [
        row | ({"attempt": 1} if row["request"] == 50 and row["callee"] == "db" else {})
        for row in run.spans.to_pylist()
    ]
    without = calibrate([Run(run.record, run.samples, pa.Table.from_pylist(retried, SPANS), run.writes, run.series)])
    assert without.calls["app->db:begin"].service_ms.n == calibrate([run]).calls["app->db:begin"].service_ms.n - 1


def test_calls_that_overlap_are_taken_off_once() -> None:
    """Of 100 ms, one call covers 10 to 50 and another 35 to 75: 35 ms are the app's own."""
    names = ("client->app", "app->db")
    links = [dict(zip(("from", "to"), name.split("->"), strict=True), timeout_ms=1000) for name in names]
    steps = [{"call": "app", "steps": [{"call": "db", "op": "first"}, {"call": "db", "op": "second"}]}]
    built = architecture({"app": service(), "db": {"kind": "database"}}, links, steps)
    known = parameters({key: times(service_ms=1) for key in ("client->app:call", "app->db:first", "app->db:second")})
    run = forecast(scenario(), built, known)

    def row(kind: str, caller: str, callee: str, op: str, at_ms: float, ms: float) -> dict[str, Any]:
        seen = {"request": 0, "attempt": 0, "outcome": "ok", "replica": "app.0"}
        return seen | {
            "kind": kind,
            "caller": caller,
            "callee": callee,
            "op": op,
            "start_s": at_ms / 1000,
            "duration_ms": ms,
        }

    rows = [
        row("server", "", "app", "call", 0, 100),
        row("client", "app", "db", "first", 10, 40),
        row("client", "app", "db", "second", 35, 40),
    ]
    record = run.record.model_copy(update={"kind": "measured"})
    overlapping = Run(record, run.samples, pa.Table.from_pylist(rows, SPANS), run.writes, run.series)
    found = calibrate([overlapping]).calls
    assert found["client->app:call"].service_ms.distribution.at(0.5) == pytest.approx(35)
    assert found["app->db:first"].service_ms.distribution.at(0.5) == pytest.approx(40)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "forecast"}, "found a forecast, expected a measured run: a model must not learn from itself"),
        ({"observes": ("samples",)}, "found a run without spans"),
        ({"architecture": BUILT.model_copy(update={"description": "another"})}, "found another architecture"),
        (
            {"scenario": low_load(faults=[{"outage": "app->db"}])},
            "found a fault in every window, expected a window `before` or `during` without one",
        ),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(change: dict[str, Any], words: str) -> None:
    run = as_measured(forecast(low_load(), BUILT, UNBUSY))
    other = as_measured(forecast(low_load(), BUILT, UNBUSY), **change)
    with pytest.raises(SpecError) as caught:
        calibrate([run, other])
    assert words in str(caught.value)


def test_no_run_and_no_sight_of_a_call_are_refused() -> None:
    with pytest.raises(SpecError, match="found none, expected at least one measured run"):
        calibrate([])
    run = as_measured(forecast(low_load(), BUILT, UNBUSY))
    blind = Run(
        run.record,
        run.samples,
        run.spans.filter(pc.not_equal(run.spans["callee"], "cache")),
        run.writes,
        run.series,
    )
    with pytest.raises(SpecError) as caught:
        calibrate([blind])
    assert [problem.path for problem in caught.value.problems] == ["calls.app->cache:get", "calls.app->cache:set"]
