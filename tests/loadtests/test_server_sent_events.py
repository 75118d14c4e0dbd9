from __future__ import annotations

import io

import pytest

from windtunnel.loadtests.server_sent_events import ServerSentEvent, read_events


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"event: delta\ndata: {}\n\n", [("delta", b"{}")]),
        (b"event:delta\r\ndata:{}\r\n\r\n", [("delta", b"{}")]),
        (b"data: a\ndata: b\n\n", [("message", b"a\nb")]),
        (b"data:  two spaces\n\n", [("message", b" two spaces")]),
        (b": ping\n\nevent: a\ndata: 1\n\nevent: b\ndata: 2\n\n", [("a", b"1"), ("b", b"2")]),
        (b"id: 7\nretry: 10\nevent: a\ndata: 1\n\n", [("a", b"1")]),
        (b"event: nothing\n\ndata: 1\n\n", [("message", b"1")]),
        (b"event: a\ndata: 1\n\nevent: done\ndata: 2\n", [("a", b"1")]),
        (b"event: a\ndata\n\n", [("a", b"")]),
        (b"", []),
    ],
)
def test_events(stream: bytes, events: list[tuple[str, bytes]]) -> None:
    assert list(read_events(io.BytesIO(stream).readline)) == [ServerSentEvent(*event) for event in events]


def test_an_event_is_seen_before_the_next_line_is_asked_for() -> None:
    lines = iter([b"event: delta\n", b"data: 1\n", b"\n"])
    events = read_events(lambda: next(lines))
    assert next(events).name == "delta"
