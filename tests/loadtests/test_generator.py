"""The open loop tells the truth: about stalls, about its own lag, and the same thing again with the same seed."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.loadtests.generated import finish, flow, generate, plan, start
from tests.loadtests.scripted_server import Asked, ScriptedServer, whole
from windtunnel.spec.load import question, schedule

READ_BACK = {"path": "/v1/conversations/{conversation_id}", "list": "messages", "id": "message_id"}
CHAT_AND_HISTORY: dict[str, Any] = {
    "chat": flow(
        "/v1/chat",
        method="POST",
        json={"message": "{prompt}"},
        remembers=["conversation_id"],
        acknowledges={"written": ["question_id", "answer_id"], "read_back": READ_BACK},
    ),
    "history": flow("/v1/conversations/{conversation_id}"),
}


async def chat(asked: Asked) -> AsyncIterator[bytes]:
    """Ids follow from the message, so that two runs that ask the same are told the same."""
    if asked.method == "GET":
        yield whole(200, {"messages": []})
    else:
        message = asked.json["message"].partition(":")[0].replace(" ", "/")
        yield whole(200, {"conversation_id": message, "question_id": f"q {message}", "answer_id": f"a {message}"})


def test_a_stall_is_seen_by_every_request_that_should_have_started_in_it(tmp_path: Path) -> None:
    stall_s, stall_from_s = 2.0, 0.5
    arrived_at_s: list[float] = []

    async def stalling(_: Asked) -> AsyncIterator[bytes]:
        now = time.monotonic()
        arrived_at_s.append(now)
        if now - arrived_at_s[0] >= stall_from_s:
            await asyncio.sleep(max(0, arrived_at_s[0] + stall_from_s + stall_s - now))
        yield whole(200, {})

    # Locust's own statistics are listened to as any listener of its event would
    listening = (
        "import sys, locust, json\n"
        "tell = lambda response_time, **_: print(json.dumps({'locust_ms': response_time}))\n"
        "locust.events.request.add_listener(tell)\n"
        "from windtunnel.loadtests.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    with ScriptedServer(stalling) as server:
        stalled = plan(tmp_path / "out", server.url, {"any": flow("/")}, load={"rate_per_s": 50}, duration_s=2.8)
        generated = finish(start(stalled, ("-c", listening)), stalled)
    intended_s = np.array([s["intended_s"] for s in generated.samples])
    latency_s = np.array([s["done_s"] - s["intended_s"] for s in generated.samples])
    truth_s = np.where(intended_s >= stall_from_s, np.maximum(0, stall_from_s + stall_s - intended_s), 0)
    assert len(intended_s) == 140
    assert np.median(np.abs(latency_s - truth_s)) < 0.05
    assert np.quantile(latency_s, 0.95) == pytest.approx(np.quantile(truth_s, 0.95), abs=0.05)
    assert latency_s.max() == pytest.approx(stall_s, abs=0.1)
    # no request waits for another one inside the client
    assert np.median(np.array(arrived_at_s) - arrived_at_s[0] - intended_s) < 0.02
    locust_ms = [line["locust_ms"] for line in generated.lines if "locust_ms" in line]
    assert sorted(locust_ms) == pytest.approx(sorted(latency_s * 1000))


def test_requests_arrive_when_the_schedule_says(tmp_path: Path) -> None:
    arrived_unix_s: list[float] = []

    async def stamping(_: Asked) -> AsyncIterator[bytes]:
        arrived_unix_s.append(time.time())
        yield whole(200, {})

    zero_unix_s = time.time() + 5
    with ScriptedServer(stamping) as server:
        load = {"arrivals": "poisson", "rate_per_s": 150}
        due = plan(tmp_path / "out", server.url, {"any": flow("/")}, load=load, duration_s=1.5, zero_unix_s=zero_unix_s)
        generated = generate(due)
    at_s = schedule(due.load, due.duration_s, due.seed).at_s
    assert [s["intended_s"] for s in generated.samples] == at_s.tolist()
    lag_ms = (np.array([s["sent_s"] for s in generated.samples]) - at_s) * 1000
    assert np.median(lag_ms) < 5
    assert lag_ms.min() > -1  # the loop's clock may be a little old when it sets a timer
    assert np.median(np.array(arrived_unix_s) - zero_unix_s - at_s) < 0.01
    report = generated.report
    assert report["planned"] == report["sent"] == report["completed"] == len(at_s)
    assert report["lag_ms_max"] == pytest.approx(lag_ms.max())
    assert report["lag_ms_p50"] == pytest.approx(np.quantile(lag_ms, 0.5))
    assert report["zero_unix_s"] == zero_unix_s
    assert 0 < report["cpu_seconds"] < 2
    assert not report["interrupted"]
    ready, *progress = generated.lines
    assert ready == {"ready": True, "zero_unix_s": zero_unix_s}
    assert [line["at_s"] for line in progress] == pytest.approx([1, 1.5], abs=0.2)
    assert [line["failed"] for line in progress] == [0, 0]
    assert progress[0]["sent"] == progress[0]["done"] + progress[0]["in_flight"] > 100
    assert progress[0]["p50_ms"] > 0
    assert (progress[1]["done"], progress[1]["in_flight"]) == (len(at_s), 0)


def test_the_same_seed_asks_the_same_and_only_what_was_answered_before(tmp_path: Path) -> None:
    load = {"rate_per_s": 50, "prompts": {"distinct": 50, "zipf": 1}}
    runs: list[dict[str, tuple[str, str, bytes]]] = []
    processes = []
    with ScriptedServer(chat) as first, ScriptedServer(chat) as second:
        for name, server in (("first", first), ("second", second)):
            seeded = plan(tmp_path / name, server.url, CHAT_AND_HISTORY, load=load)
            processes.append((start(seeded), seeded))
        generated = [finish(*process) for process in processes]
        for server in (first, second):
            primed, *asked = server.asked
            assert "traceparent" not in primed.headers
            assert primed.json == {"message": question(-1, seed=7)}
            runs.append({a.headers["traceparent"]: (a.method, a.path, a.body) for a in asked})
    assert [s["flow"] for s in generated[0].samples] == [s["flow"] for s in generated[1].samples]
    assert {sample["outcome"] for sample in generated[0].samples} == {"ok"}
    assert runs[0].keys() == runs[1].keys()
    assert {trace[:36] for trace in runs[0]} == {f"00-00112233aabbccdd{n:016x}-" for n in range(50)}
    chats = {trace: asked for trace, asked in runs[0].items() if asked[0] == "POST"}
    assert 10 < len(chats) < 40
    assert chats.items() <= runs[1].items()
    # which conversation a history is asked of depends on which answers have come, too
    assert len([trace for trace, asked in runs[0].items() if runs[1][trace] != asked]) <= 3

    told: set[str] = set()
    histories: set[str] = set()
    for request in first.asked:
        if request.method == "GET":
            histories.add(request.path)
            assert request.path in told
        else:
            told.add(f"/v1/conversations/{request.json['message'].partition(':')[0].replace(' ', '%2F')}")
    assert len(histories) > 5


def test_an_answer_promises_what_its_flow_acknowledges_and_a_failed_one_nothing(tmp_path: Path) -> None:
    def number(asked: Asked) -> int:
        return int(asked.headers["traceparent"][19:35], 16)

    async def sometimes_failing(asked: Asked) -> AsyncIterator[bytes]:
        n = number(asked)
        content = {"conversation_id": f"{n}/?", "question_id": f"q{n}", "answer_id": n}
        yield whole(502 if n % 3 == 0 else 200, content)

    with ScriptedServer(sometimes_failing) as server:
        chat_only = {"chat": CHAT_AND_HISTORY["chat"]}
        generated = generate(plan(tmp_path / "out", server.url, chat_only, duration_s=0.5))
    assert generated.promises == [
        {"request": n, "id": found, "path": f"/v1/conversations/{n}%2F%3F"}
        for n in range(10)
        if n % 3
        for found in (f"q{n}", str(n))
    ]


def test_a_flow_that_is_not_in_the_load_gives_the_first_value(tmp_path: Path) -> None:
    with ScriptedServer(chat) as server:
        only = plan(tmp_path / "out", server.url, CHAT_AND_HISTORY, load={"flows": {"history": 1}}, duration_s=0.3)
        generated = generate(only)
        methods = [asked.method for asked in server.asked]
    assert methods == ["POST", *["GET"] * 6]
    assert {s["flow"] for s in generated.samples} == {"history"}


def test_an_early_end_still_writes_what_there_is(tmp_path: Path) -> None:
    async def sometimes(asked: Asked) -> AsyncIterator[bytes]:
        if asked.path == "/hanging":
            await asyncio.sleep(60)
        yield whole(200, {})

    with ScriptedServer(sometimes) as server:
        flows = {"fine": flow("/fine"), "hanging": flow("/hanging")}
        processes = []
        for end in (signal.SIGTERM, signal.SIGINT):
            long = plan(tmp_path / end.name, server.url, flows, duration_s=60, timeout_ms=60_000)
            processes.append((end, start(long), long))
        for end, process, long in processes:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(2)]
            process.send_signal(end)
            began = time.monotonic()
            generated = finish(process, long, "".join(lines))
            assert time.monotonic() - began < 5
            assert json.loads(lines[1])["in_flight"] > 0
            assert generated.report["interrupted"]
            assert generated.report["planned"] == 1200
            assert {s["flow"] for s in generated.samples} == {"fine"}
            assert 0 < generated.report["completed"] == len(generated.samples) < generated.report["sent"] < 200
