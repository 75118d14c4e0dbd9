"""The same seed and the same requests give the same bytes on the wire, faults and concurrency included."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from windtunnel.reference_service.mock_llm.fixture import MockLlmProcess, running

RULES = [
    {"when": {"header": {"x-fault": "stall"}}, "fault": {"kind": "stall", "ms": 20}},
    {"when": {"prompt": "question [0-4]$"}, "rate": 0.4, "fault": {"kind": "truncation"}},
    {"rate": 0.3, "fault": {"kind": "error_event"}},
    {"rate": 0.3, "fault": {"kind": "malformed"}},
    {"rate": 0.3, "fault": {"kind": "disconnect"}},
    {"rate": 0.2, "fault": {"kind": "overloaded", "retry_after_s": 3}},
    {"rate": 0.3, "fault": {"kind": "split", "bytes": 9, "pause_ms": 1}},
]
_DATE = re.compile(rb"\r\ndate: [^\r]+")


def exchange(mock: MockLlmProcess, number: int, stream: bool, path: str = "/v1/messages") -> bytes:
    """All bytes of an answer; the connection is closed after it. The date is left out."""
    host, port = mock.url.removeprefix("http://").split(":")
    question = {"role": "user", "content": f"question {number}"}
    body = json.dumps(
        {"model": "claude-haiku-4-5", "max_tokens": 50, "stream": stream, "messages": [question]}
    ).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: mock\r\nauthorization: Bearer k\r\nanthropic-version: 2026-10-21\r\n"
        f"x-fault: {'stall' if number == 3 else 'none'}\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    found = b""
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(head.encode() + body)
        while data := connection.recv(65536):
            found += data
    return _DATE.sub(b"", found)


@pytest.fixture(scope="module")
def mocks() -> Iterator[list[MockLlmProcess]]:
    """Two of one seed and one of another."""
    pace = {"FIRST_TOKEN_MS": '{"kind":"uniform","low":0,"high":20}', "TOKEN_MS": '{"kind":"exponential","mean":1}'}
    pace |= {"SLOTS": "5", "BATCH_SLOWDOWN": "0.5"}
    with running(**pace) as first, running(**pace) as second, running(**pace, SEED="8") as other:
        yield [first, second, other]


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_replay_is_the_same_byte_for_byte(mocks, stream, path):
    first, second, other = mocks
    for mock in mocks:
        mock.reset()
        mock.faults(*RULES)
    numbers = [*range(12), *range(12)]
    in_order = [exchange(first, number, stream, path) for number in numbers]
    assert len({answer.split(b"\r\n", 1)[0] for answer in in_order}) == 2, "some were refused, some were not"
    with ThreadPoolExecutor(6) as pool:  # in another order, at other speeds
        later = [pool.submit(exchange, second, number, stream, path) for number in range(12)]
        at_once = [one.result() for one in later]
        later = [pool.submit(exchange, second, number, stream, path) for number in reversed(range(12))]
        at_once += [one.result() for one in reversed(later)]
    assert at_once == in_order
    assert [exchange(other, number, stream, path) for number in range(12)] != in_order[:12]
    assert first.ledger()["faults"] == second.ledger()["faults"]


def test_a_reset_begins_the_replay_anew(mock_llm):
    mock_llm.faults(*RULES)
    first = [exchange(mock_llm, number, True) for number in range(6)]
    mock_llm.reset()
    mock_llm.faults(*RULES)
    assert [exchange(mock_llm, number, True) for number in range(6)] == first
