"""Drawings whose answers are known: recognised, and told to the last digit; what has none is refused in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.sim.answers.drawings import EXPONENTIAL, MEAN_MS, Parts, drawn, queue, simulated
from windtunnel.sim.analytic.demand import Saturated
from windtunnel.sim.answers.exact import Exact, exact
from windtunnel.sim.answers.forecast import answer
from windtunnel.sim.compiler import compile_model
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.problem import SpecError


def of(parts: Parts) -> Exact:
    scenario, architecture, deployment = parts
    return exact(scenario, compile_model(scenario, architecture, deployment, None))


def prioritised(discipline: str) -> Parts:
    call = {"call": "db", "service_ms": EXPONENTIAL}
    return drawn(
        {"db": {"kind": "database", "max_concurrency": 1, "discipline": discipline}},
        {"urgent": {"priority": 0, "steps": [call]}, "other": {"priority": 5, "steps": [call]}},
        [{"from": "client", "to": "db"}],
        load={"rate_per_s": 80, "flows": {"urgent": 3, "other": 5}},
    )


@pytest.mark.parametrize(
    ("parts", "kind", "wait", "lost"),
    [
        (queue(), "M/M/1", 4, 0),
        (queue(load=6.4, slots=8), "M/M/8", 0.286028, 0),
        (queue(MEAN_MS), "M/D/1", 2, 0),
        (queue(MEAN_MS, load=1.6, slots=2), "M/D/2", 0.903284, 0),
        (queue({"kind": "gamma", "mean": MEAN_MS, "shape": 2}), "M/G/1", 3, 0),
        (queue({"kind": "lognormal", "median": MEAN_MS / np.exp(0.5), "sigma": 1}), "M/G/1", 5.436564, 0),
        (queue(load=1.6, slots=2, queue_limit=3), "M/M/2/5", 0.505451, 0.102744),
        (queue(load=9.6, slots=8, queue_limit=8), "M/M/8/16", 0.600436, 0.187507),
        (queue(load=6.4, slots=8, queue_limit=0), "M/G/8/8", 0, 0.144394),
        (queue(MEAN_MS, load=6.4, slots=8, queue_limit=0), "M/G/8/8", 0, 0.144394),
        (
            queue(load=9.6, slots=8, shed={"kind": "deadline", "max_wait_ms": 0.5 * MEAN_MS}),
            "M/M/8+D",
            0.209923,
            0.212242,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_queue_is_known_by_its_kind(parts: Parts, kind: str, wait: float, lost: float) -> None:
    found = of(parts)
    assert found.kind == kind
    assert found.mean_ms == pytest.approx((wait + 1) * MEAN_MS, rel=1e-6)
    assert found.lost_ratio == pytest.approx(lost, abs=1e-6)
    assert parts[0].load.rate_per_s
    assert found.throughput_per_s == pytest.approx(parts[0].load.rate_per_s * (1 - lost), rel=1e-6)


def test_quantiles_where_they_are_known() -> None:
    assert of(queue()).quantiles_ms[0.99] == pytest.approx(230.2585, rel=1e-6)
    assert of(queue(MEAN_MS)).quantiles_ms == {}


@pytest.mark.parametrize(
    ("discipline", "urgent", "other"), [("priority", 2.142857, 6.714286), ("preemptive", 1.428571, 7.142857)]
)
def test_priorities(discipline: str, urgent: float, other: float) -> None:
    found = of(prioritised(discipline))
    assert found.mean_ms_by_flow == pytest.approx({"urgent": urgent * MEAN_MS, "other": other * MEAN_MS}, rel=1e-6)
    rates = {"urgent": 0.03, "other": 0.05}
    present = sum(rates[flow] * mean_ms for flow, mean_ms in found.mean_ms_by_flow.items())
    assert found.stations[0].waiting == pytest.approx(present - 0.8), "Little's law"


def test_a_shared_processor() -> None:
    """M/G/1 processor sharing, 5 services at load 0.8, whatever the distribution; with four cores M/M/4's mean."""
    for work in (EXPONENTIAL, MEAN_MS):
        parts = drawn(
            {"db": {"kind": "database", "processor_bound": True}},
            {"ask": {"steps": [{"call": "db", "service_ms": work}]}},
            [{"from": "client", "to": "db"}],
            load={"rate_per_s": 80},
            cores=1,
        )
        assert of(parts).mean_ms == pytest.approx(5 * MEAN_MS)
        four = (parts[0], parts[1], Deployment.model_validate({"name": "four", "hosts": {"host": {"cores": 4}}}))
        assert of(four).mean_ms == pytest.approx(of(queue(slots=4)).mean_ms)


def test_the_reference_network_of_four_hops() -> None:
    """Gateway c = 4, app c = 8, database c = 10, LLM c = 16, all exponential, 280 a second: 0.0977477 s.

    Called one after the other, since in a product form nobody holds a place while others work.
    """
    hops = {"gateway": (4, 8), "app": (8, 20), "db": (10, 24), "llm": (16, 40)}
    steps = [
        {"call": name, "service_ms": {"kind": "exponential", "mean": mean_ms}} for name, (_, mean_ms) in hops.items()
    ]
    parts = drawn(
        {"outside": {"kind": "service"}}
        | {name: {"kind": "database", "max_concurrency": slots} for name, (slots, _) in hops.items()},
        {"ask": {"steps": [{"call": "outside", "service_ms": 0, "steps": steps}]}},
        [{"from": "client", "to": "outside"}, *({"from": "outside", "to": name} for name in hops)],
        load={"rate_per_s": 280},
    )
    found = of(parts)
    assert found.kind == "open product-form network"
    assert found.mean_ms == pytest.approx(97.7477, rel=1e-6)


def test_a_closed_network() -> None:
    """Demands .05, .08, .03 s, think 1 s, 20 users: X 11.973117, R .670409. A demand is spread over two visits here."""
    call = {kind: {"kind": "exponential", "mean": mean} for kind, mean in (("a", 25), ("b", 80), ("c", 30))}
    steps = [
        {"repeat": [{"call": "a", "service_ms": call["a"]}], "times": 2},
        {"call": "b", "service_ms": call["b"]},
        {
            "choose": [
                {"probability": 0.5, "steps": [{"repeat": [{"call": "c", "service_ms": call["c"]}], "times": 2}]},
                {"probability": 0.5, "steps": []},
            ]
        },
    ]
    parts = drawn(
        {"app": {"kind": "service"}} | {name: {"kind": "database", "max_concurrency": 1} for name in "abc"},
        {"ask": {"steps": [{"call": "app", "service_ms": 0, "steps": steps}]}},
        [{"from": "client", "to": "app"}, *({"from": "app", "to": name} for name in "abc")],
        load={"arrivals": "closed", "users": 20, "think_ms": {"kind": "exponential", "mean": 1000}},
    )
    found = of(parts)
    assert found.kind == "closed product-form network"
    assert found.throughput_per_s == pytest.approx(11.973117, rel=1e-6)
    assert found.mean_ms == pytest.approx(670.409, rel=1e-6)


def everything() -> Parts:
    """Two flows, a cache by chance, a branch, a repetition, two replicas, a processor, links that take time."""
    read = {"call": "db", "op": "read", "service_ms": {"kind": "exponential", "mean": 8}}
    ask = [
        {
            "call": "cache",
            "op": "get",
            "service_ms": 1,
            "on": {"miss": [{"repeat": [read], "times": 2}, {"call": "model", "service_ms": 15}]},
        },
        {"choose": [{"probability": 0.25, "steps": [read]}, {"probability": 0.75, "steps": []}]},
    ]
    return drawn(
        {
            "app": {"kind": "service"},
            "cache": {"kind": "cache", "hit_ratio": 0.4},
            "db": {"kind": "database", "max_concurrency": 2},
            "model": {"kind": "database", "processor_bound": True},
        },
        {
            "ask": {"steps": [{"call": "app", "op": "ask", "service_ms": 3, "link_ms": 2, "steps": ask}]},
            "look": {"steps": [{"call": "app", "op": "look", "service_ms": 1, "steps": [read]}]},
        },
        [
            {"from": "client", "to": "app"},
            {"from": "app", "to": "cache"},
            {"from": "app", "to": "db", "balance": "random"},
            {"from": "app", "to": "model"},
        ],
        load={"rate_per_s": 180, "flows": {"ask": 2, "look": 1}},
        place={"db": {"replicas": 2}},
        cores=2,
        windows={"warm_up_s": 5, "during_s": 30},
    )


def test_the_engine_agrees_on_a_network_with_everything_in_it() -> None:
    parts = everything()
    found = of(parts)
    (window,) = answer(simulated(parts)).windows
    assert window.mean_ms
    assert window.mean_ms.low <= found.mean_ms <= window.mean_ms.high
    assert window.mean_ms.relative_half_width < 0.08
    uses = {use.name: use for use in window.uses}
    for station in found.stations:
        if station.name == "db":
            assert uses["db"].utilisation == pytest.approx(station.utilisation, rel=0.05)
            assert uses["db"].queue == pytest.approx(station.waiting, rel=0.25)
        if station.name.endswith("host"):
            assert uses["host"].utilisation == pytest.approx(station.utilisation, rel=0.05)


def held(**more: Any) -> Parts:
    """A place that is held while another is called."""
    return drawn(
        {"app": {"kind": "service", "max_concurrency": 5}, "db": {"kind": "database"}},
        {"ask": {"steps": [{"call": "app", "service_ms": 1, "steps": [{"call": "db", "service_ms": 1}]}]}},
        [{"from": "client", "to": "app"}, {"from": "app", "to": "db", "pool": 3}],
        **{"load": {"rate_per_s": 1}, **more},
    )


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        (queue({"kind": "uniform", "low": 1, "high": 9}, slots=2), "2 servers for work that is neither"),
        (queue(MEAN_MS, queue_limit=2), "a bounded queue or a longest wait"),
        (queue(link={"timeout_ms": 600}), "client->db.timeout_ms: found 600 ms, 12 times what the call takes"),
        (queue(link={"hedge": {"after_ms": 5}}), "client->db: found hedging"),
        (queue(rate_limit={"per_s": 5, "burst": 1}), "components.db: found a rate limit"),
        (queue(shed={"kind": "codel", "target_ms": 5}), "shedding that depends on the past"),
        (queue(queue_limit=3, link={"retries": {"max": 1, "backoff_ms": 1}}), "a queue that turns away"),
        (held(faults=[{"outage": "app->db"}]), "faults: found outage, expected none"),
        (held(load={"arrivals": "gamma", "cv": 2, "rate_per_s": 1}), "load.arrivals: found 'gamma'"),
        (held(), "components.app: found places that are held while others are called"),
        (held(), "links.app->db: found a connection pool"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_no_formula_has_is_said(parts: Parts, sentence: str) -> None:
    with pytest.raises(SpecError, match="expected") as refused:
        of(parts)
    assert sentence in str(refused.value)


def test_round_robin_is_refused_and_random_is_not() -> None:
    """Every other arrival is more regular than Poisson; each with a probability of a half is not."""
    scenario, architecture, _ = queue()
    two = Deployment.model_validate({"name": "two", "hosts": {"host": {"cores": 8}}, "place": {"db": {"replicas": 2}}})
    with pytest.raises(SpecError, match="'round_robin' over 2 replicas"):
        of((scenario, architecture, two))
    balanced = queue(link={"balance": "random"}, load=1.6)[1]
    found = of((queue(load=1.6)[0], balanced, two))
    assert found.mean_ms == pytest.approx(5 * MEAN_MS), "each of the two is an M/M/1 at load 0.8"
    assert found.stations[0].servers == 2
    assert found.stations[0].waiting == pytest.approx(2 * 3.2)


def test_above_capacity_there_is_no_steady_state() -> None:
    with pytest.raises(Saturated, match=r"found work for 1\.2 servers"):
        of(queue(load=1.2))
