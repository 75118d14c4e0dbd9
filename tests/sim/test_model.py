"""What is compiled, and the sentences about what does not fit."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.worlds import ONE_HOST, architecture, llm, parameters, scenario, service, times
from windtunnel.sim.model import compile_model
from windtunnel.spec.architecture import Architecture
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.parameters import Parameters
from windtunnel.spec.problem import SpecError
from windtunnel.spec.scenario import Scenario

LINKS: list[dict[str, Any]] = [
    {"from": "client", "to": "app", "timeout_ms": 1000},
    {"from": "app", "to": "cache", "timeout_ms": 1000},
    {"from": "app", "to": "llm", "timeout_ms": 1000},
]
ASK: list[dict[str, Any]] = [{"call": "llm", "streams": True}, {"call": "cache", "op": "set"}]
STEPS = [{"call": "app", "steps": [{"call": "cache", "op": "get", "on": {"miss": ASK, "timeout": ASK}}]}]
BUILT = architecture({"app": service(max_concurrency=8), "cache": {"kind": "cache"}, "llm": llm(4)}, LINKS, STEPS)
PACE = {"first_token_ms": 1, "token_ms": 1, "output_tokens": 1}
CALLS = {
    "client->app:call": times(service_ms=1),
    "app->cache:get": times(service_ms=1),
    "app->cache:set": times(service_ms=1),
    "app->llm:call": times(service_ms=0, **PACE),
}


def compiled(said: Scenario, built: Architecture, known: Parameters, placed: dict[str, Any] | None = None) -> Any:
    return compile_model(said, built, Deployment.model_validate(placed or ONE_HOST), known)


def test_calls_become_a_flat_tree() -> None:
    model = compiled(scenario(), BUILT, parameters(CALLS))
    assert [(hop.wire, hop.op, hop.role) for hop in model.hops] == [
        ("client->app", "call", "work"),
        ("app->cache", "get", "lookup"),
        ("app->llm", "call", "work"),
        ("app->cache", "set", "store"),
        ("app->llm", "call", "work"),
        ("app->cache", "set", "store"),
    ]
    assert [hop.index for hop in model.hops] == list(range(6))
    assert model.hops[0].steps == (1,)
    assert model.hops[1].on == {"miss": (2, 3), "timeout": (4, 5)}
    assert (model.stations["app"].slots, model.stations["app"].queue_limit) == (8, 0)
    assert (model.stations["llm"].slots, model.stations["llm"].queue_limit) == (4, None)


def test_processor_time_is_shared_by_the_visits_that_a_request_makes() -> None:
    said = scenario(rate_per_s=1, during_s=10, load={"prompts": {"distinct": 1}})
    known = parameters(CALLS, app=5.0, llm=3.0, cache=2.2, client=7.0)
    model = compiled(said, BUILT, known)
    # Ten requests for one prompt: ten lookups, one question, one store.
    assert model.stations["app"].cpu_s == pytest.approx(0.005)
    assert model.stations["llm"].cpu_s == pytest.approx(0.030)
    assert model.stations["cache"].cpu_s == pytest.approx(0.002)
    assert model.beside_s == (("laptop", "client", 0.007),)


def test_the_load_generator_takes_nothing_from_a_cluster_unless_it_stands_in_it() -> None:
    known = parameters(CALLS, client=7.0)
    cluster: dict[str, Any] = {"name": "two", "hosts": {"a": {"cores": 1}, "b": {"cores": 1}}}
    assert compiled(scenario(), BUILT, known, cluster).beside_s == ()
    placed = cluster | {"place": {"client": {"host": "b"}}}
    assert compiled(scenario(), BUILT, known, placed).beside_s == (("b", "client", 0.007),)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"known": parameters({key: value for key, value in CALLS.items() if key != "app->cache:get"})},
            "parameters.calls.app->cache:get: found nothing, expected times of this call: run `windtunnel calibrate",
        ),
        (
            {"known": parameters(CALLS | {"app->llm:call": times(service_ms=1)})},
            "parameters.calls.app->llm:call: found no pace of its tokens",
        ),
        (
            {"known": parameters(CALLS, architecture="other")},
            "found parameters of 'other', expected those of 'tiny': run `windtunnel calibrate tiny`",
        ),
        (
            {"said": scenario(load={"flows": {"aks": 1}})},
            "load.flows.aks: found 'aks', expected a flow of the architecture (ask); did you mean 'ask'?",
        ),
        (
            {"said": scenario(faults=[{"outage": "app->lm"}])},
            "faults[0]: found app->lm, expected a link of the architecture",
        ),
        (
            {"said": scenario(faults=[{"outage": "app.1->llm"}])},
            "faults[0]: found app.1, expected one of the 1 replicas of app",
        ),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(change: dict[str, Any], words: str) -> None:
    parts: dict[str, Any] = {"said": scenario(), "built": BUILT, "known": parameters(CALLS)} | change
    with pytest.raises(SpecError) as caught:
        compiled(**parts)
    assert words in str(caught.value)


def test_every_missing_call_is_named_once() -> None:
    with pytest.raises(SpecError) as caught:
        compiled(scenario(), BUILT, parameters({"client->app:call": times(service_ms=1)}))
    assert [problem.path for problem in caught.value.problems] == [
        f"parameters.calls.{key}" for key in ("app->cache:get", "app->llm:call", "app->cache:set")
    ]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"outage": "app.1->db"}, [(1, 1.25, 2.0)]),
        ({"outage": "gateway->app.0"}, [(0, 1.25, 2.0)]),
        ({"outage": "app->db"}, [(0, 1.25, 2.0), (1, 1.25, 2.0)]),
        ({"blackhole": "app.0->db"}, []),  # a check takes a second to fail, and the fault is over by then
        ({"latency": "app.0->db", "latency_ms": 100}, []),
        ({"slow_close": "app.0->db", "delay_ms": 100}, []),
        ({"outage": "app->llm"}, []),
    ],
)
def test_readiness_follows_the_database(fault: dict[str, Any], expected: list[tuple[int, float, float]]) -> None:
    names = ("client->gateway", "gateway->app", "app->db", "app->llm")
    links = [dict(zip(("from", "to"), name.split("->"), strict=True), timeout_ms=1000) for name in names]
    steps = [{"call": "gateway", "steps": [{"call": "app", "steps": [{"call": "db"}, {"call": "llm"}]}]}]
    gateway = {"kind": "gateway", "health_interval_ms": 250}
    built = architecture(
        {"gateway": gateway, "app": service(), "db": {"kind": "database"}, "llm": llm(1)}, links, steps
    )
    known = parameters({f"{name}:call": times(service_ms=1) for name in names})
    two = {"name": "two", "hosts": {"one": {"cores": 2}}, "place": {"app": {"replicas": 2}}}
    said = scenario(windows={"warm_up_s": 1.1, "during_s": 0.8, "after_s": 1}, faults=[fault])
    model = compiled(said, built, known, two)
    assert [(spell.replica, spell.begin_s, spell.end_s) for spell in model.sick] == expected
