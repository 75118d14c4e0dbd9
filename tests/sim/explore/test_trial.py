"""A trial's figures are the judge's, and agree with a closed form."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest

from tests.sim.explore.worlds import SERVICE_S, station
from windtunnel.harness.judge import judge
from windtunnel.sim.analytic.erlang import MMc
from windtunnel.sim.explore.trial import METRICS, quantity_of, share_of, trial
from windtunnel.sim.simulate import simulate
from windtunnel.spec.scenario import Scenario

COSTS = {"currency": "EUR", "replica_hour": {"app": 2.0}, "gigabyte": 10}


def everything(**more: Any) -> Any:
    """A station whose scenario asks for every metric that a window can have."""
    asked: dict[str, Any] = {
        metric: {"min": 0} for metric in METRICS if metric not in ("recovery_s", "stale_read_ratio")
    }
    subject = station(
        rate_per_s=30,
        slots=4,
        costs=COSTS,
        objectives=asked | {"latency_ms_p95": {"max": 300}},
        windows={"warm_up_s": 5, "before_s": 20, "during_s": 10, "after_s": 40},
        faults=[{"outage": "client->app"}],
        **more,
    )
    said = subject.scenario.model_dump(by_alias=True, mode="json")
    said["objectives"] |= {
        "before": asked,
        "after": asked | {"recovery_s": {"max": 1}},
    }
    changed = {"links[client->app].timeout_ms": 400, "links[client->app].retries.max": 1}
    return replace(subject, scenario=Scenario.model_validate(said)).changed(changed)


def test_every_figure_is_what_the_judge_says_of_the_same_run() -> None:
    subject = everything()
    run = simulate(
        subject.scenario, subject.architecture, subject.deployment, None, replay="", version="0", engine="compiled"
    )
    seen = trial(subject)
    compared = set()
    for judgement in judge(run).judgements:
        figure = seen.seen(judgement.window).figures.get(judgement.metric)
        if judgement.value is None:
            assert figure is None, judgement
        else:
            assert figure == pytest.approx(judgement.value, rel=1e-9), judgement
            compared.add(judgement.metric)
    assert compared == set(METRICS) - {"stale_read_ratio"}
    assert any(name.startswith("latency_ms") for name in seen.seen("before").figures)


def test_a_station_agrees_with_its_closed_form() -> None:
    seen = trial(station(rate_per_s=60, slots=8, during_s=400)).seen("during")
    truth = MMc(servers=8, arrival_rate=60, mean_service=SERVICE_S)
    assert seen.figures["latency_ms_mean"] == pytest.approx(truth.mean_sojourn * 1000, rel=0.03)
    assert seen.figures["latency_ms_p90"] == pytest.approx(truth.sojourn_quantile(0.9) * 1000, rel=0.04)
    assert seen.times["latency_ms"].sketch().quantile(0.9) == pytest.approx(seen.figures["latency_ms_p90"], rel=0.004)
    (slots,) = (use for use in seen.uses if use.kind == "slots")
    assert slots.utilisation == pytest.approx(truth.utilisation, rel=0.05)
    assert (seen.saturated, seen.cost_per_hour) == (None, None)
    assert seen.bottleneck.startswith("app: ")


def test_what_does_not_keep_up_says_so() -> None:
    seen = trial(station(rate_per_s=60, slots=4)).seen("during")
    assert seen.saturated is not None
    assert "requests in the system grow" in seen.saturated


def test_it_costs_what_its_replicas_do_and_travels_between_processes() -> None:
    seen = trial(station(rate_per_s=10, slots=4, during_s=20, replicas=3, costs={"replica_hour": {"app": 2}}))
    again = pickle.loads(pickle.dumps(seen))
    assert again.seen("during").cost_per_hour == pytest.approx(6)
    assert again.seen("during").figures == seen.seen("during").figures
    with pytest.raises(KeyError):
        again.seen("after")


def test_metrics_by_their_names() -> None:
    assert [share_of(m) for m in ("latency_ms_p99_9", "answer_ms_p50", "latency_ms_max", "error_ratio")] == [
        0.999,
        0.5,
        None,
        None,
    ]
    assert share_of("latency_ms_p95") == 0.95
    assert quantity_of("first_token_ms_p90") == "first_token_ms"
