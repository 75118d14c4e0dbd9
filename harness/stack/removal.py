"""Removes the containers and the network of one run. Run by the supervisor when a command ends, however it ends:

    python -m windtunnel.harness.stack.removal RUN

Exit code 0 when nothing of the run is left.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import docker
import docker.errors

from windtunnel.harness.stack.engine import connect

LABEL = "windtunnel.run"
"""On every container and network that a run makes; its value names the run."""
LOOKS = 2
"""Empty ones, one after the other: a creation that was under way when the command died may still come through."""
PAUSE_S = 0.2
TIMEOUT_S = 20.0
PARALLEL = 8


def remove(client: docker.DockerClient, run: str) -> bool:
    """Remove all that carries the label, volumes included; whether nothing is left before TIMEOUT_S."""
    wanted = {"label": f"{LABEL}={run}"}
    deadline = time.monotonic() + TIMEOUT_S
    empty = 0
    with ThreadPoolExecutor(PARALLEL) as pool:
        while empty < LOOKS:
            # sparse: one that disappears while they are listed is not looked up
            containers = client.containers.list(all=True, filters=wanted, sparse=True)
            list(pool.map(lambda found: _gone(lambda: found.remove(force=True, v=True)), containers))
            networks = client.networks.list(filters=wanted)
            for network in networks:
                _gone(network.remove)
            empty = 0 if containers or networks else empty + 1
            if time.monotonic() > deadline:
                return False
            if empty < LOOKS:
                time.sleep(PAUSE_S)
    return True


def _gone(remove_one: Callable[[], object]) -> None:
    """Do it; what is gone already, or in use or being removed right now, is looked at again in the next round."""
    with contextlib.suppress(docker.errors.APIError):
        remove_one()


if __name__ == "__main__":
    sys.exit(0 if remove(connect(), sys.argv[1]) else 1)
