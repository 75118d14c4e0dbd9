"""Each way in which an answer can come, or not: what the sample says of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import median

import pytest

from tests.loadtests.generated import Generated, flow, generate, plan
from tests.loadtests.scripted_server import STREAM_END, STREAM_HEAD, Asked, HangUp, ScriptedServer, chunk, whole

TIMEOUT_MS = 700
START = chunk("start", {"conversation_id": "c"})
DELTA = chunk("delta", {"text": "word "})
DONE = chunk("done", {"message_id": "m"})


async def answers(asked: Asked) -> AsyncIterator[bytes]:
    """One script per path; streams pass their first token after 50 ms and another one every 50 ms."""
    way = asked.path.removeprefix("/")
    if way.startswith("status_"):
        _, status, *code = way.split("_", 2)
        yield whole(int(status), {"error": {"code": code[0], "message": "words"}} if code else "a text")
    elif way == "fine":
        yield whole(200, {"id": 1})
    elif way == "without_id":
        yield whole(200, {"other": 1})
    elif way == "list":
        yield whole(200, [["id", 1]])
    elif way == "hang_up":
        raise HangUp
    elif way == "half_body":
        yield whole(200, {"id": 1})[:-3]
        raise HangUp
    elif way == "silence":
        await asyncio.sleep(10)
    else:
        yield STREAM_HEAD
        if way == "error_at_once":
            yield chunk("error", {"error": {"code": "timeout", "message": "slow"}}) + STREAM_END
            return
        yield START
        for _ in range(1 if way == "stalled_stream" else 3):
            await asyncio.sleep(0.05)
            yield DELTA
        if way == "stream":
            yield DONE + STREAM_END
        elif way == "cut_stream":
            yield DONE[:-20]
            raise HangUp
        elif way == "unfinished_stream":
            yield STREAM_END
        elif way == "cut_after_done":
            yield DONE
            raise HangUp
        elif way == "stalled_stream":
            await asyncio.sleep(10)
        elif way.startswith("error_"):
            yield chunk("error", {"error": {"code": way.removeprefix("error_"), "message": "words"}}) + STREAM_END


BODIES = {
    "fine": ("ok", 200, None),
    "status_302": ("error", 302, "HTTP 302"),
    "status_404": ("error", 404, "HTTP 404"),
    "status_429_rate_limited": ("rejected", 429, "HTTP 429 rate_limited"),
    "status_502_llm_error": ("error", 502, "HTTP 502 llm_error"),
    "status_503_overloaded": ("rejected", 503, "HTTP 503 overloaded"),
    "status_503_database_unavailable": ("error", 503, "HTTP 503 database_unavailable"),
    "status_504_timeout": ("timeout", 504, "HTTP 504 timeout"),
    "without_id": ("error", 200, "answer without id"),
    "list": ("error", 200, "answer is no JSON object"),
    "hang_up": ("error", None, "connection closed before the answer"),
    "half_body": ("error", 200, "truncated answer"),
    "silence": ("timeout", None, "no whole answer within 700 ms"),
}
STREAMS = {
    "stream": ("ok", 200, None, 3),
    "cut_after_done": ("ok", 200, None, 3),
    "cut_stream": ("error", 200, "truncated stream", 3),
    "unfinished_stream": ("error", 200, "truncated stream", 3),
    "stalled_stream": ("timeout", 200, "no whole answer within 700 ms", 1),
    "error_timeout": ("timeout", 200, "error event timeout", 3),
    "error_overloaded": ("rejected", 200, "error event overloaded", 3),
    "error_llm_error": ("error", 200, "error event llm_error", 3),
    "error_at_once": ("timeout", 200, "error event timeout", 0),
    "status_504": ("timeout", 504, "HTTP 504", None),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> tuple[Generated, list[Asked]]:
    """One run in which every way occurs several times."""
    directory = tmp_path_factory.mktemp("ways") / "out"
    flows = {name: flow(f"/{name}", remembers=["id"]) for name in BODIES}
    flows |= {name: flow(f"/{name}", response="sse", remembers=["conversation_id"]) for name in STREAMS}
    with ScriptedServer(answers) as server:
        ways = plan(directory, server.url, flows, load={"rate_per_s": 160}, duration_s=1.5, timeout_ms=TIMEOUT_MS)
        return generate(ways), server.asked


@pytest.mark.parametrize("way", BODIES)
def test_what_a_body_means(way: str, served: tuple[Generated, list[Asked]]) -> None:
    found = {(s["outcome"], s["status"], s["error"]) for s in served[0].by_flow(way)}
    assert found == {BODIES[way]}
    assert {(s["tokens"], s["first_token_s"]) for s in served[0].by_flow(way)} == {(None, None)}


@pytest.mark.parametrize("way", STREAMS)
def test_what_a_stream_means(way: str, served: tuple[Generated, list[Asked]]) -> None:
    found = {(s["outcome"], s["status"], s["error"], s["tokens"]) for s in served[0].by_flow(way)}
    assert found == {STREAMS[way]}


def test_the_first_token_is_seen_when_it_comes_and_the_end_as_well(served: tuple[Generated, list[Asked]]) -> None:
    streams = served[0].by_flow("stream")
    assert median(s["first_token_s"] - s["sent_s"] for s in streams) == pytest.approx(0.05, abs=0.01)
    assert median(s["done_s"] - s["sent_s"] for s in streams) == pytest.approx(0.15, abs=0.02)


def test_the_time_out_counts_from_the_sending(served: tuple[Generated, list[Asked]]) -> None:
    for way in ("silence", "stalled_stream"):
        waits = [s["done_s"] - s["sent_s"] for s in served[0].by_flow(way)]
        assert min(waits) >= TIMEOUT_MS / 1000
        assert median(waits) == pytest.approx(TIMEOUT_MS / 1000, abs=0.03)


def test_every_request_is_sent_once_whatever_becomes_of_it(served: tuple[Generated, list[Asked]]) -> None:
    generated, asked = served
    numbers = [int(a.headers["traceparent"].split("-")[1][16:], 16) for a in asked]
    assert sorted(numbers) == [s["request"] for s in generated.samples] == list(range(240))


def test_a_refused_connection_is_an_error_in_words(tmp_path: Path) -> None:
    with socket.socket() as bound:  # bound, but nobody listens
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        generated = generate(plan(tmp_path / "out", url, {"fine": flow("/fine")}, duration_s=0.5))
    assert {(s["outcome"], s["status"], s["error"]) for s in generated.samples} == {
        ("error", None, "connection refused")
    }
    assert len(generated.samples) == 10
