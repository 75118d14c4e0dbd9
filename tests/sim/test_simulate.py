"""The forecast's record: which engine ran, what happened, what it rests on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.parts.worlds import call, drawn, link
from tests.sim.worlds import ONE_HOST, scenario
from windtunnel.sim.compiler import compile_model
from windtunnel.sim.simulate import FEW_REQUESTS, chosen, simulate
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.run import Run
from windtunnel.spec.scenario import Scenario

BUILT = drawn(
    {"app": {"kind": "service"}, "db": {"kind": "database"}},
    [link("client->app"), link("app->db")],
    ask=[call("app", steps=[call("db", service_ms=4)])],
)
PLACED = Deployment.model_validate(ONE_HOST | {"place": {"app": {"replicas": 2}}})


def forecast(said: Scenario, **more: Any) -> Run:
    return simulate(said, BUILT, PLACED, None, replay="windtunnel simulate tiny", version="0", engine="simpy", **more)


def test_a_service_that_says_its_own_times_needs_no_calibration() -> None:
    run = forecast(scenario(rate_per_s=10, during_s=1))
    assert (run.record.kind, run.record.backend, run.record.parameters) == ("forecast", "simpy", None)
    rows = run.samples.to_pylist()
    assert [row["outcome"] for row in rows] == ["ok"] * 10
    assert [row["done_s"] - row["intended_s"] for row in rows] == pytest.approx([0.005] * 10)


def test_equal_arguments_give_an_equal_name_and_others_another() -> None:
    one, two = (forecast(scenario(seed=seed)).record.id for seed in (1, 2))
    assert (one, two) == (forecast(scenario(seed=1)).record.id, forecast(scenario(seed=2)).record.id)
    assert one != two
    assert forecast(scenario(), run_id="mine").record.id == "mine"


def test_a_fault_of_many_windows_is_one_event() -> None:
    faults: list[dict[str, Any]] = [
        {"random_outages": "app", "mtbf_s": 0.2, "mttr_s": 0.1},
        {"kill": "db"},
    ]
    run = forecast(scenario(windows={"before_s": 1, "during_s": 2, "after_s": 1}, faults=faults))
    happened = [(event.at_s, event.what, event.detail) for event in run.record.events if "ed" in event.what]
    assert happened == [
        (1, "injected", "random_outages app"),
        (1, "injected", "kill db"),
        (3, "healed", "random_outages app"),
        (3, "healed", "kill db"),
    ]
    assert run.record.unmodelled == ()
    failed = [row["intended_s"] for row in run.samples.to_pylist() if row["outcome"] != "ok"]
    assert failed
    assert all(1 <= at_s < 3 for at_s in failed)


THINK = {"kind": "constant", "value": 100}


@pytest.mark.parametrize(
    ("load", "engine"),
    [
        ({"rate_per_s": FEW_REQUESTS / 2}, "simpy"),
        ({"rate_per_s": FEW_REQUESTS}, "compiled"),
        ({"arrivals": "closed", "rate_per_s": None, "users": 5, "think_ms": THINK}, "simpy"),
        ({"arrivals": "closed", "rate_per_s": None, "users": 5000, "think_ms": THINK}, "compiled"),
    ],
)
def test_the_compiled_engine_is_started_for_many_requests(load: dict[str, Any], engine: str) -> None:
    model = compile_model(scenario(during_s=1.5, load=load), BUILT, PLACED, None)
    assert chosen("auto", model) == engine
    assert (chosen("simpy", model), chosen("compiled", model)) == ("simpy", "compiled")


@pytest.mark.timeout(60)
def test_thousands_of_replicas_may_fail_at_once() -> None:
    """Two seconds; where every fault was held against every replica, and a lane knew each of them, it was minutes."""
    built = drawn(
        {"gate": {"kind": "gateway"}, "app": {"kind": "service"}, "db": {"kind": "database"}},
        [link("client->gate"), link("gate->app"), link("app->db")],
        ask=[call("gate", steps=[call("app", steps=[call("db", service_ms=4)])])],
    )
    zones = {"replicas": 10_000, "zones": ["a", "b"]}
    placed = Deployment.model_validate(ONE_HOST | {"place": {"app": zones, "db": zones}})
    said = scenario(rate_per_s=10, windows={"during_s": 1, "before_s": 1}, faults=[{"zone_outage": "a"}])
    run = simulate(said, built, placed, None, replay="windtunnel simulate tiny", version="0", engine="simpy")
    assert len(run.samples) == 20
