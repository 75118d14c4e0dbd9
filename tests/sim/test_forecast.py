"""A forecast is a Run like any other, the same whenever it is made; whatever the service, every request ends."""

from __future__ import annotations

import hashlib
import io
import time
from typing import Any

import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sim.worlds import architecture, forecast, llm, parameters, scenario, service, times
from windtunnel.spec.architecture import Architecture, walk
from windtunnel.spec.distribution import Constant, Exponential, Lognormal
from windtunnel.spec.load import schedule
from windtunnel.spec.parameters import Parameters
from windtunnel.spec.run import Run

LINKS: list[dict[str, Any]] = [
    {"from": "client", "to": "gateway", "timeout_ms": 10_000},
    {"from": "gateway", "to": "app", "timeout_ms": 8000},
    {"from": "app", "to": "db", "timeout_ms": 1500, "pool": 20, "pool_timeout_ms": 1000},
    {"from": "app", "to": "cache", "timeout_ms": 250, "pool": 40},
    {
        "from": "app",
        "to": "llm",
        "timeout_ms": 2000,
        "deadline_ms": 3500,
        "retries": {"max": 1, "backoff_ms": 100},
    },
]
ASK: list[dict[str, Any]] = [{"call": "llm", "streams": True}, {"call": "cache", "op": "set", "optional": True}]
APP: list[dict[str, Any]] = [
    {"call": "db", "op": "begin"},
    {"call": "cache", "op": "get", "on": {"miss": ASK, "timeout": ASK, "error": ASK}},
    {"call": "db", "op": "finish"},
]
STEPS = [{"call": "gateway", "streams": True, "steps": [{"call": "app", "streams": True, "steps": APP}]}]
BUILT = architecture(
    {
        "gateway": {"kind": "gateway"},
        "app": service(max_concurrency=128),
        "db": {"kind": "database"},
        "cache": {"kind": "cache"},
        "llm": llm(32),
    },
    LINKS,
    STEPS,
)
KNOWN = parameters(
    {
        "client->gateway:call": times(link_ms=1, service_ms=Lognormal(median=0.4, sigma=0.3)),
        "gateway->app:call": times(link_ms=1, service_ms=Lognormal(median=5, sigma=0.4)),
        "app->db:begin": times(service_ms=Lognormal(median=3, sigma=0.5)),
        "app->db:finish": times(service_ms=Lognormal(median=2, sigma=0.5)),
        "app->cache:get": times(service_ms=Exponential(mean_=0.5)),
        "app->cache:set": times(service_ms=Exponential(mean_=0.5)),
        "app->llm:call": times(
            link_ms=2,
            service_ms=0,
            first_token_ms=Lognormal(median=180, sigma=0.3),
            token_ms=Lognormal(median=12, sigma=0.05),
            output_tokens=Lognormal(median=20, sigma=0.45),
        ),
    },
    app=8.0,
    gateway=1.0,
    db=2.0,
    client=3.0,
)
SAID = scenario(
    seed=7,
    load={"arrivals": "poisson", "rate_per_s": 12, "prompts": {"distinct": 400, "zipf": 0.9}},
    windows={"warm_up_s": 3, "before_s": 13, "during_s": 10, "after_s": 14},
    faults=[{"blackhole": "app->llm"}, {"latency": "app->db", "latency_ms": 20, "jitter_ms": 5}],
)


def parquet(run: Run) -> list[str]:
    """A digest of each table's file."""
    found = []
    for table in (run.samples, run.spans, run.writes, run.series):
        sink = io.BytesIO()
        pq.write_table(table, sink)
        found.append(hashlib.sha256(sink.getvalue()).hexdigest())
    return found


def test_equal_arguments_give_equal_bytes_and_another_seed_gives_others() -> None:
    first, second = forecast(SAID, BUILT, KNOWN), forecast(SAID, BUILT, KNOWN)
    assert first.record == second.record
    assert parquet(first) == parquet(second)
    other = forecast(SAID.model_copy(update={"seed": 8}), BUILT, KNOWN)
    assert other.record.id != first.record.id
    assert parquet(other)[:2] != parquet(first)[:2]


def test_forty_seconds_are_forecast_in_less_than_one() -> None:
    began_s = time.process_time()
    run = forecast(SAID, BUILT, KNOWN)
    assert time.process_time() - began_s < 1
    assert len(run.samples) > 400


def test_the_record_says_what_was_simulated() -> None:
    record = forecast(SAID, BUILT, KNOWN).record
    assert (record.kind, record.backend, record.created_at, record.unmodelled) == ("forecast", "simpy", None, ())
    assert record.observes == ("samples", "first_token", "spans", "series")
    assert [
        (event.at_s, event.what, event.detail) for event in record.events if event.what in ("injected", "healed")
    ] == [
        (16, "injected", "blackhole app->llm"),
        (16, "injected", "latency app->db"),
        (26, "healed", "blackhole app->llm"),
        (26, "healed", "latency app->db"),
    ]


def test_a_variant_shares_the_randomness_of_what_it_does_alike() -> None:
    """Another app, the same LLM: common random numbers leave its answers as they were."""
    slower = KNOWN.model_copy(
        update={"calls": KNOWN.calls | {"gateway->app:call": times(service_ms=Constant(value=20))}, "cpu_ms": {}}
    )
    said = SAID.model_copy(update={"faults": ()})

    def llm_tokens(known: Parameters) -> dict[int, int]:
        rows = forecast(said, BUILT, known).spans.to_pylist()
        return {row["request"]: row["tokens"] for row in rows if row["kind"] == "server" and row["callee"] == "llm"}

    base, variant = llm_tokens(KNOWN), llm_tokens(slower)
    both = base.keys() & variant.keys()
    assert len(both) > 100
    assert {request: base[request] for request in both} == {request: variant[request] for request in both}


MS = st.sampled_from([0.0, 1.0, 5.0, 5.0, 20.0])
"""Few and round, so that many things are due at the same instant."""
LEAVES = ("db", "cache", "llm")
KINDS: dict[str, dict[str, Any]] = {
    "edge": {"kind": "gateway"},
    "app": service(max_concurrency=3),
    "worker": service(),
    "db": {"kind": "database"},
    "cache": {"kind": "cache", "ttl_s": 0.2},
    "llm": llm(2, queue_limit=2),
}
CALLEES = {"client": ("edge", "app"), "edge": ("app",), "app": ("worker", *LEAVES), "worker": LEAVES}


@st.composite
def calls(draw: st.DrawFn, caller: str) -> dict[str, Any]:
    """A call with what the callee does and what follows from its outcomes."""
    callee = draw(st.sampled_from(CALLEES[caller]))
    made: dict[str, Any] = {"call": callee, "streams": draw(st.booleans()), "optional": draw(st.booleans())}
    if callee == "cache":
        made["op"] = draw(st.sampled_from(["get", "set"]))
    if callee in CALLEES:
        made["steps"] = draw(st.lists(calls(callee), max_size=3))
    outcome = draw(st.sampled_from([None, None, "miss", "timeout", "error", "rejected"]))
    if outcome and caller != "client":
        made["on"] = {outcome: draw(st.lists(calls(caller), max_size=1))}
    return made


FAULTS = st.sampled_from(
    [
        {"kind": "latency", "latency_ms": 5, "jitter_ms": 5},
        {"kind": "latency", "latency_ms": 20, "stream": "upstream"},
        {"kind": "bandwidth", "rate_kb_per_s": 10},
        {"kind": "blackhole"},
        {"kind": "blackhole", "close_after_ms": 5, "stream": "upstream"},
        {"kind": "reset", "after_ms": 5},
        {"kind": "outage"},
        {"kind": "fragmentation", "size_bytes": 100, "delay_us": 1000},
        {"kind": "truncation", "bytes": 500},
    ]
)


@st.composite
def services(draw: st.DrawFn) -> tuple[Architecture, Parameters]:
    """Any small service, and times for its calls."""
    retried = draw(st.sampled_from([None, *(f"{caller}->{leaf}" for caller in ("app", "worker") for leaf in LEAVES)]))
    links = []
    for caller, callees in CALLEES.items():
        for callee in callees:
            link: dict[str, Any] = {"from": caller, "to": callee, "timeout_ms": draw(st.sampled_from([5, 20, 100]))}
            if f"{caller}->{callee}" == retried:
                link |= {"retries": {"max": 2, "backoff_ms": draw(st.sampled_from([0, 5]))}, "deadline_ms": 40}
            if callee in ("db", "cache"):
                link |= {"pool": 1, "pool_timeout_ms": 5}
            links.append(link)
    built = architecture(KINDS, links, [draw(calls("client"))])
    known = {}
    for caller, call in walk("client", built.flows["ask"].steps):
        pace = {"first_token_ms": 5.0, "token_ms": 1.0, "output_tokens": 3.0} if call.call == "llm" else {}
        known[f"{caller}->{call.call}:{call.op}"] = times(link_ms=draw(MS), service_ms=draw(MS), **pace)
    return built, parameters(known, app=draw(MS), llm=draw(MS), client=draw(MS))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    services(),
    st.sampled_from(["client->edge", "client->app", "edge->app", "app->db", "app->llm", "worker->llm", "app.1->cache"]),
    FAULTS,
    st.integers(0, 2**63 - 1),
)
def test_every_request_ends_once_and_in_time(
    built_and_known: tuple[Architecture, Parameters], target: str, fault: dict[str, Any], seed: int
) -> None:
    built, known = built_and_known
    said = scenario(
        seed=seed,
        load={"rate_per_s": 200, "prompts": {"distinct": 3}},
        windows={"before_s": 0.05, "during_s": 0.05, "after_s": 0.05},
        faults=[fault | {"target": target}],
    )
    placed = {"name": "two", "hosts": {"one": {"cores": 1}}, "place": {"app": {"replicas": 2}}}
    run = forecast(said, built, known, placed)
    requests = range(len(schedule(said.load, said.windows.total_s, seed)))
    assert run.samples["request"].to_pylist() == list(requests)
    patience_s = built.link("client", built.flows["ask"].steps[0].call).timeout_ms / 1000
    for row in run.samples.to_pylist():
        assert row["outcome"] in {"ok", "timeout", "error", "rejected"}
        assert row["intended_s"] <= row["done_s"] <= row["intended_s"] + patience_s + 1e-9
        if row["first_token_s"] is not None:
            assert row["intended_s"] <= row["first_token_s"] <= row["done_s"]
    called = set()
    for row in run.spans.to_pylist():
        assert row["outcome"] in {"ok", "hit", "miss", "timeout", "error", "rejected"}
        assert row["duration_ms"] >= 0
        if row["caller"] == "client" and row["kind"] == "client":
            called.add(row["request"])
    assert called == set(requests)
    assert parquet(forecast(said, built, known, placed)) == parquet(run)
