"""The drawing as a whole: what its parts say about each other, and limits that stand once, for model and service."""

from __future__ import annotations

import json

import pytest

from windtunnel.harness import catalogue
from windtunnel.spec.architecture import Architecture, environment
from windtunnel.spec.reading import parse

from .sentences import sentences
from .worlds import ARCHITECTURE

EVERYTHING = parse(ARCHITECTURE, Architecture)


def test_the_service_is_told_the_limits_of_its_links() -> None:
    scale, _ = catalogue.architecture("scale")
    told = environment(scale, "app", {"db": "127.0.0.1:1", "cache": "127.0.0.1:2", "llm": "127.0.0.1:3"})
    llm = scale.link("app", "llm")
    assert told["LLM_URL"] == "http://127.0.0.1:3"
    assert told["DB_URL"] == "postgresql://windtunnel@127.0.0.1:1/windtunnel"
    assert float(told["LLM_TIMEOUT_MS"]) == llm.timeout_ms
    assert float(told["LLM_DEADLINE_MS"]) == llm.deadline_ms
    assert llm.retries is not None
    assert int(told["LLM_RETRIES"]) == llm.retries.max
    assert int(told["DB_POOL"]) == scale.link("app", "db").pool
    assert int(told["MAX_CONCURRENCY"]) == 128


def test_the_mock_is_told_its_physics() -> None:
    scale, _ = catalogue.architecture("scale")
    told = environment(scale, "llm", {})
    assert json.loads(told["FIRST_TOKEN_MS"]) == {"kind": "lognormal", "median": 180.0, "sigma": 0.3}
    assert told["SLOTS"] == "32"


def test_calls_are_walked_depth_first_with_their_callers() -> None:
    scale, _ = catalogue.architecture("scale")
    calls = [f"{caller}->{call.call}:{call.op}" for caller, call in scale.calls("chat")]
    assert calls[:5] == [
        "client->gateway:chat",
        "gateway->app:chat",
        "app->db:begin",
        "app->cache:get",
        "app->llm:messages",
    ]
    assert calls[-1] == "app->db:finish"


def test_calls_are_walked_through_every_kind_of_step() -> None:
    calls = [f"{caller}->{call.call}:{call.op}" for caller, call in EVERYTHING.calls("chat")]
    assert calls == [
        "client->gateway:call", "gateway->app:call", "app->edge:look", "app->search:call", "app->search:again",
        "app->db:find", "app->cache:get", "app->llm:call", "app->cache:set", "app->db:page", "app->cache:poll",
        "worker->llm:summary", "worker->db:save",
    ]  # fmt: skip
    assert EVERYTHING.workers == {"jobs": "worker"}


def test_a_service_is_told_how_to_go_about_failure() -> None:
    addresses = dict.fromkeys(("db", "cache", "edge", "search", "llm"), "127.0.0.1:1")
    told = environment(EVERYTHING, "app", addresses)
    assert json.loads(told["LLM_RETRY_JITTER"]) == "decorrelated"
    assert json.loads(told["LLM_RETRY_ON"]) == ["timeout", "rejected"]
    assert json.loads(told["LLM_RETRY_BUDGET"]) == {"ratio": 0.2, "burst": 10}
    assert json.loads(told["LLM_BREAKER"]) == {
        "failures": None, "ratio": 0.5, "calls": 10, "open_ms": 1000, "probes": 2,
    }  # fmt: skip
    assert json.loads(told["SEARCH_HEDGE"]) == {"after_ms": 50}
    assert json.loads(told["SEARCH_PROPAGATES_DEADLINE"]) is True
    assert json.loads(told["DB_ON_TIMEOUT"]) == "abandon"
    assert (told["QUEUE_LIMIT"], json.loads(told["DISCIPLINE"])) == ("40", "preemptive")
    assert json.loads(told["SHED"])["kind"] == "codel"


def test_what_is_left_as_it_is_by_default_is_not_told() -> None:
    scale, _ = catalogue.architecture("scale")
    told = environment(scale, "app", dict.fromkeys(("db", "cache", "llm"), "127.0.0.1:1"))
    assert {key.split("_", 1)[-1] for key in told if key.startswith("LLM_")} == {
        "URL", "TIMEOUT_MS", "DEADLINE_MS", "RETRIES", "RETRY_BACKOFF_MS",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("{from: app, to: edge", "{from: app, to: edg", "links[4].to: found 'edg', expected a declared component; did"),
        ("{from: app, to: edge", "{from: client, to: client", "links[4].to: found 'client', expected a declared"),
        ("{from: app, to: edge", "{from: app, to: jobs", "links[4].to: found the queue jobs, expected no link"),
        ("{from: worker, to: db", "{from: jobs, to: db", "links[8].from: found the queue jobs, expected no link"),
        ("{from: app, to: edge", "{from: app, to: cache", "links[4]: found a second link app->cache, expected each"),
        ("queue: jobs,", "queue: job,", "components.worker.consumes.queue: found 'job', expected a component of kind"),
        ("queue: jobs,", "queue: db,", "components.worker.consumes.queue: found 'db', expected a component of kind"),
        (
            "processor_bound: true",
            "consumes: {queue: jobs}",
            "components.worker.consumes.queue: found jobs, which search consumes, expected one consumer of each queue",
        ),
        (
            ", consumes: {queue: jobs, concurrency: 2}",
            "",
            "enqueue: found jobs, which nobody consumes, expected a service with consumes: {queue: jobs}",
        ),
        (
            "timeout_ms: 8000,",
            "timeout_ms: 8000, retries: {max: 1},",
            "found retries on gateway->app and again on app->llm, expected one owner of retries on each path",
        ),
        ("priority: 9", "priority: 10", "flows.import.priority: found 10, expected a number of at most 9"),
    ],
)
def test_what_the_parts_say_about_each_other_is_told(old: str, new: str, sentence: str) -> None:
    (only,) = sentences(ARCHITECTURE, old, new, Architecture)
    assert sentence in only


def test_a_hedge_is_no_second_owner_of_retries() -> None:
    hedged = ARCHITECTURE.replace("timeout_ms: 8000,", "timeout_ms: 8000, hedge: {after_ms: 900},")
    assert parse(hedged, Architecture).link("gateway", "app").hedge is not None


def test_a_worker_is_no_second_owner_of_its_messages_sender() -> None:
    """app->llm and worker->llm both retry: nobody waits for the worker."""
    assert EVERYTHING.link("worker", "llm").retries is not None
