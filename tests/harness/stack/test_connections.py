from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import ExitStack

from windtunnel.harness.stack.connections import address, outgoing, outgoing_of_namespace

TALK = """
import os, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
out = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
if os.fork() == 0:
    also = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    print("ready", listener.getsockname()[1], flush=True)
    sys.stdin.read()
    os._exit(0)
sys.stdin.read()
os.wait()
"""


def test_addresses_are_read_in_the_machines_byte_order() -> None:
    if sys.byteorder == "little":
        assert address("0100007F:1538") == "127.0.0.1:5432"
        assert address("0000000000000000FFFF00000100007F:0050") == "127.0.0.1:80"
        assert address("00000000000000000000000001000000:0050") == "::1:80"
    else:
        assert address("7F000001:1538") == "127.0.0.1:5432"


def test_outgoing_connections_of_a_process_and_its_children_are_seen_and_accepted_ones_are_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as open_later:
        where = f"127.0.0.1:{server.getsockname()[1]}"
        argv = [sys.executable, "-c", TALK, where.rpartition(":")[2]]
        talker = open_later.enter_context(
            subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
        assert talker.stdout
        own_port = int(talker.stdout.readline().split()[1])
        with socket.create_connection(("127.0.0.1", own_port)):
            assert outgoing(talker.pid) == (where, where)
            assert where in outgoing_of_namespace(talker.pid)
            assert f"127.0.0.1:{own_port}" in outgoing(os.getpid())
        talker.communicate()
        assert outgoing(talker.pid) == ()
