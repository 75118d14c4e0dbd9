"""What is compiled from calibrated parameters and from a flow's own words; the sentences about what does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.sim.worlds import ONE_HOST, architecture, llm, parameters, scenario, service, times
from windtunnel.harness import catalogue
from windtunnel.sim.compiler import compile_model
from windtunnel.sim.model import Invoke, Model, Outcome
from windtunnel.spec.architecture import Architecture
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.load import schedule
from windtunnel.spec.parameters import Parameters, Warmth
from windtunnel.spec.problem import SpecError
from windtunnel.spec.scenario import Scenario

LINKS: list[dict[str, Any]] = [
    {"from": "client", "to": "app", "timeout_ms": 1000},
    {"from": "app", "to": "cache", "timeout_ms": 1000},
    {"from": "app", "to": "llm", "timeout_ms": 1000},
]
ASK: list[dict[str, Any]] = [{"call": "llm", "streams": True}, {"call": "cache", "op": "set"}]
STEPS = [{"call": "app", "steps": [{"call": "cache", "op": "get", "on": {"miss": ASK, "timeout": ASK}}]}]
COMPONENTS = {"app": service(max_concurrency=8), "cache": {"kind": "cache"}, "llm": llm(4)}
BUILT = architecture(COMPONENTS, LINKS, STEPS)
PACE = {"first_token_ms": 1, "token_ms": 1, "output_tokens": 1}
CALLS = {
    "client->app:call": times(service_ms=1),
    "app->cache:get": times(service_ms=1),
    "app->cache:set": times(service_ms=1),
    "app->llm:call": times(service_ms=0, **PACE),
}


def compiled(
    said: Scenario, built: Architecture, known: Parameters | None, placed: dict[str, Any] | None = None
) -> Model:
    return compile_model(said, built, Deployment.model_validate(placed or ONE_HOST), known)


def test_calls_become_a_flat_tree() -> None:
    model = compiled(scenario(), BUILT, parameters(CALLS))
    assert [(model.wires[hop.wire].name, hop.op, hop.role) for hop in model.hops] == [
        ("client->app", "call", "work"),
        ("app->cache", "get", "lookup"),
        ("app->llm", "call", "work"),
        ("app->cache", "set", "store"),
        ("app->llm", "call", "work"),
        ("app->cache", "set", "store"),
    ]
    assert [hop.index for hop in model.hops] == list(range(6))
    (get,) = model.hops[0].program
    assert get == Invoke(
        1,
        False,
        {
            Outcome.MISS: (Invoke(2, False, {}), Invoke(3, False, {})),
            Outcome.TIMEOUT: (Invoke(4, False, {}), Invoke(5, False, {})),
        },
    )
    app, _, model_server = model.stations
    assert (app.slots, app.queue_limit) == (8, 0)
    assert (model_server.slots, model_server.queue_limit) == (4, None)


def test_processor_time_is_shared_by_the_visits_that_a_request_makes() -> None:
    said = scenario(rate_per_s=1, during_s=10, load={"prompts": {"distinct": 1}})
    known = parameters(CALLS, app=5.0, llm=3.0, cache=2.2, client=7.0)
    model = compiled(said, BUILT, known)
    # Ten requests for one prompt: ten lookups, one question, one store.
    assert {station.name: station.cpu_s for station in model.stations} == {
        "app": pytest.approx(0.005),
        "llm": pytest.approx(0.030),
        "cache": pytest.approx(0.002),
    }
    assert model.beside_s == ((0, "client", 0.007),)


def test_users_of_a_closed_loop_share_it_too() -> None:
    think = {"kind": "constant", "value": 100}
    load = {"arrivals": "closed", "rate_per_s": None, "users": 3, "think_ms": think, "prompts": {"distinct": 1}}
    model = compiled(scenario(load=load), BUILT, parameters(CALLS, app=5.0))
    assert model.stations[0].cpu_s == pytest.approx(0.005)
    assert model.closed is not None
    assert (model.closed.users, list(model.arrivals())) == (3, [])


def test_measured_processor_time_wins_over_what_a_component_says() -> None:
    components = COMPONENTS | {"app": service(cpu_ms=2), "cache": {"kind": "cache", "cpu_ms": 0.5}}
    model = compiled(scenario(), architecture(components, LINKS, STEPS), parameters(CALLS, app=5.0))
    assert [station.cpu_s for station in model.stations[:2]] == [pytest.approx(0.005), 0.0005]


def test_the_load_generator_takes_nothing_from_a_cluster_unless_it_stands_in_it() -> None:
    known = parameters(CALLS, client=7.0)
    cluster: dict[str, Any] = {"name": "two", "hosts": {"a": {"cores": 1}, "b": {"cores": 3}}}
    assert compiled(scenario(), BUILT, known, cluster).beside_s == ()
    placed = cluster | {"place": {"client": {"host": "b"}, "llm": {"host": "b"}}}
    model = compiled(scenario(), BUILT, known, placed)
    assert (model.hosts, model.cores) == (("a", "b"), (1, 3))
    assert model.beside_s == ((1, "client", 0.007),)
    assert [station.host for station in model.stations] == [0, 0, 1]


def test_warmth_and_the_turn_of_an_event_loop_are_measured_things() -> None:
    warmth = (Warmth(idle_up_to_ms=20, factor=1, n=30), Warmth(idle_up_to_ms=None, factor=1.5, n=30))
    known = parameters(CALLS | {"app->cache:get": times(service_ms=7)}).model_copy(update={"warmth": {"cache": warmth}})
    model = compiled(scenario(), BUILT, known)
    assert [station.warmth for station in model.stations] == [(), warmth, ()]
    assert [station.turn_s for station in model.stations] == [0.001, 0.007, 0.0]


def test_measured_times_win_over_those_of_a_flow() -> None:
    own = {"service_ms": 40, "link_ms": 4}
    steps = [{"call": "app", **own, "steps": [{"call": "cache", "op": "get", **own}, {"call": "llm", **own}]}]
    known = parameters({"client->app:call": times(service_ms=1, link_ms=2), "app->llm:call": times(service_ms=3)})
    app, get, ask = compiled(scenario(), architecture(COMPONENTS, LINKS, steps), known).hops
    assert [(hop.service_ms.mean(), hop.link_ms and hop.link_ms.mean()) for hop in (app, get, ask)] == [
        (1, 2),
        (40, 4),
        (3, None),
    ]
    assert ask.first_token_ms is None  # measured without a pace: its service time is all


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"known": parameters({key: value for key, value in CALLS.items() if key != "app->cache:get"})},
            "parameters.calls.app->cache:get: found nothing, expected times of this call: run `windtunnel calibrate",
        ),
        (
            {"known": None},
            "parameters.calls.client->app:call: found nothing, expected times of this call: run `windtunnel calibrate "
            "tiny` with a load that makes this call or write its service_ms into the flow",
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
            "load.flows.aks: found 'aks', expected a flow of the architecture tiny (ask); did you mean 'ask'?",
        ),
        (
            {"said": scenario(faults=[{"outage": "app->lm"}])},
            "faults[0].outage: found 'app->lm', expected a link of the architecture tiny",
        ),
        (
            {"said": scenario(faults=[{"outage": "app.1->llm"}])},
            "faults[0].outage: found 'app.1->llm', expected a replica that runs: app has 1",
        ),
        (
            {"said": scenario(faults=[{"kill": "lm"}])},
            "faults[0].kill: found 'lm', expected a component of the architecture tiny (app, cache, llm); did you mean",
        ),
        (
            {"said": scenario(faults=[{"brownout": "app.3", "factor": 2}])},
            "faults[0].brownout: found 'app.3', expected a replica that runs: app has 1",
        ),
        (
            {"said": scenario(faults=[{"zone_outage": "east"}])},
            "faults[0].zone_outage: found 'east', expected a zone of the deployment laptop",
        ),
        (
            {"said": scenario(faults=[{"random_outages": "app", "mtbf_s": 1e-9, "mttr_s": 1e-9}])},
            "faults[0].mtbf_s: found about 500,000,000 outages, expected at most",
        ),
        (
            {"said": scenario(load={"arrivals": "trace", "rate_per_s": None, "trace": "nowhere.csv"})},
            "nowhere.csv: found no such file, expected a trace",
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


def test_a_model_that_was_calibrated_in_part_does_not_guess_the_rest() -> None:
    """The pace in an LLM's component is that of the mock: only where nothing was measured does it stand for all."""
    known = {key: value for key, value in CALLS.items() if key != "app->llm:call"}
    with pytest.raises(SpecError, match=r"app->llm:call: found nothing"):
        compiled(scenario(), BUILT, parameters(known))
    own = [{"call": "app", "steps": [{"call": "llm", "service_ms": 0}]}]
    _, ask = compiled(scenario(), architecture(COMPONENTS, LINKS, own), parameters(known)).hops
    assert ask.token_ms is not None


def test_arrivals_are_those_of_the_load_as_often_as_they_are_asked_for() -> None:
    load = {"arrivals": "poisson", "prompts": {"distinct": 50, "zipf": 1}, "tenants": {"distinct": 4}}
    said = scenario(rate_per_s=200, during_s=3, seed=5, load=load, scrape_s=0.25)
    model = compiled(said, BUILT, parameters(CALLS))
    plan = schedule(said.load, 3, 5)
    for _ in range(2):
        pieces = list(model.arrivals())
        assert np.array_equal(np.concatenate([piece.at_s for piece in pieces]), plan.at_s)
        assert np.array_equal(np.concatenate([piece.tenant for piece in pieces]), plan.tenant)
    assert (model.seed, model.duration_s, model.scrape_s, model.prompts, model.tenants) == (5, 3, 0.25, 50, 4)


def test_a_trace_brings_its_own_tokens(tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    rows = ["2023-11-16 18:17:00.0000000,100,7", "2023-11-16 18:17:00.5000000,200,9"]
    trace.write_text("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *rows]) + "\n")
    said = scenario(during_s=1, load={"arrivals": "trace", "rate_per_s": None, "trace": str(trace)})
    (piece,) = compiled(said, BUILT, parameters(CALLS)).arrivals()
    assert (piece.input_tokens.tolist(), piece.output_tokens.tolist()) == ([100, 200], [7, 9])


@pytest.mark.parametrize("name", catalogue.built_in(catalogue.SCENARIOS))
def test_what_we_bring_along_is_numbered_as_ever(name: str) -> None:
    """No choice and no repeat: the numbers are the places, and the draws those of the engine before."""
    asked = catalogue.question(name)
    known, _ = catalogue.parameters(asked.architecture.name)
    model = compile_model(asked.scenario, asked.architecture, asked.deployment, known)
    assert [hop.index for hop in model.hops] == list(range(len(model.hops)))
    called = [
        f"{caller}->{call.call}:{call.op}"
        for flow in asked.scenario.load.flows
        for caller, call in asked.architecture.calls(flow)
    ]
    assert [f"{model.wires[hop.wire].name}:{hop.op}" for hop in model.hops] == called
    assert [hop.service_ms for hop in model.hops] == [known.calls[key].service_ms.distribution for key in called]
