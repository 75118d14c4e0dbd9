"""One request and its answer: sends it, reads it to its end, says what became of it; used by the generator.

Latency counts from the intended start, in the samples and in Locust's own statistics alike. A streamed answer is read
line by line: reading it in blocks would see the first token only when a block is full.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import gevent
from geventhttpclient.response import HTTPParseError, HTTPSocketResponse
from locust.contrib.fasthttp import FAILURE_EXCEPTIONS, FastHttpSession
from pydantic import JsonValue

from windtunnel.loadtests.clock import RunClock
from windtunnel.loadtests.outcome import Outcome, code_of, outcome_of_event, outcome_of_status
from windtunnel.loadtests.record import Sample
from windtunnel.loadtests.server_sent_events import read_events
from windtunnel.spec.architecture import Request


@dataclass(frozen=True)
class Question:
    """A request with everything filled in."""

    number: int
    flow: str
    intended_s: float
    request: Request
    path: str
    body: JsonValue
    headers: Mapping[str, str]
    fields: frozenset[str]
    """What a successful answer must contain."""


@dataclass
class Answer:
    """What is known of an answer so far."""

    outcome: Outcome = "ok"
    error: str | None = None
    status: int | None = None
    first_token_s: float | None = None
    done_s: float | None = None
    tokens: int | None = None
    fields: dict[str, JsonValue] = field(default_factory=dict)

    def fail(self, outcome: Outcome, error: str) -> None:
        """Say that it is not ok, and why."""
        self.outcome, self.error = outcome, error


def exchange(
    client: FastHttpSession, question: Question, timeout_ms: float, clock: RunClock
) -> tuple[Sample, dict[str, JsonValue]]:
    """Send the question and wait for its answer: the sample, and the fields of a successful answer.

    Nothing that the service or the network does raises; it ends in the sample's outcome.
    """
    answer = Answer()
    sent_s = clock.now_s()
    # a greenlet is interrupted only where it does I/O: inside client.request, which keeps the time-out as the
    # response's error, and inside the inner try
    limit = gevent.Timeout.start_new(timeout_ms / 1000)
    try:
        with client.request(
            question.request.method,
            question.path,
            name=question.flow,
            json=question.body,
            headers=dict(question.headers),
            stream=True,
            catch_response=True,
        ) as response:
            try:
                response.raise_for_status()
                answer.status = response.status_code
                _read(response.stream, answer.status, question, answer, clock)
            except FAILURE_EXCEPTIONS as error:
                answer.fail(*_failure(error, question.request, answer.status, timeout_ms))
            if answer.done_s is None:
                answer.done_s = clock.now_s()
            response.request_meta["response_time"] = (answer.done_s - question.intended_s) * 1000
            if answer.error is None:
                response.success()
            else:
                response.failure(answer.error)
    finally:
        limit.close()
    sample = Sample(
        request=question.number,
        flow=question.flow,
        intended_s=question.intended_s,
        sent_s=sent_s,
        first_token_s=answer.first_token_s,
        done_s=answer.done_s,
        outcome=answer.outcome,
        status=answer.status,
        error=answer.error,
        tokens=answer.tokens,
    )
    return sample, answer.fields if answer.outcome == "ok" else {}


def _read(stream: HTTPSocketResponse, status: int, question: Question, answer: Answer, clock: RunClock) -> None:
    """Read the answer to its end. Raises what the socket raises."""
    if 200 <= status < 300 and question.request.response == "sse":
        _read_stream(stream, answer, clock)
    else:
        _read_body(stream.read(), status, answer, parse=bool(question.fields))
    if answer.outcome == "ok" and (missing := question.fields - answer.fields.keys()):
        answer.fail("error", f"answer without {', '.join(sorted(missing))}")


def _read_body(body: bytes, status: int, answer: Answer, parse: bool) -> None:
    code = None if 200 <= status < 300 else code_of(body)
    outcome = outcome_of_status(status, code)
    if outcome != "ok":
        answer.fail(outcome, f"HTTP {status} {code}" if code else f"HTTP {status}")
    elif parse:
        _keep_fields(body, answer)


def _read_stream(stream: HTTPSocketResponse, answer: Answer, clock: RunClock) -> None:
    answer.tokens = 0
    for event in read_events(lambda: stream.readline(b"\n")):
        if event.name == "delta":
            answer.tokens += 1
            if answer.first_token_s is None:
                answer.first_token_s = clock.now_s()
        elif event.name in ("start", "done"):
            _keep_fields(event.data, answer)
        elif event.name == "error":
            code = code_of(event.data)
            answer.fail(outcome_of_event(code), f"error event {code}" if code else "error event")
        if event.name in ("done", "error"):
            answer.done_s = clock.now_s()
            # the answer is complete; its last bytes are read only so that the connection can be used again
            with suppress(*FAILURE_EXCEPTIONS):
                stream.read()
            return
    answer.fail("error", "truncated stream")


def _keep_fields(data: bytes, answer: Answer) -> None:
    try:
        content = json.loads(data)
    except ValueError:
        content = None
    if isinstance(content, dict):
        answer.fields.update(content)
    else:
        answer.fail("error", "answer is no JSON object")


def _failure(error: BaseException, request: Request, status: int | None, timeout_ms: float) -> tuple[Outcome, str]:
    """The outcome and the words for what the wire raised; ``status`` is None while no answer has begun."""
    cause = getattr(error, "original", error)  # the client calls a time-out "retries exceeded"
    if isinstance(cause, (gevent.Timeout, TimeoutError)):
        return "timeout", f"no whole answer within {timeout_ms:g} ms"
    if isinstance(cause, ConnectionRefusedError):
        return "error", "connection refused"
    if isinstance(cause, (ConnectionResetError, BrokenPipeError)):
        return "error", "connection reset"
    if isinstance(cause, HTTPParseError):
        if status is None:
            return "error", "connection closed before the answer"
        return "error", "truncated stream" if request.response == "sse" else "truncated answer"
    return "error", f"{type(cause).__name__}: {cause}"
