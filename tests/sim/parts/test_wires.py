"""Every word about a link has its place in the model."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.sim.parts.worlds import call, compiled, drawn, link, wire
from windtunnel.sim.model import OUTSIDE, Breaker, Ejection, Outcome, RetryBudget
from windtunnel.sim.parts.wires import FAILURES


def test_a_plain_link() -> None:
    plain = wire()
    assert (plain.name, plain.caller, plain.callee) == ("app->other", 0, 1)
    assert (plain.timeout_s, plain.deadline_s, plain.pool, plain.pool_timeout_s) == (1, math.inf, None, math.inf)
    assert (plain.retries, plain.backoff_s, plain.max_backoff_s, plain.jitter) == (0, 0, math.inf, "full")
    assert (plain.budget, plain.breaker, plain.hedge_after_s, plain.ejection) == (None, None, None, None)
    assert (plain.balance, plain.health_interval_s, plain.propagates_deadline) == ("round_robin", None, False)
    assert (plain.survives_cancel, plain.survives_timeout, plain.to_database) == (False, False, False)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"deadline_ms": 1500, "propagates_deadline": True}, {"deadline_s": 1.5, "propagates_deadline": True}),
        ({"pool": 3, "pool_timeout_ms": 200}, {"pool": 3, "pool_timeout_s": 0.2}),
        ({"on_timeout": "abandon"}, {"survives_cancel": True, "survives_timeout": True}),
        ({"on_timeout": "cancel"}, {"survives_cancel": False, "survives_timeout": False}),
        ({"hedge": {"after_ms": 30}}, {"hedge_after_s": 0.03}),
        ({"balance": "power_of_two"}, {"balance": "power_of_two"}),
        ({"ejection": {"failures": 5, "for_s": 30}}, {"ejection": Ejection(5, 30)}),
        ({"breaker": {"failures": 5, "open_ms": 500}}, {"breaker": Breaker(5, 0.0, 20, 0.5, 1)}),
        (
            {"breaker": {"ratio": 0.5, "calls": 10, "open_ms": 500, "probes": 2}},
            {"breaker": Breaker(None, 0.5, 10, 0.5, 2)},
        ),
        ({"retries": {"max": 2}}, {"retries": 2, "backoff_s": 0.1, "retry_on": FAILURES}),
        (
            {"retries": {"max": 2, "jitter": "decorrelated", "max_backoff_ms": 800, "on": ["timeout", "open"]}},
            {"jitter": "decorrelated", "max_backoff_s": 0.8, "retry_on": {Outcome.TIMEOUT, Outcome.OPEN}},
        ),
        ({"retries": {"max": 1, "budget": {"ratio": 0.1}}}, {"budget": RetryBudget(0.1, 10)}),
    ],
)
def test_a_word_of_a_link(said: dict[str, Any], expected: dict[str, Any]) -> None:
    found = wire(**said)
    assert {key: getattr(found, key) for key in expected} == expected


def test_every_failure_is_tried_again_unless_something_else_is_said() -> None:
    assert {outcome.name for outcome in FAILURES} == {"TIMEOUT", "ERROR", "REJECTED", "OPEN"}


@pytest.mark.parametrize(("said", "survives"), [({}, (True, False)), ({"on_timeout": "cancel"}, (False, False))])
def test_a_query_runs_to_its_end(said: dict[str, Any], survives: tuple[bool, bool]) -> None:
    built = drawn({"db": {"kind": "database"}}, [link("client->db", **said)], ask=[call("db")])
    (found,) = compiled(built).wires
    assert (found.survives_cancel, found.survives_timeout) == survives
    assert (found.to_database, found.caller) == (True, OUTSIDE)


def test_a_gateway_asks_for_the_health_of_those_behind_it() -> None:
    components: dict[str, dict[str, Any]] = {
        "edge": {"kind": "gateway", "health_interval_ms": 250},
        "app": {"kind": "service"},
    }
    built = drawn(components, [link("client->edge"), link("edge->app")], ask=[call("edge", steps=[call("app")])])
    assert [found.health_interval_s for found in compiled(built).wires] == [None, 0.25]
