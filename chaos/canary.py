"""One timed exchange on a fresh connection: what a caller behind a proxy would see right now. Used by ``inject``.

The smallest exchange of each protocol that needs no account and changes nothing:

http      GET /healthz
postgres  SSLRequest, answered by one byte (PostgreSQL manual, "Message Flow", "SSL Session Encryption")
redis     PING

and, where a fault shows only on more bytes, one whose size is ours to choose:

http      GET /openapi.json, which may be large, as often as it takes on one connection (RFC 9112, 9.3.2);
          upstream a header pads the request
postgres  a start-up packet with unknown ``_pq_.`` options, whose names NegotiateProtocolVersion repeats
          (PostgreSQL manual, "Message Formats"); it names no user, so the server ends the connection by itself
redis     ECHO
"""

from __future__ import annotations

import re
import socket
import struct
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

Protocol = Literal["http", "postgres", "redis"]
End = Literal["answered", "refused", "reset", "closed", "timeout", "unreachable"]

HTTP_PAD_BYTES = 4000
"""The longest header; servers take 8 kB and more in all."""
HTTP_MOST_REQUESTS = 100
"""On one connection, not to be a load of its own."""
MOST_BYTES: dict[Protocol, int] = {"http": 100_000, "postgres": 9000, "redis": 1_000_000}
"""The largest exchange to ask for. PostgreSQL takes start-up packets of at most 10,000 bytes. What comes back
over HTTP is less where the answers are so short that HTTP_MOST_REQUESTS of them do not reach it."""


@dataclass(frozen=True)
class Probe:
    """What is asked of a canary."""

    request_bytes: int = 0
    """Send at least so many."""
    answer_bytes: int = 0
    """Have at least so many come back, if the callee has so many to give."""
    closing: Literal["callee", "caller"] | None = None
    """Who closes the connection after the answer, so that the time until its end can be seen."""
    patience_ms: float = 3000
    """How long one exchange may take, connecting and closing included."""
    count: int = 3
    """Exchanges at the same time, each on a connection of its own."""


@dataclass(frozen=True)
class CannotShow:
    """No canary shows this fault on this protocol: it is never proven there, and this is why."""

    reason: str


@dataclass(frozen=True)
class Exchange:
    """What one canary saw. Times from the start of connecting."""

    end: End
    """answered: the whole answer came; closed: the connection ended before; unreachable: another error."""
    connect_ms: float | None = None
    first_byte_ms: float | None = None
    end_ms: float = 0
    """When the answer was whole, or when whatever else ended it happened."""
    closed_ms: float | None = None
    """From the wish to close until the end of the stream; None: not asked for, or it did not come in time."""
    sent_bytes: int = 0
    received_bytes: int = 0
    """Of the answer."""
    pieces: int = 0
    """In how many pieces the answer came: TCP segments where the kernel counts them (Linux), else reads."""

    @property
    def waited_ms(self) -> float:
        """Until the first byte, or in vain."""
        return self.end_ms if self.first_byte_ms is None else self.first_byte_ms

    def __str__(self) -> str:
        """``answered in 0.4 ms (1 byte)``."""
        size = f"{self.received_bytes} byte{'' if self.received_bytes == 1 else 's'}"
        match self.end:
            case "answered":
                return f"answered in {self.end_ms:.1f} ms ({size})"
            case "timeout":
                return f"no end of the answer within {self.end_ms:.0f} ms ({size})"
            case end:
                return f"{end} after {self.end_ms:.1f} ms ({size})"


@dataclass(frozen=True)
class Sight:
    """The exchanges of one look through one proxy."""

    exchanges: tuple[Exchange, ...]
    patience_ms: float
    """How long each would have waited."""

    @property
    def answered(self) -> bool:
        """Every one had its whole answer."""
        return all(exchange.end == "answered" for exchange in self.exchanges)

    def __str__(self) -> str:
        """The slowest of them, and how they ended where they differ."""
        ends = sorted({exchange.end for exchange in self.exchanges})
        slowest = max(self.exchanges, key=lambda exchange: exchange.end_ms)
        return str(slowest) if len(ends) == 1 else f"{', '.join(ends)}; the slowest {slowest}"


@dataclass(frozen=True)
class _Talk:
    request: bytes
    proceed: Callable[[bytearray], bytes | None]
    """Given all that came so far: what to send next, nothing (b"") to go on reading, None when it is whole."""
    goodbye: bytes = b""
    """Has the callee close the connection, where the request does not say so already."""


def look(addresses: list[tuple[str, Protocol]], probe: Probe) -> list[Sight]:
    """Canaries to each host:port, all at the same time; takes ``probe.patience_ms`` and no longer (a bit more)."""
    with ThreadPoolExecutor(max_workers=min(64, len(addresses) * probe.count)) as pool:
        asked = [
            [pool.submit(exchange, address, protocol, probe) for _ in range(probe.count)]
            for address, protocol in addresses
        ]
        return [Sight(tuple(future.result() for future in futures), probe.patience_ms) for futures in asked]


def exchange(address: str, protocol: Protocol, probe: Probe) -> Exchange:
    """One exchange with host:port. Whatever happens to the connection is an answer, never an exception."""
    talk = _TALKS[protocol](address, probe)
    host, _, port = address.rpartition(":")
    watch = _Watch(probe.patience_ms)
    try:
        connection = socket.create_connection((host.strip("[]"), int(port)), timeout=watch.left_s())
    except OSError as error:
        return Exchange(_end(error, connected=False), end_ms=watch.ms())
    with connection:
        return _converse(connection, talk, probe, watch)


def _converse(connection: socket.socket, talk: _Talk, probe: Probe, watch: _Watch) -> Exchange:
    connect_ms = watch.ms()
    first_byte_ms: float | None = None
    answer = bytearray()
    reads = sent_bytes = 0
    end: End = "answered"
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        say: bytes | None = talk.request
        while say is not None:
            if say:
                connection.settimeout(watch.left_s())
                connection.sendall(say)
                sent_bytes += len(say)
            connection.settimeout(watch.left_s())
            piece = connection.recv(65536)
            if not piece:
                end = "closed"
                break
            first_byte_ms = first_byte_ms or watch.ms()
            answer += piece
            reads += 1
            say = talk.proceed(answer)
    except OSError as error:
        end = _end(error, connected=True)
    end_ms = watch.ms()
    pieces = _segments(connection) or reads
    closed_ms = _until_closed(connection, talk, probe, watch) if end == "answered" and probe.closing else None
    return Exchange(end, connect_ms, first_byte_ms, end_ms, closed_ms, sent_bytes, len(answer), pieces)


def _until_closed(connection: socket.socket, talk: _Talk, probe: Probe, watch: _Watch) -> float | None:
    """Milliseconds from asking to close until the end of the stream; None: not in time."""
    asked_ms = watch.ms()
    try:
        if probe.closing == "caller":
            connection.shutdown(socket.SHUT_WR)
        elif talk.goodbye:
            connection.settimeout(watch.left_s())
            connection.sendall(talk.goodbye)
        while True:
            connection.settimeout(watch.left_s())
            if not connection.recv(65536):
                return watch.ms() - asked_ms
    except TimeoutError:
        return None
    except OSError:  # closed with a reset is closed
        return watch.ms() - asked_ms


class _Watch:
    """The time since its making, and what is left of it."""

    def __init__(self, patience_ms: float) -> None:
        self._start_s = time.monotonic()
        self._patience_s = patience_ms / 1000

    def ms(self) -> float:
        return (time.monotonic() - self._start_s) * 1000

    def left_s(self) -> float:
        """At least a millisecond, for a socket takes 0 as "do not wait"."""
        return max(0.001, self._start_s + self._patience_s - time.monotonic())


def _end(error: OSError, *, connected: bool) -> End:
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if connected and isinstance(error, ConnectionError):
        return "reset"
    return "unreachable"


_TCP_INFO_DATA_SEGS_IN = 152
"""Offset of tcpi_data_segs_in in struct tcp_info (include/uapi/linux/tcp.h, since 4.6)."""


def _segments(connection: socket.socket) -> int:
    """Segments with data that came in on this connection; 0 where the kernel does not count them."""
    if sys.platform != "linux":
        return 0
    end = _TCP_INFO_DATA_SEGS_IN + 4
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, end)
    except OSError:
        return 0
    return int.from_bytes(info[_TCP_INFO_DATA_SEGS_IN:end], sys.byteorder) if len(info) == end else 0


def _until(whole: Callable[[bytearray], bool]) -> Callable[[bytearray], bytes | None]:
    """Say nothing more, and listen until the answer is whole."""
    return lambda answer: None if whole(answer) else b""


def _http(address: str, probe: Probe) -> _Talk:
    asked = max(1, -(-probe.request_bytes // HTTP_PAD_BYTES))
    path = "/openapi.json" if probe.answer_bytes else "/healthz"
    pad = f"X-Canary: {'.' * -(-probe.request_bytes // asked)}\r\n" if probe.request_bytes else ""
    last = "Connection: close\r\n" if probe.closing == "callee" else ""
    ask = f"GET {path} HTTP/1.1\r\nHost: {address}\r\n{pad}{last}\r\n".encode()

    def proceed(answer: bytearray) -> bytes | None:
        nonlocal asked
        if not _http_whole(answer, asked):
            return b""
        missing = -(-(probe.answer_bytes - len(answer)) * asked // len(answer))  # answers, each as long as so far
        more = min(missing, HTTP_MOST_REQUESTS - asked)
        if more <= 0:
            return None
        asked += more
        return ask * more

    return _Talk(ask * asked, proceed)


def _http_whole(data: bytearray, wanted: int) -> bool:
    """Whether so many answers are there, by RFC 9112, 6.3: chunked, or by length, else without a body."""
    at = 0
    for _ in range(wanted):
        head_end = data.find(b"\r\n\r\n", at)
        if head_end < 0:
            return False
        head = data[at:head_end].lower()
        at = head_end + 4
        if re.search(rb"\ntransfer-encoding:[^\r]*chunked", head):
            size = 1
            while size:
                line_end = data.find(b"\r\n", at)
                if line_end < 0:
                    return False
                size = int(data[at:line_end].partition(b";")[0], 16)
                at = line_end + 2 + size + 2
        elif length := re.search(rb"\ncontent-length: *(\d+)", head):
            at += int(length[1])
    return at <= len(data)


def _postgres(_: str, probe: Probe) -> _Talk:
    size = max(probe.request_bytes, probe.answer_bytes)
    if not size:
        # The goodbye is a CancelRequest for no process: the server ends the connection without a word.
        return _Talk(struct.pack("!ii", 8, 80877103), _until(bool), struct.pack("!iiii", 16, 80877102, 0, 0))
    body = struct.pack("!i", 196608) + b"_pq_." + b"x" * size + b"\0\0\0"
    return _Talk(struct.pack("!i", len(body) + 4) + body, _until(_postgres_whole))


def _postgres_whole(data: bytearray) -> bool:
    """Whether the first message is there: a type, then its length, itself included."""
    return len(data) >= 5 and len(data) >= 1 + int(struct.unpack("!i", data[1:5])[0])


def _redis(_: str, probe: Probe) -> _Talk:
    size = max(probe.request_bytes, probe.answer_bytes)
    request = b"*2\r\n$4\r\nECHO\r\n$%d\r\n%s\r\n" % (size, b"x" * size) if size else b"PING\r\n"
    return _Talk(request, _until(_redis_whole), b"QUIT\r\n")


def _redis_whole(data: bytearray) -> bool:
    """Whether one reply is there: a line, or a bulk string after its length."""
    line_end = data.find(b"\r\n")
    if line_end < 0 or data[:1] != b"$":
        return line_end >= 0
    return len(data) >= line_end + 2 + int(data[1:line_end]) + 2


_TALKS: dict[Protocol, Callable[[str, Probe], _Talk]] = {"http": _http, "postgres": _postgres, "redis": _redis}
