"""When which bytes of an answer are written, faults included. A pure function of the answer, its pace and the fault.

Every event is a chunk of its own on the wire (RFC 9112, section 7.1), however late the process is and however many
events go out in one write: the same seed and the same requests give the same bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from windtunnel.reference_service.mock_llm.faults import (
    Disconnect,
    ErrorEvent,
    Fault,
    Malformed,
    Placed,
    SlowFirstToken,
    Split,
    Stall,
    Truncation,
)
from windtunnel.reference_service.mock_llm.reply import Ending, Stream


@dataclass(frozen=True)
class Plan:
    """Steps: the work until each (see `batch.Member`), the bytes that it writes, the tokens among them."""

    work_s: Sequence[float]
    waits_s: Mapping[int, float]
    data: Sequence[bytes]
    tokens: Sequence[int]
    ending: Ending


@dataclass
class _Marks:
    """What a fault does to a stream."""

    waits_s: dict[int, float] = field(default_factory=dict)
    """By the place of the event."""
    pieces: dict[int, tuple[int, float]] = field(default_factory=dict)
    """Size in bytes and seconds between, by the place of the event."""
    ending: Ending = "complete"


def frame(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def plan_of(stream: Stream, token_at_s: Sequence[float], fault: Fault | None, error: bytes, random: Random) -> Plan:
    """`token_at_s`: work until each token, at least one entry. `error`: the event that an error_event writes.

    `random` draws the place of a fault that has none.
    """
    if fault is None and stream.token_events:
        return _step_by_token(stream, token_at_s)
    marks = _Marks()
    stream = Stream(list(stream.events), list(stream.token_events))
    if fault is not None:
        _strike(stream, marks, fault, error, random)
    return _steps(stream, token_at_s, marks)


def silent_plan(token_at_s: Sequence[float], tokens: int, fault: Fault | None) -> Plan:
    """Of an answer that is sent by others, as a whole at its end: its tokens are made one by one all the same."""
    waits_s = {0: fault.ms / 1000} if isinstance(fault, SlowFirstToken) else {}
    steps = len(token_at_s)
    return Plan(token_at_s, waits_s, [b""] * steps, [1] * steps if tokens else [0], "complete")


def _step_by_token(stream: Stream, token_at_s: Sequence[float]) -> Plan:
    """As `_steps` without a fault, for the many."""
    events = stream.events
    data = []
    start = 0
    for carrier in stream.token_events:
        data.append(frame(events[start]) if start == carrier else b"".join(map(frame, events[start : carrier + 1])))
        start = carrier + 1
    data[-1] += b"".join(map(frame, events[start:]))
    return Plan(token_at_s, {}, data, [1] * len(data), "complete")


def _strike(stream: Stream, marks: _Marks, fault: Fault, error: bytes, random: Random) -> None:
    if isinstance(fault, SlowFirstToken):
        marks.waits_s[0] = fault.ms / 1000
    if not isinstance(fault, Placed):
        return
    place = _place(stream, fault, random)
    match fault:
        case Stall(ms=ms):
            marks.waits_s[place] = math.inf if ms is None else ms / 1000
        case Truncation():
            _end(stream, place)
        case Disconnect(reset=reset):
            _end(stream, place)
            marks.ending = "reset" if reset else "close"
        case Malformed(how=how):
            stream.events[place] = _malformed(stream.events[place], how)
        case Split(bytes=size, pause_ms=pause_ms):
            marks.pieces[place] = (size, pause_ms / 1000)
        case ErrorEvent():
            _end(stream, place)
            stream.event(error)


def _place(stream: Stream, fault: Placed, random: Random) -> int:
    """The place of the event that the fault is before, or is."""
    last = len(stream.events) - 1
    if fault.at_event is not None:
        return min(fault.at_event, last)
    tokens = stream.token_events
    token = fault.at_token if fault.at_token is not None else random.randrange(max(1, len(tokens)))
    if token < len(tokens):
        return tokens[token]
    return min(tokens[-1] + 1, last) if tokens else last


def _end(stream: Stream, place: int) -> None:
    del stream.events[place:]
    stream.token_events = [event for event in stream.token_events if event < place]


def _malformed(event: bytes, how: str) -> bytes:
    lines = event.split(b"\n")
    if not any(line.startswith(b"data:") for line in lines):  # a piece of a body
        half = len(event) // 2
        return event[:half] + b"\0" + event[half:]  # no JSON has that anywhere
    match how:
        case "nameless":
            return b"\n".join(line for line in lines if not line.startswith(b"event:"))
        case "unknown":
            strange = json.dumps({"type": "weather_report", "wind": "calm"}).encode()
            return b"event: weather_report\ndata: " + strange + b"\n\n" + event
        case _:
            return b"\n".join(line[: len(line) // 2] if line.startswith(b"data:") else line for line in lines)


def _steps(stream: Stream, token_at_s: Sequence[float], marks: _Marks) -> Plan:
    """An event without a token comes with the next token, and what comes after the last token comes with that."""
    work_s: list[float] = []
    waits_s: dict[int, float] = {}
    data: list[bytes] = []
    tokens: list[int] = []

    def step(at_s: float, content: bytes, wait_s: float | None = None) -> None:
        if wait_s is not None:
            waits_s[len(work_s)] = wait_s
        work_s.append(at_s)
        data.append(content)
        tokens.append(0)

    carriers = stream.token_events
    token = 0
    for place, event in enumerate(stream.events):
        at_s = token_at_s[min(token, len(carriers) - 1)] if carriers else token_at_s[0]
        wait_s = marks.waits_s.get(place)
        if place in marks.pieces:
            size, pause_s = marks.pieces[place]
            for start in range(0, len(event), size):
                step(at_s, frame(event[start : start + size]), pause_s)
        elif wait_s is None and work_s and work_s[-1] == at_s:
            data[-1] += frame(event)
        else:
            step(at_s, frame(event), wait_s)
        if token < len(carriers) and carriers[token] == place:
            tokens[-1] += 1
            token += 1
    if not work_s:  # cut before its first event
        step(token_at_s[0], b"")
    return Plan(work_s, waits_s, data, tokens, marks.ending)
