"""Canaries against the real servers, without a proxy between."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Literal

import pytest

from windtunnel.chaos.canary import MOST_BYTES, Probe, Protocol, exchange, look

PROTOCOLS: tuple[Protocol, ...] = ("http", "postgres", "redis")


@pytest.fixture
def server(request: pytest.FixtureRequest, protocol: Protocol) -> str:
    address: str = request.getfixturevalue(f"{protocol}_server")
    return address


@pytest.mark.parametrize("protocol", PROTOCOLS)
class TestOnEveryProtocol:
    def test_the_smallest_exchange(self, server: str, protocol: Protocol) -> None:
        seen = exchange(server, protocol, Probe())
        assert seen.end == "answered"
        assert seen.connect_ms is not None
        assert seen.first_byte_ms is not None
        assert 0 < seen.connect_ms <= seen.first_byte_ms <= seen.end_ms < 3000
        assert {"http": 100, "postgres": 1, "redis": 7}[protocol] <= seen.received_bytes < 300
        assert seen.closed_ms is None

    def test_many_bytes_come_back(self, server: str, protocol: Protocol) -> None:
        for wanted in (500, MOST_BYTES[protocol]):
            seen = exchange(server, protocol, Probe(answer_bytes=wanted))
            assert seen.end == "answered", wanted
            assert seen.received_bytes >= wanted

    def test_many_bytes_are_sent(self, server: str, protocol: Protocol) -> None:
        for wanted in (500, MOST_BYTES[protocol]):
            seen = exchange(server, protocol, Probe(request_bytes=wanted))
            assert seen.end == "answered", wanted
            assert seen.sent_bytes >= wanted

    @pytest.mark.parametrize("closing", ["callee", "caller"])
    def test_closing(self, server: str, protocol: Protocol, closing: Literal["callee", "caller"]) -> None:
        seen = exchange(server, protocol, Probe(closing=closing))
        assert seen.end == "answered"
        assert seen.closed_ms is not None
        assert 0 <= seen.closed_ms < 1000


def test_http_answers_are_asked_for_until_they_are_enough(http_server: str) -> None:
    one = exchange(http_server, "http", Probe(answer_bytes=1))
    assert 3000 <= one.received_bytes < 3300
    ten = exchange(http_server, "http", Probe(answer_bytes=9 * one.received_bytes + 1))
    assert ten.received_bytes == 10 * one.received_bytes
    assert ten.sent_bytes == 10 * one.sent_bytes


def test_refused() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        seen = exchange(f"127.0.0.1:{unused.getsockname()[1]}", "redis", Probe())
    assert seen.end == "refused"
    assert seen.connect_ms is None


def test_unreachable() -> None:
    assert exchange("no-such-host.invalid:1", "redis", Probe()).end == "unreachable"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener


def address_of(listener: socket.socket) -> str:
    return f"127.0.0.1:{listener.getsockname()[1]}"


def test_silence_is_a_timeout(listener: socket.socket) -> None:
    seen = exchange(address_of(listener), "redis", Probe(patience_ms=100))
    assert seen.end == "timeout"
    assert 95 <= seen.end_ms < 1000
    assert seen.received_bytes == 0


@pytest.mark.parametrize(("linger_s", "end"), [(None, "closed"), (0, "reset")])
def test_an_answer_in_halves(listener: socket.socket, linger_s: int | None, end: str) -> None:
    def hang_up() -> None:
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(100) == b"PING\r\n"
            if linger_s is None:
                connection.sendall(b"+PO")
            else:  # closing with SO_LINGER 0 sends a reset
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    thread = threading.Thread(target=hang_up)
    thread.start()
    seen = exchange(address_of(listener), "redis", Probe())
    thread.join()
    assert seen.end == end
    assert seen.received_bytes == (3 if linger_s is None else 0)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=1\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length:2\r\n\r\nok",
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ],
)
def test_http_answers_are_whole_at_their_last_byte(listener: socket.socket, answer: bytes) -> None:
    gone = threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        with connection:
            for index in range(len(answer)):
                connection.sendall(answer[index : index + 1])
            gone.wait(5)

    thread = threading.Thread(target=drip)
    thread.start()
    seen = exchange(address_of(listener), "http", Probe())
    gone.set()
    thread.join()
    assert seen.end == "answered"
    assert seen.received_bytes == len(answer)


def test_a_look_waits_for_all_at_once(listener: socket.socket) -> None:
    sights = look([(address_of(listener), "redis")] * 3, Probe(patience_ms=200, count=4))
    assert [len(sight.exchanges) for sight in sights] == [4, 4, 4]
    assert all(exchange.end == "timeout" for sight in sights for exchange in sight.exchanges)
    assert max(exchange.end_ms for sight in sights for exchange in sight.exchanges) < 1000
