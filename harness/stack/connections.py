"""Who is connected to whom, from /proc/net/tcp and the open files of processes. Used to show that nobody goes around
a proxy. Linux; the processes of other users are seen by root only.

Format: https://www.kernel.org/doc/html/latest/networking/proc_net_tcp.html
"""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from windtunnel.harness.stack.supervisor import descendants, processes

ESTABLISHED, LISTEN = "01", "0A"


@dataclass(frozen=True)
class Connection:
    """One end of an established connection."""

    local: str
    """host:port"""
    remote: str
    inode: int


def outgoing(pid: int) -> tuple[str, ...]:
    """Where a process and its descendants are connected to (host:port); without the connections that they accepted."""
    return outgoing_of_all([pid])[pid]


def outgoing_of_all(pids: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """The same for many processes at once: /proc is read one time, since a measured run cannot spare the processor."""
    running = list(processes())
    table = list(sockets())
    found = {}
    for pid in pids:
        inodes: set[int] = set()
        for process in (pid, *(process.pid for process in descendants(pid, running))):
            inodes |= socket_inodes(process)
        found[pid] = opened((state, connection) for state, connection in table if connection.inode in inodes)
    return found


def outgoing_of_namespace(pid: int) -> tuple[str, ...]:
    """The same for all processes of a process's network namespace: for a container."""
    return opened(sockets(pid))


def opened(own: Iterable[tuple[str, Connection]]) -> tuple[str, ...]:
    """The far ends of established connections whose near end is no port that is listened on."""
    own = list(own)
    listening = {port(connection.local) for state, connection in own if state == LISTEN}
    return tuple(c.remote for state, c in own if state == ESTABLISHED and port(c.local) not in listening)


def socket_inodes(pid: int) -> set[int]:
    """Inodes of the sockets that a process has open; none when it is gone or not ours to see."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                target = os.readlink(entry.path)  # noqa: PTH115 (a Path for each of thousands costs more than the look)
                if target.startswith("socket:["):
                    found.add(int(target[8:-1]))
    return found


def sockets(pid: int | None = None) -> Iterator[tuple[str, Connection]]:
    """State and ends of every TCP socket that listens or is connected, of a process's network namespace, ours by
    default."""
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid or 'self'}/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] in (ESTABLISHED, LISTEN):
                    yield fields[3], Connection(address(fields[1]), address(fields[2]), int(fields[9]))


@functools.lru_cache(maxsize=4096)
def address(hexadecimal: str) -> str:
    """``0100007F:1538`` is 127.0.0.1:5432: 32-bit words in the machine's byte order. IPv4 in IPv6 is shown as IPv4."""
    host, _, number = hexadecimal.partition(":")
    words = [int(host[at : at + 8], 16) for at in range(0, len(host), 8)]
    ip = ipaddress.ip_address(b"".join(word.to_bytes(4, sys.byteorder) for word in words))
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip
    return f"{ip}:{int(number, 16)}"


def port(host_and_port: str) -> int:
    """The port of ``host:port``."""
    return int(host_and_port.rpartition(":")[2])
