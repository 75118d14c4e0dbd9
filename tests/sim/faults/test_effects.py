"""What a fault does to whole requests: new ones, those under way when it begins, those under way when it heals."""

from __future__ import annotations

from typing import Any

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
from windtunnel.spec.run import Run

STREAM = {"first_token_ms": 100, "token_ms": 10, "output_tokens": 21}
"""From 100 ms to 300 ms after its admission."""


def run_with(
    fault: dict[str, Any],
    *,
    before_s: float = 1.0,
    during_s: float = 1.0,
    rate_per_s: float = 1.0,
    streams: bool = False,
    timeout_ms: float = 400,
    call: dict[str, Any] | None = None,
) -> Run:
    """client -> app -> llm with a fault on the last link; the LLM takes 300 ms, streamed or in one piece."""
    links = [
        {"from": "client", "to": "app", "timeout_ms": 1e6},
        {"from": "app", "to": "llm", "timeout_ms": timeout_ms},
    ]
    asked = {"call": "llm", "streams": streams} | (call or {})
    built = architecture(
        {"app": service(), "llm": llm(100)}, links, [{"call": "app", "streams": streams, "steps": [asked]}]
    )
    pace = STREAM | {"service_ms": 0} if streams else {"service_ms": 300}
    known = parameters({"client->app:call": times(service_ms=0), "app->llm:call": times(**pace)})
    windows = {"warm_up_s": 0, "before_s": before_s, "during_s": during_s, "after_s": 2}
    return forecast(scenario(rate_per_s=rate_per_s, windows=windows, faults=[fault]), built, known)


def test_latency_is_paid_for_every_round_trip_and_healed_at_once() -> None:
    run = run_with({"latency": "app->llm", "latency_ms": 30}, call={"round_trips": 3})
    assert answer_ms(run) == pytest.approx([300, 390, 300, 300])
    # The fault ends at 1.31 s, 10 ms after the answer has left: the delay ends with it.
    run = run_with({"latency": "app->llm", "latency_ms": 30}, during_s=0.31)
    assert answer_ms(run)[1] == pytest.approx(310)


def test_latency_beyond_the_timeout_is_a_timeout() -> None:
    run = run_with({"latency": "app->llm", "latency_ms": 200})
    assert outcomes(run) == ["ok", "timeout", "ok", "ok"]
    assert answer_ms(run)[1] == pytest.approx(400)


def test_latency_upstream_delays_the_work_itself() -> None:
    run = run_with({"latency": "app->llm", "latency_ms": 30, "stream": "upstream"})
    assert column(run.spans, "start_s", kind="server", callee="llm", request=1) == pytest.approx([1.03])


def test_latency_shifts_a_stream_as_a_whole() -> None:
    run = run_with({"latency": "app->llm", "latency_ms": 30}, streams=True)
    row = run.samples.to_pylist()[1]
    assert (row["first_token_s"], row["done_s"]) == pytest.approx((1.13, 1.33))


def test_bandwidth_makes_the_answer_take_its_bytes() -> None:
    run = run_with({"bandwidth": "app->llm", "rate_kb_per_s": 20}, call={"response_bytes": 1000})
    assert answer_ms(run) == pytest.approx([300, 350, 300, 300])


def test_bandwidth_slows_a_stream_only_as_far_as_it_is_slower_than_the_tokens() -> None:
    fault = {"bandwidth": "app->llm", "rate_kb_per_s": 10}
    fast = run_with(fault, streams=True, call={"response_bytes": 2100 // 2})  # 5 ms a token, which come every 10
    row = fast.samples.to_pylist()[1]
    assert (row["first_token_s"], row["done_s"]) == pytest.approx((1.105, 1.305))
    slow = run_with(fault, streams=True, call={"response_bytes": 2100 * 3 // 2}, timeout_ms=1e6)  # 15 ms a token
    row = slow.samples.to_pylist()[1]
    assert (row["first_token_s"], row["done_s"]) == pytest.approx((1.115, 1.1 + 21 * 0.015))


def test_a_blackhole_holds_everything_until_the_timeout_and_closes_it_on_heal() -> None:
    run = run_with({"blackhole": "app->llm"}, before_s=0.85, during_s=0.84, rate_per_s=10 / 3, timeout_ms=500)
    # At 0 and .3: answered before. At .6: asked before, answered into the hole. At .9: timed out at 1.4.
    # At 1.2 and 1.5: cut by the heal at 1.69.
    assert outcomes(run)[:7] == ["ok", "ok", "timeout", "timeout", "error", "error", "ok"]
    assert answer_ms(run)[2:6] == pytest.approx([500, 500, 490, 190])
    # The LLM answers all the same: nobody tells it that nobody listens.
    assert column(run.spans, "outcome", kind="server", callee="llm")[:5] == ["ok"] * 5


def test_a_blackhole_upstream_keeps_the_work_from_being_done() -> None:
    run = run_with({"blackhole": "app->llm", "stream": "upstream"})
    assert outcomes(run) == ["ok", "timeout", "ok", "ok"]
    assert column(run.spans, "request", kind="server", callee="llm") == [0, 2, 3]


def test_a_blackhole_swallows_the_rest_of_a_stream() -> None:
    run = run_with({"blackhole": "app->llm"}, before_s=0.2, streams=True, timeout_ms=5000)
    row = run.samples.to_pylist()[0]
    assert row["first_token_s"] == pytest.approx(0.1)
    assert (row["outcome"], row["done_s"]) == ("error", pytest.approx(1.2))  # the heal closes it


def test_a_blackhole_that_closes_does_so_after_silence() -> None:
    run = run_with({"blackhole": "app->llm", "close_after_ms": 50})
    # Silent from the start of the call: closed before the LLM has said a word.
    assert outcomes(run) == ["ok", "error", "ok", "ok"]
    assert answer_ms(run)[1] == pytest.approx(50)
    patient = run_with({"blackhole": "app->llm", "close_after_ms": 350}, timeout_ms=1e6)
    assert answer_ms(patient)[1] == pytest.approx(300 + 350)  # the answer that was dropped has armed it again


def test_a_reset_swallows_the_first_data_and_tears_down() -> None:
    run = run_with({"reset": "app->llm", "after_ms": 20}, before_s=0.9)
    assert outcomes(run) == ["ok", "error", "ok", "ok"]
    assert answer_ms(run)[1] == pytest.approx(320)
    upstream = run_with({"reset": "app->llm", "after_ms": 20, "stream": "upstream"})
    assert answer_ms(upstream)[1] == pytest.approx(20)
    streaming = run_with({"reset": "app->llm", "after_ms": 20}, before_s=0.2, streams=True)
    assert answer_ms(streaming)[0] == pytest.approx(220)  # with the next token after it begins


def test_an_outage_cuts_what_is_under_way_and_refuses_what_is_new() -> None:
    run = run_with({"outage": "app->llm"}, before_s=0.1, during_s=1.0)
    assert outcomes(run) == ["error", "error", "ok", "ok"]
    assert answer_ms(run) == pytest.approx([100, 0, 300, 300])
    assert column(run.spans, "duration_ms", kind="server", callee="llm", request=0) == pytest.approx([100])


def test_slow_closing_delays_nobody() -> None:
    run = run_with({"slow_close": "app->llm", "delay_ms": 500})
    assert answer_ms(run) == pytest.approx([300] * 4)


def test_fragmentation_pays_for_the_pauses_between_slices() -> None:
    fault = {"fragmentation": "app->llm", "size_bytes": 100, "delay_us": 2000}
    run = run_with(fault, call={"response_bytes": 800})
    assert answer_ms(run) == pytest.approx([300, 300 + 7 * 2, 300, 300])


def test_truncation_breaks_a_stream_off_where_the_bytes_end() -> None:
    run = run_with({"truncation": "app->llm", "bytes": 1050}, streams=True, call={"response_bytes": 2100})
    row = run.samples.to_pylist()[1]
    assert row["first_token_s"] == pytest.approx(1.1)
    assert (row["outcome"], row["done_s"]) == ("error", pytest.approx(1.2))
    assert row["tokens"] in (10, 11)  # half of 21; one more where the cut and a token fall together
    assert run.record.unmodelled == ()


def test_a_fault_on_one_replica_leaves_the_other_alone() -> None:
    links = [{"from": "client", "to": "app", "timeout_ms": 1e6}]
    built = architecture({"app": service()}, links, [{"call": "app"}])
    known = parameters({"client->app:call": times(service_ms=1)})
    two = {"name": "two", "hosts": {"one": {"cores": 2}}, "place": {"app": {"replicas": 2}}}
    run = forecast(scenario(rate_per_s=4, faults=[{"outage": "client->app.1"}]), built, known, two)
    assert outcomes(run) == ["ok", "error", "ok", "error"]


def test_pooled_connections_are_lost_to_a_blackhole_until_it_heals() -> None:
    """One connection: the first call loses it at its time-out, the others wait in vain until the heal."""
    links = [
        {"from": "client", "to": "app", "timeout_ms": 1e6},
        {"from": "app", "to": "db", "timeout_ms": 100, "pool": 1, "pool_timeout_ms": 60},
    ]
    steps = [{"call": "app", "steps": [{"call": "db"}]}]
    built = architecture({"app": service(), "db": {"kind": "database"}}, links, steps)
    known = parameters({"client->app:call": times(service_ms=0), "app->db:call": times(service_ms=1)})
    run = forecast(
        scenario(rate_per_s=5, windows={"during_s": 0.5, "after_s": 0.3}, faults=[{"blackhole": "app->db"}]),
        built,
        known,
    )
    assert outcomes(run) == ["timeout", "timeout", "timeout", "ok"]
    assert answer_ms(run) == pytest.approx([100, 60, 60, 1])


def test_two_faults_on_one_link_add_up() -> None:
    links = [{"from": "client", "to": "app", "timeout_ms": 1e6}]
    built = architecture({"app": service()}, links, [{"call": "app", "response_bytes": 1000}])
    known = parameters({"client->app:call": times(service_ms=1)})
    faults = [{"latency": "client->app", "latency_ms": 40}, {"bandwidth": "client->app", "rate_kb_per_s": 100}]
    assert answer_ms(forecast(scenario(faults=faults), built, known)) == pytest.approx([1 + 40 + 10])


def test_what_is_not_modelled_is_said() -> None:
    for fault, words in (
        ({"toxic": "app->llm", "type": "latency", "attributes": {"latency": 5}, "toxicity": 0.5}, "toxicity 0.5"),
        ({"toxic": "app->llm", "type": "unheard_of"}, "toxic unheard_of on app->llm"),
        ({"truncation": "app->llm", "bytes": 5000}, "truncation of app->llm after 5000 bytes"),
    ):
        [said] = run_with(fault).record.unmodelled
        assert words in said
    known = run_with({"toxic": "app->llm", "type": "latency", "attributes": {"latency": 50}})
    assert known.record.unmodelled == ()
    assert answer_ms(known) == pytest.approx([300, 350, 300, 300])
