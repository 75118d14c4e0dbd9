"""Free TCP ports on 127.0.0.1 that two stacks started at once do not both take. Used by both backends.

A stack claims blocks of ports, outside the range from which the kernel takes the local ports of outgoing connections:
a proxy that is down for a while finds its port free when it comes back. The claim is a bound socket in the abstract
namespace, which has the scope of the ports (the network namespace) and is gone with its process.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from pathlib import Path

from windtunnel.harness.stack.errors import Missing

LOOPBACK = "127.0.0.1"
BLOCK = 32
LOWEST, HIGHEST = 10240, 65535


class Ports:
    """Hands out free ports until it is closed; a context manager."""

    def __init__(self) -> None:
        """Claim nothing yet."""
        self._claims: list[socket.socket] = []
        self._free: Iterator[int] = iter(())

    def take(self) -> int:
        """A port that nobody listens on and no other stack is given. Missing when there is none left."""
        while True:
            for port in self._free:
                if is_free(port):
                    return port
            self._free = iter(self._claim())

    def close(self) -> None:
        """Give the blocks back. Twice is once."""
        for claim in self._claims:
            claim.close()
        self._claims.clear()

    def __enter__(self) -> Ports:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _claim(self) -> range:
        blocks = quiet_blocks()
        random.shuffle(blocks)  # system entropy: two stacks with one seed must not meet
        for block in blocks:
            claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                claim.bind(f"\0windtunnel-ports-{block.start}")
            except OSError:
                claim.close()
                continue
            self._claims.append(claim)
            return block
        raise Missing(f"found no free block of {BLOCK} ports on {LOOPBACK}: all are claimed by running stacks")


def quiet_blocks() -> list[range]:
    """The blocks outside the kernel's range for outgoing connections; all blocks where it leaves too few."""
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split())
    blocks = [range(start, start + BLOCK) for start in range(LOWEST, HIGHEST - BLOCK, BLOCK)]
    quiet = [block for block in blocks if block.stop <= low or block.start > high]
    return quiet if len(quiet) >= 8 else blocks


def is_free(port: int) -> bool:
    """Whether nobody listens on it. A connection that is only just closed does not count, as for the servers."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
