"""What the app makes of an LLM that is slow, refuses, breaks off or cannot be reached; nothing of it is stored."""

import json
import time
from uuid import uuid4

import psycopg
import pytest

from .test_chat import events_of


def constant(value: float) -> str:
    return json.dumps({"kind": "constant", "value": value})


class ScriptedLlm:
    """An ASGI application that answers each request with the next script: (status, headers, pieces, finished)."""

    def __init__(self, *scripts: tuple[int, dict[str, str], list[bytes], bool]) -> None:
        self.scripts = list(scripts)
        self.requests = 0

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        while (await receive()).get("more_body"):
            pass
        status, headers, pieces, finished = self.scripts[min(self.requests, len(self.scripts) - 1)]
        self.requests += 1
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        if finished:
            await send({"type": "http.response.body", "body": b""})
        # Otherwise the server drops the connection in the middle of the body.


def event(name: str, **data: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode()


MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "content": []}
START = event("message_start", message=MESSAGE | {"usage": {"input_tokens": 3, "output_tokens": 0}})
BLOCK = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
HALF = event("content_block_delta", index=0, delta={"type": "text_delta", "text": "half an ans"})
REST = (
    event("content_block_stop", index=0)
    + event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3})
    + event("message_stop")
)
OVERLOADED = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
SSE = {"content-type": "text/event-stream"}
TRUNCATED = (200, SSE, [START, BLOCK, HALF], True)
DROPPED = (200, SSE, [START, BLOCK, HALF], False)
BROKEN_JSON = (200, SSE, [START, b"event: content_block_delta\ndata: {broken\n\n"], True)
ERROR_IN_STREAM = (200, SSE, [START, OVERLOADED], True)
COMPLETE = (200, SSE, [START, BLOCK, HALF, REST], True)


def refusal(status: int, kind: str, **headers: str) -> tuple[int, dict[str, str], list[bytes], bool]:
    body = json.dumps({"type": "error", "error": {"type": kind, "message": "no"}}).encode()
    return status, {"content-type": "application/json", **headers}, [body], True


def roles_stored(url: str, question: str) -> list[str]:
    query = (
        "SELECT role FROM messages WHERE conversation_id IN "
        "(SELECT conversation_id FROM messages WHERE content = %s) ORDER BY seq"
    )
    with psycopg.connect(url) as connection:
        return [role for (role,) in connection.execute(query, (question,))]


def test_a_slow_llm_is_a_time_out_within_the_deadline_and_its_attempts_are_counted(start_mock, start_app, wait_until):
    llm = start_mock(FIRST_TOKEN_MS=constant(5000))
    app = start_app(llm.url, LLM_TIMEOUT_MS="200", LLM_DEADLINE_MS="2000", LLM_RETRIES="2")
    began_s = time.perf_counter()
    response = app.chat("slow?")
    took_s = time.perf_counter() - began_s
    assert (response.status_code, response.json()["error"]["code"]) == (504, "timeout")
    assert 0.6 <= took_s < 1.6
    wait_until(lambda: llm.ledger()["cancelled"] == 3, within_s=2)
    assert llm.ledger()["received"] == 3


def test_the_deadline_ends_an_attempt_that_its_own_time_out_would_allow(start_mock, start_app):
    llm = start_mock(FIRST_TOKEN_MS=constant(5000))
    app = start_app(llm.url, LLM_TIMEOUT_MS="600", LLM_DEADLINE_MS="900", LLM_RETRIES="5", LLM_RETRY_BACKOFF_MS="0")
    began_s = time.perf_counter()
    assert app.chat("slow?").status_code == 504
    assert 0.9 <= time.perf_counter() - began_s < 1.2
    assert llm.ledger()["received"] == 2


@pytest.mark.parametrize("script", [TRUNCATED, DROPPED, BROKEN_JSON, ERROR_IN_STREAM])
def test_an_incomplete_answer_is_an_error_and_kept_nowhere(serve, start_app, valkey_url, postgres_url, script):
    llm = ScriptedLlm(script, COMPLETE)
    app = start_app(serve(llm).url, CACHE_URL=valkey_url, CACHE_TIMEOUT_MS="500", CACHE_TTL_S="60")
    question = f"complete? {uuid4()}"
    failed = app.chat(question)
    assert (failed.status_code, failed.json()["error"]["code"]) == (502, "llm_error")
    assert roles_stored(postgres_url, question) == ["user"]
    again = app.chat(question).json()
    assert (again["cached"], again["answer"], llm.requests) == (False, "half an ans", 2)


def test_without_a_client_who_saw_a_piece_a_broken_stream_is_tried_again(serve, start_app):
    llm = ScriptedLlm(TRUNCATED, DROPPED, COMPLETE)
    app = start_app(serve(llm).url, LLM_RETRIES="2")
    assert app.chat("again?").json()["answer"] == "half an ans"
    assert llm.requests == 3


def test_after_the_first_piece_was_passed_on_there_is_an_error_event_and_no_retry(serve, start_app, postgres_url):
    llm = ScriptedLlm(TRUNCATED, COMPLETE)
    app = start_app(serve(llm).url, LLM_RETRIES="2")
    question = f"stream? {uuid4()}"
    response = app.chat(question, stream=True)
    assert response.status_code == 200
    assert [name for name, _ in events_of(response)] == ["start", "delta", "error"]
    assert events_of(response)[-1][1]["error"]["code"] == "llm_error"
    assert llm.requests == 1
    assert roles_stored(postgres_url, question) == ["user"]


def test_a_stream_that_fails_before_its_first_piece_is_tried_again(serve, start_app):
    llm = ScriptedLlm(ERROR_IN_STREAM, COMPLETE)
    app = start_app(serve(llm).url, LLM_RETRIES="1")
    assert [name for name, _ in events_of(app.chat("stream?", stream=True))] == ["start", "delta", "done"]


REFUSALS = [
    (refusal(400, "invalid_request_error"), 1),
    (refusal(401, "authentication_error"), 1),
    (refusal(429, "rate_limit_error", **{"x-should-retry": "false"}), 1),
    (refusal(429, "rate_limit_error", **{"retry-after": "60"}), 1),  # beyond the deadline
    (refusal(429, "rate_limit_error"), 2),
    (refusal(500, "api_error"), 2),
    (refusal(529, "overloaded_error"), 2),
]


def test_refusals_are_tried_again_only_where_that_can_help(serve, start_app):
    llm = ScriptedLlm()
    app = start_app(serve(llm).url, LLM_RETRIES="1")
    for script, requests in REFUSALS:
        llm.scripts, llm.requests = [script], 0
        failed = app.chat("may I?", stream=True)
        assert (failed.status_code, failed.json()["error"]["code"]) == (502, "llm_error"), script
        assert llm.requests == requests, script


def test_an_llm_that_cannot_be_reached_is_an_llm_error(start_app):
    app = start_app("http://127.0.0.1:1", LLM_RETRIES="1")
    failed = app.chat("anyone?")
    assert (failed.status_code, failed.json()["error"]["code"]) == (502, "llm_error")
