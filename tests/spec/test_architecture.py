"""Limits stand once: what the model reads is what the service is told."""

from __future__ import annotations

import json

from windtunnel.harness import catalogue
from windtunnel.spec.architecture import environment


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
