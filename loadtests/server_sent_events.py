"""Reads server-sent events line by line, so that each is seen when it arrives; used for streamed answers.

Protocol: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event; ``name`` is ``message`` where the server gave none."""

    name: str
    data: bytes


def read_events(read_line: Callable[[], bytes]) -> Iterator[ServerSentEvent]:
    """Each event at its closing blank line. ``read_line`` gives a line with its ``\\n``, and ``b""`` at the end.

    An event without its blank line never arrived, one without data is none; comments and ``id`` are skipped.
    """
    name, data = b"", list[bytes]()
    while line := read_line():
        line = line.rstrip(b"\r\n")
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"event":
            name = value
        elif field == b"data":
            data.append(value)
        elif not line:
            if data:
                yield ServerSentEvent(name.decode() or "message", b"\n".join(data))
            name, data = b"", []
