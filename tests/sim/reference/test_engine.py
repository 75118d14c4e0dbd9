"""Timelines computed by hand: time-outs, retries, deadlines, pools, limits, branches, streams, caches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.sim.worlds import (
    answer_ms,
    architecture,
    column,
    forecast,
    llm,
    outcomes,
    parameters,
    scenario,
    service,
    times,
)
from windtunnel.sim.draws import Draws, Purpose
from windtunnel.spec.architecture import Architecture
from windtunnel.spec.distribution import Uniform
from windtunnel.spec.load import schedule
from windtunnel.spec.parameters import Warmth
from windtunnel.spec.run import Run

LATE = 1e6
"""Milliseconds in which nothing here is given up."""
CALLS_LLM = [{"call": "app", "steps": [{"call": "llm"}]}]
CACHE = {"kind": "cache"}


def asks_llm(
    client_ms: float = LATE, slots: int = 100, steps: list[dict[str, Any]] = CALLS_LLM, **link: Any
) -> Architecture:
    """client -> app -> llm; ``link`` is what is special about the last one."""
    links = [
        {"from": "client", "to": "app", "timeout_ms": client_ms},
        {"from": "app", "to": "llm", "timeout_ms": LATE} | link,
    ]
    return architecture({"app": service(), "llm": llm(slots)}, links, steps)


def answers_in(llm_ms: float) -> Any:
    """The app takes 10 ms and the wire to it 2, the wire to the LLM 4."""
    calls = {"client->app:call": times(link_ms=2, service_ms=10), "app->llm:call": times(link_ms=4, service_ms=llm_ms)}
    return parameters(calls)


def backoff_ms(run: Run, attempt: int, base_ms: float) -> float:
    """What the first request waits after an attempt of its second call (hop 1)."""
    jitter = Draws(run.record.scenario.seed).uniform(0, 1, attempt, Purpose.BACKOFF)
    return jitter * base_ms * float(2**attempt)


def test_times_add_up() -> None:
    run = forecast(scenario(), asks_llm(), answers_in(50))
    assert answer_ms(run) == pytest.approx([1 + 10 + 2 + 50 + 2 + 1])
    spans = {(row["kind"], row["callee"]): row for row in run.spans.to_pylist()}
    assert spans["client", "app"]["duration_ms"] == pytest.approx(66)
    assert spans["server", "app"]["duration_ms"] == pytest.approx(64)
    assert spans["client", "llm"]["duration_ms"] == pytest.approx(54)
    assert spans["server", "llm"]["duration_ms"] == pytest.approx(50)
    assert spans["server", "llm"]["start_s"] == pytest.approx(0.013)


def test_a_call_that_ends_just_at_its_timeout_has_succeeded() -> None:
    known = parameters({"client->app:call": times(service_ms=0), "app->llm:call": times(service_ms=100)})
    assert outcomes(forecast(scenario(), asks_llm(timeout_ms=100), known)) == ["ok"]
    assert outcomes(forecast(scenario(), asks_llm(timeout_ms=99.999), known)) == ["timeout"]


def test_every_attempt_times_out_and_the_callee_is_told() -> None:
    built = asks_llm(timeout_ms=100, retries={"max": 1, "backoff_ms": 40})
    run = forecast(scenario(), built, answers_in(200))
    pause_ms = backoff_ms(run, 0, 40)
    assert 0 < pause_ms < 40
    assert answer_ms(run) == pytest.approx([1 + 10 + 100 + pause_ms + 100 + 1])
    assert outcomes(run) == ["timeout"]
    assert column(run.spans, "attempt", kind="client", callee="llm") == [0, 1]
    # The request is there after 2 ms, and its work ends with the caller's patience.
    assert column(run.spans, "duration_ms", kind="server", callee="llm") == pytest.approx([98, 98])


def test_the_deadline_shortens_the_last_attempt() -> None:
    built = asks_llm(timeout_ms=100, deadline_ms=230, retries={"max": 5, "backoff_ms": 10})
    run = forecast(scenario(), built, answers_in(200))
    first_pause_ms, second_pause_ms = backoff_ms(run, 0, 10), backoff_ms(run, 1, 10)
    assert first_pause_ms + second_pause_ms < 30
    assert answer_ms(run) == pytest.approx([1 + 10 + 230 + 1])
    expected = [100, 100, 230 - 200 - first_pause_ms - second_pause_ms]
    assert column(run.spans, "duration_ms", kind="client", callee="llm") == pytest.approx(expected)


def test_no_attempt_is_made_when_its_pause_would_reach_the_deadline() -> None:
    built = asks_llm(timeout_ms=100, deadline_ms=101, retries={"max": 5, "backoff_ms": 1e5})
    run = forecast(scenario(), built, answers_in(200))
    assert answer_ms(run) == pytest.approx([1 + 10 + 100 + 1])
    assert column(run.spans, "attempt", kind="client", callee="llm") == [0]


def test_a_client_that_gives_up_frees_the_slot() -> None:
    built = asks_llm(client_ms=50, slots=1)
    run = forecast(scenario(rate_per_s=1000 / 60, during_s=0.12), built, answers_in(1000))
    assert outcomes(run) == ["timeout", "timeout"]
    assert answer_ms(run) == pytest.approx([50, 50])
    assert column(run.spans, "wait_ms", kind="server", callee="llm") == [0, 0]


def test_a_pool_makes_calls_wait_and_gives_up_in_time() -> None:
    built = architecture(
        {"app": service(), "db": {"kind": "database"}},
        [
            {"from": "client", "to": "app", "timeout_ms": LATE},
            {"from": "app", "to": "db", "timeout_ms": LATE, "pool": 1, "pool_timeout_ms": 15},
        ],
        [{"call": "app", "steps": [{"call": "db"}]}],
    )
    known = parameters({"client->app:call": times(service_ms=0), "app->db:call": times(service_ms=30)})
    run = forecast(scenario(rate_per_s=100, during_s=0.03), built, known)
    # At 0, 10 and 20 ms: served at once; given up at 25; served when the first one is done.
    assert outcomes(run) == ["ok", "timeout", "ok"]
    assert answer_ms(run) == pytest.approx([30, 15, 40])
    assert column(run.spans, "wait_ms", callee="db") == pytest.approx([0, 15, 10])


def test_a_database_call_outlives_its_request() -> None:
    built = architecture(
        {"app": service(), "db": {"kind": "database"}},
        [
            {"from": "client", "to": "app", "timeout_ms": 20},
            {"from": "app", "to": "db", "timeout_ms": LATE, "pool": 1},
        ],
        [{"call": "app", "steps": [{"call": "db"}]}],
    )
    known = parameters({"client->app:call": times(service_ms=0), "app->db:call": times(service_ms=30)})
    run = forecast(scenario(rate_per_s=1000 / 25, during_s=0.05), built, known)
    assert outcomes(run) == ["timeout", "timeout"]
    # The second request, at 25 ms, waits for the first one's connection until 30 although nobody needs it any more.
    assert column(run.spans, "wait_ms", callee="db") == pytest.approx([0, 5])
    assert column(run.spans, "outcome", callee="db") == ["ok", "ok"]


def test_beyond_its_limit_a_replica_rejects_at_once() -> None:
    built = architecture(
        {"app": service(max_concurrency=1)},
        [{"from": "client", "to": "app", "timeout_ms": LATE}],
        [{"call": "app"}],
    )
    known = parameters({"client->app:call": times(link_ms=2, service_ms=25)})
    run = forecast(scenario(rate_per_s=100, during_s=0.04), built, known)
    assert outcomes(run) == ["ok", "rejected", "rejected", "ok"]
    assert answer_ms(run) == pytest.approx([27, 2, 2, 27])


def test_replicas_take_turns() -> None:
    built = architecture({"app": service()}, [{"from": "client", "to": "app", "timeout_ms": LATE}], [{"call": "app"}])
    known = parameters({"client->app:call": times(service_ms=1)})
    placed = {"name": "two", "hosts": {"one": {"cores": 2}}, "place": {"app": {"replicas": 3}}}
    run = forecast(scenario(rate_per_s=10), built, known, placed)
    assert column(run.spans, "replica", kind="server")[:4] == ["app.0", "app.1", "app.2", "app.0"]


def test_outcomes_decide_what_comes_next() -> None:
    """The cache times out: the LLM is asked, the failed store is nobody's failure, the database's failure is."""
    steps = [
        {
            "call": "app",
            "steps": [
                {"call": "cache", "op": "get", "on": {"timeout": [{"call": "llm"}]}},
                {"call": "cache", "op": "set", "optional": True},
                {"call": "db"},
                {"call": "llm", "op": "never"},
            ],
        }
    ]
    links = [
        {"from": "client", "to": "app", "timeout_ms": LATE},
        {"from": "app", "to": "cache", "timeout_ms": 5},
        {"from": "app", "to": "llm", "timeout_ms": LATE},
        {"from": "app", "to": "db", "timeout_ms": 7},
    ]
    built = architecture({"app": service(), "cache": CACHE, "llm": llm(1), "db": {"kind": "database"}}, links, steps)
    known = parameters(
        {
            "client->app:call": times(service_ms=0),
            "app->cache:get": times(service_ms=50),
            "app->cache:set": times(service_ms=50),
            "app->llm:call": times(service_ms=20),
            "app->db:call": times(service_ms=50),
            "app->llm:never": times(service_ms=1),
        }
    )
    run = forecast(scenario(), built, known)
    assert outcomes(run) == ["timeout"]
    assert answer_ms(run) == pytest.approx([5 + 20 + 5 + 7])
    made = [
        (row["callee"], row["op"], row["outcome"])
        for row in run.spans.to_pylist()
        if row["caller"] == "app" and row["kind"] == "client"
    ]
    assert made == [
        ("cache", "get", "timeout"),
        ("llm", "call", "ok"),
        ("cache", "set", "timeout"),
        ("db", "call", "timeout"),
    ]


PACE = {"first_token_ms": 100, "token_ms": 10, "output_tokens": 6}
STREAMS = [
    {
        "call": "app",
        "streams": True,
        "steps": [{"call": "llm", "streams": True, "response_bytes": 600}, {"call": "llm", "op": "after"}],
    }
]


def streamed(**pace: float) -> Any:
    """The app streams what the LLM streams, and has 30 ms of other work behind it."""
    return parameters(
        {
            "client->app:call": times(link_ms=2, service_ms=10),
            "app->llm:call": times(link_ms=4, service_ms=0, **(PACE | pace)),
            "app->llm:after": times(service_ms=30),
        }
    )


def test_the_first_token_passes_at_once_and_the_answer_ends_with_the_last() -> None:
    run = forecast(scenario(), asks_llm(steps=STREAMS), streamed())
    [row] = run.samples.to_pylist()
    assert row["first_token_s"] * 1000 == pytest.approx(1 + 10 + 2 + 100 + 2 + 1)
    assert row["done_s"] * 1000 == pytest.approx(1 + 10 + 2 + 100 + 50 + 2 + 30 + 1)
    assert row["tokens"] == 6
    [span] = [
        span
        for span in run.spans.to_pylist()
        if span["kind"] == "server" and span["op"] == "call" and span["callee"] == "llm"
    ]
    assert (span["first_token_ms"], span["duration_ms"], span["tokens"]) == (pytest.approx(100), pytest.approx(150), 6)


def test_what_was_begun_is_not_retried() -> None:
    """The time-out comes after the first token: another attempt would say the beginning twice."""
    built = asks_llm(steps=STREAMS, timeout_ms=120, retries={"max": 3, "backoff_ms": 1})
    run = forecast(scenario(), built, streamed())
    assert column(run.spans, "attempt", kind="client", op="call", callee="llm") == [0]
    assert outcomes(run) == ["timeout"]
    late = forecast(scenario(), built, streamed(first_token_ms=130))
    assert column(late.spans, "attempt", kind="client", op="call", callee="llm") == [0, 1, 2, 3]


def cached(ttl_s: float) -> Architecture:
    """An app that asks the LLM only for what is not in its cache."""
    steps = [
        {
            "call": "app",
            "streams": True,
            "steps": [
                {
                    "call": "cache",
                    "op": "get",
                    "on": {"miss": [{"call": "llm", "streams": True}, {"call": "cache", "op": "set"}]},
                }
            ],
        }
    ]
    links = [
        {"from": "client", "to": "app", "timeout_ms": LATE},
        {"from": "app", "to": "cache", "timeout_ms": 250},
        {"from": "app", "to": "llm", "timeout_ms": LATE},
    ]
    return architecture({"app": service(), "cache": CACHE | {"ttl_s": ttl_s}, "llm": llm(100)}, links, steps)


CACHED = parameters(
    {
        "client->app:call": times(service_ms=1),
        "app->cache:get": times(service_ms=1),
        "app->cache:set": times(service_ms=1),
        "app->llm:call": times(service_ms=0, **PACE),
    }
)


@pytest.mark.parametrize("ttl_s", [3600, 5])
def test_hits_are_those_that_the_schedule_makes(ttl_s: float) -> None:
    said = scenario(rate_per_s=2, during_s=100, load={"prompts": {"distinct": 30, "zipf": 0.9}})
    run = forecast(said, cached(ttl_s), CACHED)
    # Constant arrivals half a second apart, answers in a sixth of one: the next request finds what this one stored.
    plan = schedule(said.load, 100, said.seed)
    stored_at_s: dict[int, float] = {}
    expected = []
    for at_s, prompt in zip(plan.at_s.tolist(), plan.prompt.tolist(), strict=True):
        hit = (
            at_s - stored_at_s.get(prompt, -np.inf) < ttl_s + 0.151
        )  # stored after 1 + 1 + 150 + 1 ms, looked up after 2
        expected.append("hit" if hit else "miss")
        if not hit:
            stored_at_s[prompt] = at_s
    assert column(run.spans, "outcome", op="get") == expected
    assert 0.1 < expected.count("hit") / len(expected) < 0.95
    firsts = [row["first_token_s"] - row["intended_s"] for row in run.samples.to_pylist()]
    assert firsts == pytest.approx([0.002 if outcome == "hit" else 0.102 for outcome in expected])
    assert run.samples["tokens"].to_pylist() == [1 if outcome == "hit" else 6 for outcome in expected]


def test_an_answer_that_failed_is_not_stored() -> None:
    """The same question every half second; the LLM is out of reach for the first two."""
    said = scenario(
        rate_per_s=2, load={"prompts": {"distinct": 1}}, windows={"after_s": 1}, faults=[{"outage": "app->llm"}]
    )
    run = forecast(said, cached(3600), CACHED)
    assert outcomes(run) == ["error", "error", "ok", "ok"]
    assert column(run.spans, "outcome", op="get") == ["miss", "miss", "miss", "hit"]


def test_equal_prompts_have_answers_of_equal_length() -> None:
    known = CACHED.model_copy(
        update={
            "calls": CACHED.calls
            | {
                "app->llm:call": times(
                    service_ms=0, first_token_ms=1, token_ms=1, output_tokens=Uniform(low=1, high=1000)
                )
            }
        }
    )
    said = scenario(rate_per_s=1, during_s=30, load={"prompts": {"distinct": 3}})
    run = forecast(said, cached(0.001), known)
    assert len(set(column(run.spans, "tokens", kind="server", callee="llm"))) == 3


@pytest.mark.parametrize(
    ("cores", "replicas", "expected_ms"),
    [(1, 1, [35, 35]), (1, 2, [35, 35]), (2, 1, [35, 35]), (2, 2, [25, 25])],
)
def test_a_busy_core_slows_work_down(cores: int, replicas: int, expected_ms: list[float]) -> None:
    """Two requests, the second 10 ms later, each of 5 ms of waiting and 20 ms of a core, that they share or do not.

    Alone until 10 ms, then at half the speed: the first is through at 30 ms, the second at 40.
    """
    built = architecture({"app": service()}, [{"from": "client", "to": "app", "timeout_ms": LATE}], [{"call": "app"}])
    known = parameters({"client->app:call": times(service_ms=25)}, app=20)
    placed = {"name": "one", "hosts": {"one": {"cores": cores}}, "place": {"app": {"replicas": replicas}}}
    run = forecast(scenario(rate_per_s=100, during_s=0.02), built, known, placed)
    assert answer_ms(run) == pytest.approx(expected_ms)


def test_processor_time_beyond_the_own_work_does_not_delay_it_but_the_next() -> None:
    built = architecture({"app": service()}, [{"from": "client", "to": "app", "timeout_ms": LATE}], [{"call": "app"}])
    known = parameters({"client->app:call": times(service_ms=5)}, app=25)
    run = forecast(scenario(rate_per_s=100, during_s=0.02), built, known)
    # The second one's 5 ms share the thread with the 20 ms that the first has left behind at 5 ms.
    assert answer_ms(run) == pytest.approx([5, 10])


def test_processor_time_beside_the_work_takes_its_share_from_the_next() -> None:
    built = architecture({"app": service()}, [{"from": "client", "to": "app", "timeout_ms": LATE}], [{"call": "app"}])
    known = parameters({"client->app:call": times(service_ms=5)}, app=5, client=1000)
    one_core = {"name": "one", "hosts": {"one": {"cores": 1}}}
    run = forecast(scenario(rate_per_s=100, during_s=0.02), built, known, one_core)
    assert answer_ms(run) == pytest.approx([5, 10])
    run = forecast(scenario(rate_per_s=100, during_s=0.6), built, known, one_core)
    assert column(run.series, "value", component="host", at_s=0.5) == pytest.approx([1.0], abs=0.02)


def test_an_answer_waits_for_the_turn_of_a_busy_event_loop() -> None:
    """The first request leaves a second of work on the app's loop: later answers are taken up late."""
    built = architecture(
        {"app": service(), "db": {"kind": "database"}},
        [{"from": "client", "to": "app", "timeout_ms": LATE}, {"from": "app", "to": "db", "timeout_ms": LATE}],
        [{"call": "app", "steps": [{"call": "db"}]}],
    )
    known = parameters({"client->app:call": times(service_ms=4), "app->db:call": times(service_ms=10)}, app=1000)
    known = known.model_copy(update={"warmth": {"db": (Warmth(idle_up_to_ms=None, factor=1, n=30),)}})
    run = forecast(scenario(rate_per_s=20, during_s=0.5), built, known)
    first, *others = column(run.spans, "duration_ms", kind="client", callee="db")
    assert first == pytest.approx(10)
    assert all(10 < took < 14 for took in others)
    assert len(set(others)) == len(others)


def test_a_database_that_has_been_idle_answers_more_slowly() -> None:
    built = architecture(
        {"app": service(), "db": {"kind": "database"}},
        [{"from": "client", "to": "app", "timeout_ms": LATE}, {"from": "app", "to": "db", "timeout_ms": LATE}],
        [{"call": "app", "steps": [{"call": "db"}]}],
    )
    known = parameters({"client->app:call": times(service_ms=0), "app->db:call": times(service_ms=10)})
    warm = Warmth(idle_up_to_ms=50, factor=1, n=30), Warmth(idle_up_to_ms=None, factor=1.5, n=30)
    known = known.model_copy(update={"warmth": {"db": warm}})
    assert answer_ms(forecast(scenario(rate_per_s=100, during_s=0.03), built, known)) == pytest.approx([15, 10, 10])
    assert answer_ms(forecast(scenario(rate_per_s=10, during_s=0.3), built, known)) == pytest.approx([15, 15, 15])


def test_a_balancer_leaves_out_a_replica_that_is_not_ready() -> None:
    built = architecture(
        {"gateway": {"kind": "gateway", "health_interval_ms": 250}, "app": service(), "db": {"kind": "database"}},
        [
            {"from": "client", "to": "gateway", "timeout_ms": LATE},
            {"from": "gateway", "to": "app", "timeout_ms": LATE},
            {"from": "app", "to": "db", "timeout_ms": LATE},
        ],
        [{"call": "gateway", "steps": [{"call": "app", "steps": [{"call": "db"}]}]}],
    )
    known = parameters({f"{call}:call": times(service_ms=1) for call in ("client->gateway", "gateway->app", "app->db")})
    two = {"name": "two", "hosts": {"one": {"cores": 2}}, "place": {"app": {"replicas": 2}}}

    def failed(target: str) -> list[float]:
        faults = [{"outage": target, "at": "during"}]
        said = scenario(rate_per_s=20, windows={"warm_up_s": 1.01, "during_s": 2}, faults=faults)
        run = forecast(said, built, known, two)
        return [row["intended_s"] for row in run.samples.to_pylist() if row["outcome"] != "ok"]

    # The check at 1.25 s tells: until then every second request fails; with both cut off, all are used and fail.
    assert failed("app.0->db") == pytest.approx([1.1, 1.2])
    assert len(failed("app->db")) == 40
