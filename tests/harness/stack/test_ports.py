from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

from windtunnel.harness.stack.ports import BLOCK, LOOPBACK, Ports, is_free, quiet_blocks

TAKE = """
import json, sys
from windtunnel.harness.stack.ports import Ports
with Ports() as ports:
    print(json.dumps([ports.take() for _ in range(40)]), flush=True)
    sys.stdin.read()
"""


def test_stacks_that_start_at_once_get_different_ports() -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", TAKE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    taken = [port for process in started for port in json.loads(process.stdout.readline())]  # type: ignore[union-attr]
    for process in started:
        process.communicate()
    assert len(set(taken)) == len(taken) == 160


def test_ports_are_outside_the_range_of_outgoing_connections() -> None:
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    with Ports() as ports:
        taken = [ports.take() for _ in range(2 * BLOCK)]
    outside = [port for port in taken if port < low or port > high]
    assert outside == taken or len(quiet_blocks()) * BLOCK > high - low  # a kernel that leaves no room


def test_a_port_that_somebody_listens_on_is_passed_over() -> None:
    with Ports() as ports:
        first = ports.take()
        busy = first + 1
        with socket.create_server((LOOPBACK, busy)):
            assert not is_free(busy)
            assert ports.take() != busy
        assert is_free(busy)


def test_closed_blocks_can_be_claimed_again() -> None:
    ports = Ports()
    ports.take()
    claim = ports._claims[0].getsockname()
    ports.close()
    ports.close()
    with socket.socket(socket.AF_UNIX) as again:
        again.bind(claim)
