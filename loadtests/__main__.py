"""``python -m windtunnel.loadtests PLAN.json``: one run of the load generator; started by the harness.

Standard output carries JSON lines: ``{"ready": true, "zero_unix_s": ...}`` once, then progress every second.
The plan's output directory gets samples.parquet, promises.parquet and generator.json. SIGTERM and SIGINT end
the run early and still write. Exit codes: 0 written, 1 the run could not begin, 2 a plan that cannot be used.
"""

from __future__ import annotations

import resource
import signal
import sys
from pathlib import Path

import gevent
import locust  # patches the standard library, so it comes before all that opens sockets
from gevent.event import AsyncResult
from locust.env import Environment

from windtunnel.loadtests.generator import Generator, GeneratorError
from windtunnel.loadtests.locustfile import OpenLoopUser
from windtunnel.spec.load_plan import LoadPlan
from windtunnel.spec.problem import SpecError
from windtunnel.spec.reading import read


def main(arguments: list[str]) -> int:
    """Run the plan and return the exit code."""
    if len(arguments) != 1:
        print(f"found {len(arguments)} arguments, expected one: the plan's file", file=sys.stderr)
        return 2
    try:
        plan = read(Path(arguments[0]), LoadPlan)
    except SpecError as error:
        print(error, file=sys.stderr)
        return 2
    # a stalled service holds one connection per request
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    generator = Generator(plan)
    OpenLoopUser.generator = generator
    OpenLoopUser.finished = AsyncResult()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, generator.stop)
    runner = Environment(user_classes=[OpenLoopUser], events=locust.events, host=plan.entry_url).create_local_runner()
    runner.start(1, spawn_rate=1, wait=True)
    try:
        OpenLoopUser.finished.get()
    except GeneratorError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        runner.quit()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
