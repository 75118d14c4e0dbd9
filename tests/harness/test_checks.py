"""Each check has a world in which it says no."""

from __future__ import annotations

import pyarrow as pa
import pytest

from windtunnel.harness import catalogue, checks
from windtunnel.spec.load import Load, schedule
from windtunnel.spec.run import SAMPLES, SPANS

SCALE, _ = catalogue.architecture("scale")
HIT = ["gateway->app:chat", "app->db:begin", "app->cache:get", "app->db:finish"]
MISS = [*HIT[:3], "app->llm:messages", "app->cache:set", HIT[3]]


def samples(intended: list[float], lag_s: float = 0.001, outcome: str = "ok", flow: str = "chat") -> pa.Table:
    rows = [
        {"request": n, "flow": flow, "intended_s": at, "sent_s": at + lag_s, "done_s": at + 1, "outcome": outcome}
        for n, at in enumerate(intended)
    ]
    return pa.Table.from_pylist(rows, schema=SAMPLES)


def spans(paths: list[list[str]], attempt: int = 0) -> pa.Table:
    rows = []
    for request, calls in enumerate(paths):
        for call in calls:
            caller, _, rest = call.partition("->")
            callee, _, op = rest.partition(":")
            rows.append(
                {"request": request, "kind": "client", "caller": caller, "callee": callee, "op": op, "replica": "x.0",
                 "attempt": attempt, "start_s": 0.0, "duration_ms": 1.0, "outcome": "ok"}
            )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=SPANS)


def test_the_load_that_was_planned_is_delivered() -> None:
    plan = schedule(Load(rate_per_s=50, flows={"chat": 1}), 4, 1)
    assert checks.load_delivered(plan, samples(list(plan.at_s))).ok
    assert not checks.load_delivered(plan, samples(list(plan.at_s)[:-1])).ok
    assert not checks.load_delivered(plan, samples(list(plan.at_s), lag_s=0.2)).ok
    assert not checks.load_delivered(plan, samples(list(plan.at_s + 0.1))).ok
    assert not checks.load_delivered(schedule(Load(rate_per_s=0.1, flows={"chat": 1}), 0.01, 1), samples([])).ok


@pytest.mark.parametrize(("shares", "ok"), [([0.2, 0.5], True), ([0.9, 0.5], False), ([], False)])
def test_a_saturated_host_is_told(shares: list[float], ok: bool) -> None:
    assert checks.host_not_saturated(shares).ok is ok


def test_a_stray_and_a_death_are_told() -> None:
    assert checks.no_strays([]).ok
    assert not checks.no_strays(["app.0 talks to 127.0.0.1:5432 (db.0) directly"]).ok
    assert checks.all_alive([]).ok
    assert not checks.all_alive(["llm.0 ended with -9"]).ok


@pytest.mark.parametrize(
    ("paths", "ok", "words"),
    [
        ([HIT, MISS], True, "paths of 2"),
        ([HIT, [*HIT, "app->db:audit"]], False, "undeclared: app->db:audit in chat (1 requests)"),
        ([HIT, [*HIT, "app->db:begin"]], False, "too often: app->db:begin 2 times"),
        ([HIT, HIT[:-1]], False, "1 of 2 successful requests lack a span"),
    ],
)
def test_spans_are_held_against_the_flow(paths: list[list[str]], ok: bool, words: str) -> None:
    check = checks.spans_agree(SCALE, samples([0.0, 0.1]), spans(paths))
    assert check.ok is ok
    assert words in check.detail


def test_further_attempts_and_failed_requests_are_not_held_against_the_flow() -> None:
    again = pa.concat_tables([spans([MISS]), spans([["app->llm:messages"]], attempt=1)])
    assert checks.spans_agree(SCALE, samples([0.0]), again).ok
    assert checks.spans_agree(SCALE, samples([0.0], outcome="timeout"), spans([HIT[:2]])).ok


@pytest.mark.parametrize(
    ("method", "path", "flow"),
    [
        ("POST", "/v1/chat", "chat"),
        ("GET", "/v1/conversations/7f-8", "history"),
        ("GET", "/v1/conversations/7f-8?x=1", "history"),
        ("GET", "/v1/chat", "call"),
        ("GET", "/v1/conversations/7/messages", "call"),
    ],
)
def test_a_request_is_known_by_method_and_path(method: str, path: str, flow: str) -> None:
    assert checks.flow_of(SCALE, method, path) == flow


def test_lag_is_judged_at_its_99th_percentile_not_at_its_worst() -> None:
    plan = schedule(Load(arrivals="constant", rate_per_s=100, flows={"chat": 1}), 5, 1)
    table = samples(list(plan.at_s))
    sent = table["sent_s"].to_numpy().copy()
    sent[7] += 0.4
    late = table.set_column(table.schema.get_field_index("sent_s"), SAMPLES.field("sent_s"), pa.array(sent))
    assert checks.load_delivered(plan, late).ok
