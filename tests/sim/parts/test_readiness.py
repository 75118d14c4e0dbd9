"""When a balancer leaves out which replica: checks come every quarter of a second, the fault lasts from 1.1 to 1.9."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.parts.worlds import call, compiled, drawn, link
from windtunnel.sim.model import Model

APP = [call("db"), {"call": "llm"}]
ONE = {"kind": "constant", "value": 1}
COMPONENTS: dict[str, dict[str, Any]] = {
    "gateway": {"kind": "gateway", "health_interval_ms": 250},
    "app": {"kind": "service"},
    "db": {"kind": "database"},
    "llm": {"kind": "llm", "slots": 1, "first_token_ms": ONE, "token_ms": ONE, "output_tokens": ONE},
}
LINKS = [link(name) for name in ("client->gateway", "gateway->app", "app->db", "app->llm")]
STEPS = [call("gateway", steps=[call("app", steps=APP)])]


def hurt(fault: dict[str, Any], during_s: float = 0.8, db: dict[str, Any] | None = None) -> Model:
    built = drawn(COMPONENTS | {"db": {"kind": "database"} | (db or {})}, LINKS, ask=STEPS)
    windows = {"warm_up_s": 1.1, "during_s": during_s, "after_s": 1}
    return compiled(built, {"app": {"replicas": 2}}, windows=windows, faults=[fault])


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
        ({"kill": "app.1"}, [(1, 1.25, 2.0)]),
        ({"kill": "db"}, [(0, 1.25, 2.0), (1, 1.25, 2.0)]),
        ({"kill": "llm"}, []),
        ({"brownout": "app.1", "factor": 9}, []),
    ],
)
def test_readiness_follows_the_replica_and_its_database(
    fault: dict[str, Any], expected: list[tuple[int, float, float]]
) -> None:
    assert [(spell.replica, spell.begin_s, spell.end_s) for spell in hurt(fault).sick] == expected


def test_a_silent_fault_is_told_a_time_out_later() -> None:
    found = hurt({"blackhole": "app.0->db"}, during_s=2)
    assert [(spell.replica, spell.begin_s, spell.end_s) for spell in found.sick] == [(0, 2.25, 3.25)]


def test_who_is_down_for_less_than_from_check_to_check_is_not_noticed() -> None:
    assert hurt({"kill": "app.1"}, during_s=0.1).sick == ()


@pytest.mark.parametrize(
    ("killed", "ends_s"),
    [
        ("db.0", [2.0]),  # the first primary: until the standby reigns, at 1.1 + 0.5 + 0.3
        ("db.1", []),  # a standby: nobody notices
        ("db", [3.25]),  # both: until they are back
    ],
)
def test_after_a_failover_the_new_primary_answers(killed: str, ends_s: list[float]) -> None:
    found = hurt({"kill": killed}, during_s=2, db={"standbys": 1, "failover": {"lease_ttl_s": 0.5, "promotion_s": 0.3}})
    assert [(spell.begin_s, spell.end_s) for spell in found.sick if spell.replica == 0] == [
        (1.25, end_s) for end_s in ends_s
    ]
