"""Every word about a component has its place in the model."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.sim.parts.worlds import call, compiled, drawn, link, ms, one
from windtunnel.sim.model import (
    Adaptive,
    AutoscalePolicy,
    CachePolicy,
    CoDel,
    LLMPolicy,
    QueuePolicy,
    TokenBucket,
    WaitLimit,
)

SERVICE = {"kind": "service"}
LLM = {"kind": "llm", "slots": 4, "first_token_ms": ms(200), "token_ms": ms(10), "output_tokens": ms(30)}


@pytest.mark.parametrize(
    ("component", "expected"),
    [
        (SERVICE, {"slots": None, "queue_limit": None, "discipline": "fifo", "shed": None, "rate_limit": None}),
        (SERVICE | {"max_concurrency": 8}, {"slots": 8, "queue_limit": 0}),
        (SERVICE | {"max_concurrency": 8, "queue_limit": 5}, {"slots": 8, "queue_limit": 5}),
        ({"kind": "gateway", "max_concurrency": 8}, {"slots": 8, "queue_limit": None}),
        ({"kind": "database", "max_concurrency": 8}, {"slots": 8, "queue_limit": None, "single_threaded": False}),
        (SERVICE | {"max_concurrency": 8, "discipline": "priority"}, {"discipline": "priority"}),
        (SERVICE | {"max_concurrency": 8, "discipline": "preemptive"}, {"discipline": "preemptive"}),
        (SERVICE | {"max_concurrency": 8, "shed": {"kind": "codel", "target_ms": 5}}, {"shed": CoDel(0.005, 0.1)}),
        (
            SERVICE | {"max_concurrency": 8, "shed": {"kind": "deadline", "max_wait_ms": 50}},
            {"shed": WaitLimit(0.05)},
        ),
        (
            SERVICE | {"shed": {"kind": "adaptive", "latency_ms": 50, "maximum": 99}},
            {"shed": Adaptive(0.05, 1, 99, 20, 0.9), "slots": None},
        ),
        (SERVICE | {"rate_limit": {"per_s": 5, "burst": 10}}, {"rate_limit": TokenBucket(5, 10, False)}),
        (
            SERVICE | {"rate_limit": {"per_s": 5, "burst": 10, "per": "tenant"}},
            {"rate_limit": TokenBucket(5, 10, True)},
        ),
        (SERVICE, {"cpu_s": 0.0, "single_threaded": True, "traced": True}),
        (SERVICE | {"processor_bound": True}, {"cpu_s": math.inf}),
        (SERVICE | {"cpu_ms": 3}, {"cpu_s": 0.003}),
        (SERVICE, {"crash_above": None}),
        (SERVICE | {"crash": {"above_in_flight": 50, "restart_s": 7}}, {"crash_above": 50, "crash_restart_s": 7}),
        ({"kind": "cache", "ttl_s": 9}, {"cache": CachePolicy(9), "traced": False}),
        (
            {"kind": "cache", "ttl_resets_on": "hit", "max_entries": 7, "start": "warm", "singleflight": True},
            {"cache": CachePolicy(3600, reset_on_hit=True, max_entries=7, warm=True, singleflight=True)},
        ),
        ({"kind": "cache", "hit_ratio": 0.9}, {"cache": CachePolicy(3600, hit_ratio=0.9)}),
        (LLM, {"llm": LLMPolicy(), "slots": 4, "queue_limit": None, "cache": None}),
        (LLM | {"queue_limit": 3, "discipline": "priority"}, {"queue_limit": 3, "discipline": "priority"}),
        (
            LLM | {"batch_slowdown": 0.1, "prefill_ms_per_token": 2, "prefix_cache": {"hit_ratio": 0.5, "share": 0.8}},
            {"llm": LLMPolicy(0.1, 0.002, None, None, 0.5, 0.8)},
        ),
        (
            LLM | {"requests_per_minute": 60, "tokens_per_minute": 9000},
            {"llm": LLMPolicy(0.0, 0.0, 60, 9000)},
        ),
    ],
)
def test_a_component_as_a_station(component: dict[str, Any], expected: dict[str, Any]) -> None:
    station = one(component)
    assert {key: getattr(station, key) for key in expected} == expected


def test_replicas_and_hosts() -> None:
    station = one(SERVICE, {"replicas": 3})
    assert (station.replicas, station.initial, station.host, station.autoscale) == (3, 3, 0, None)


TIMING = {"interval_s": 30, "metrics_delay_s": 5, "cold_start_s": 20, "cooldown_up_s": 1, "cooldown_down_s": 99}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (
            {"kind": "target", "metric": "cpu", "value": 0.6},
            AutoscalePolicy(2, 9, "cpu", 0.6, (), -math.inf, 0, 30, 5, 20, 1, 99),
        ),
        (
            {"kind": "steps", "metric": "queue", "steps": [{"above": 1, "add": 1}, {"above": 5, "add": 3}]},
            AutoscalePolicy(2, 9, "queue", None, ((1, 1), (5, 3)), -math.inf, 0, 30, 5, 20, 1, 99),
        ),
        (
            {"kind": "steps", "metric": "concurrency", "steps": [{"above": 8, "add": 1}], "below": 2, "remove": 1},
            AutoscalePolicy(2, 9, "concurrency", None, ((8, 1),), 2, 1, 30, 5, 20, 1, 99),
        ),
    ],
)
def test_who_is_scaled_has_room_for_the_most(rule: dict[str, Any], expected: AutoscalePolicy) -> None:
    station = one(SERVICE, {"replicas": 3, "autoscale": {"min": 2, "max": 9, "rule": rule, **TIMING}})
    assert (station.replicas, station.initial) == (9, 3)
    assert station.autoscale == expected


def test_a_queue_and_its_worker() -> None:
    components: dict[str, dict[str, Any]] = {
        "app": SERVICE,
        "jobs": {"kind": "queue", "visibility_timeout_s": 20, "max_receives": 2, "limit": 100},
        "worker": SERVICE | {"consumes": {"queue": "jobs", "concurrency": 3}},
        "db": {"kind": "database"},
    }
    built = drawn(
        components,
        [link("client->app"), link("worker->db")],
        ask=[call("app", steps=[{"enqueue": "jobs", "steps": [call("db")]}])],
    )
    app, jobs, worker, _ = compiled(built, {"worker": {"replicas": 2}}).stations
    assert (app.consumes, app.workers, app.queue) == (None, 0, None)
    assert jobs.queue == QueuePolicy(20, 2, 100)
    assert (jobs.traced, jobs.slots, jobs.cpu_s) == (False, None, 0.0)
    assert (worker.consumes, worker.workers, worker.replicas) == (1, 3, 2)


def test_a_database_has_its_standbys_and_its_lag() -> None:
    station = one({"kind": "database", "standbys": 2, "replication_lag_ms": ms(40)}, name="db")
    assert (station.replicas, station.initial) == (3, 3)
    assert station.lag_ms is not None
    assert station.lag_ms.mean() == 40
    assert [(reign.begin_s, reign.replica) for reign in station.reigns] == [(0, 0)]
    assert one({"kind": "database"}, {"replicas": 2}, name="db").reigns == ()
