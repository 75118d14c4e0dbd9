"""How many streams the mock LLM keeps on time on one core, and how exact the time of each token is.

    python -m benchmarks.mock_llm [--streams 1000,500] [--seconds 12] [--json FILE]

The mock is a process of its own, bound to one core; this process is the load and uses another one where there is one.
Each stream has 20 tokens a second. A token is late by the time between the instant at which it was due, counted from
the instant at which its request was sent, and the instant at which it was read here: the mock's request handling, the
kernel and this client are all in it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import cast
from urllib.parse import urlsplit

import numpy as np
import psutil
import uvloop

TOKENS_PER_S = 20
FIRST_TOKEN_S = 0.2
RAMP_S = 5.0
"""Streams begin within this time, or half of what one lasts if that is less, at instants drawn from a seed."""
START_LIMIT_S = 30
GRACE_S = 15
"""Beyond its due end a run is given up after this."""
MARK = b'"type": "text_delta"'


@dataclass(frozen=True)
class Figures:
    """Of one run; lateness in milliseconds."""

    streams: int
    tokens: int
    missing: int
    due_per_s: float
    delivered_per_s: float
    """Between the end of the ramp and the end of the first stream, when all of them run."""
    late_ms_p50: float
    late_ms_p99: float
    late_ms_p999: float
    late_ms_max: float
    late_ms_p50_at_the_end: float
    """Of the last second: larger than at the beginning, if it falls behind."""
    early_ms_max: float
    mock_cpu_share: float
    """Of its core, while all streams run."""


class Reader(asyncio.Protocol):
    """One stream, from its request to its end."""

    def __init__(self, request: bytes, done: asyncio.Future[None]) -> None:
        self._request = request
        self._done = done
        self._rest = b""
        self.sent_s = 0.0
        self.arrived_s: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one without being derived from it

    def send(self) -> None:
        """Ask."""
        self.sent_s = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now_s = time.perf_counter()
        data = self._rest + data
        count = data.count(MARK)
        if count:
            self.arrived_s += [now_s] * count
            data = data[data.rfind(MARK) + len(MARK) :]
        if data.endswith(b"0\r\n\r\n"):
            self._transport.close()
        self._rest = data[-len(MARK) + 1 :]

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - a Protocol's
        if not self._done.done():
            self._done.set_result(None)


@contextmanager
def mock(streams: int, seconds: float, core: int) -> Iterator[tuple[psutil.Process, str, int]]:
    """The mock as a process on one core, with its address."""
    settings: dict[str, object] = {
        "PORT": 0,
        "COMPONENT": "llm",
        "SEED": 7,
        "SLOTS": streams,
        "FIRST_TOKEN_MS": json.dumps({"kind": "constant", "value": FIRST_TOKEN_S * 1000}),
        "TOKEN_MS": json.dumps({"kind": "constant", "value": 1000 / TOKENS_PER_S}),
        "OUTPUT_TOKENS": json.dumps({"kind": "constant", "value": round(seconds * TOKENS_PER_S)}),
    }
    environment = os.environ | {name: str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "windtunnel.reference_service.mock_llm"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        found = psutil.Process(process.pid)
        found.cpu_affinity([core])
        assert process.stdout is not None
        address = urlsplit(process.stdout.readline().split()[-1])
        assert address.hostname is not None
        assert address.port is not None
        yield found, address.hostname, address.port
    finally:
        process.kill()
        process.wait(START_LIMIT_S)


async def load(
    host: str, port: int, streams: int, seconds: float, process: psutil.Process
) -> tuple[list[Reader], float]:
    """All streams, and the mock's share of its core while all of them ran."""
    loop = asyncio.get_running_loop()
    random = Random(7)
    readers = []
    ends = []
    for number in range(streams):
        done: asyncio.Future[None] = loop.create_future()
        message = {"role": "user", "content": f"question {number}"}
        tokens = round(seconds * TOKENS_PER_S)
        asked = {"model": "claude-haiku-4-5", "max_tokens": tokens, "stream": True, "messages": [message]}
        body = json.dumps(asked).encode()
        head = (
            f"POST /v1/messages HTTP/1.1\r\nhost: {host}\r\nx-api-key: k\r\nanthropic-version: 2023-06-01\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        reader = Reader(head.encode() + body, done)
        await loop.create_connection(lambda made=reader: made, host, port)
        readers.append(reader)
        ends.append(done)
    gc.collect()
    gc.disable()
    ramp_s = min(RAMP_S, seconds / 2)
    began_s = loop.time() + 0.1
    for reader in readers:
        loop.call_at(began_s + random.random() * ramp_s, reader.send)
    await asyncio.sleep(ramp_s + 0.2)
    before, at_s = process.cpu_times(), time.perf_counter()
    await asyncio.sleep(max(0.0, FIRST_TOKEN_S + seconds - ramp_s - 0.2))
    after, passed_s = process.cpu_times(), time.perf_counter() - at_s
    await asyncio.wait(ends, timeout=GRACE_S)
    gc.enable()
    return readers, (after.user + after.system - before.user - before.system) / passed_s


def run(streams: int, seconds: float) -> Figures:
    """One run with so many streams."""
    cores = sorted(os.sched_getaffinity(0))
    with mock(streams, seconds, cores[0]) as (process, host, port):
        os.sched_setaffinity(0, {cores[-1]})
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                readers, share = runner.run(load(host, port, streams, seconds, process))
        finally:
            os.sched_setaffinity(0, set(cores))
    late_ms, arrived_s = [], []
    for reader in readers:
        found = np.asarray(reader.arrived_s)
        due_s = reader.sent_s + FIRST_TOKEN_S + np.arange(len(found)) / TOKENS_PER_S
        late_ms.append((found - due_s) * 1000)
        arrived_s.append(found)
    late, arrived = np.concatenate(late_ms), np.concatenate(arrived_s)
    sent = [reader.sent_s for reader in readers]
    all_from_s, all_until_s = max(sent) + FIRST_TOKEN_S, min(sent) + FIRST_TOKEN_S + seconds - 1 / TOKENS_PER_S
    within = (arrived >= all_from_s) & (arrived < all_until_s)
    expected = streams * round(seconds * TOKENS_PER_S)
    p50, p99, p999 = np.percentile(late, [50, 99, 99.9])
    return Figures(
        streams=streams,
        tokens=len(late),
        missing=expected - len(late),
        due_per_s=float(streams * TOKENS_PER_S),
        delivered_per_s=float(within.sum() / (all_until_s - all_from_s)),
        late_ms_p50=float(p50),
        late_ms_p99=float(p99),
        late_ms_p999=float(p999),
        late_ms_max=float(late.max()),
        late_ms_p50_at_the_end=float(np.median(late[arrived > arrived.max() - 1])),
        early_ms_max=float(max(0.0, -late.min())),
        mock_cpu_share=share,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """As of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mock_llm", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--streams", default="1000,500", help="at once; several runs, by commas")
    parser.add_argument("--seconds", type=float, default=12, help="how long each stream lasts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures, for programs")
    said = parser.parse_args(arguments)
    found = []
    print(
        "| streams | tokens/s due | delivered | missing | late ms p50 | p99 | p99.9 | max | p50 in the last s | CPU |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for streams in (int(word) for word in said.streams.split(",")):
        each = run(streams, said.seconds)
        found.append(each)
        late = (each.late_ms_p50, each.late_ms_p99, each.late_ms_p999, each.late_ms_max, each.late_ms_p50_at_the_end)
        print(
            f"| {each.streams:,} | {each.due_per_s:,.0f} | {each.delivered_per_s:,.0f} | {each.missing:,} | "
            + " | ".join(f"{value:.2f}" for value in late)
            + f" | {each.mock_cpu_share:.0%} |"
        )
    if said.json is not None:
        said.json.write_text(json.dumps([asdict(each) for each in found], indent=1) + "\n", encoding="utf-8")
    return 0 if not any(each.missing for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
