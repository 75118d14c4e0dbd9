"""How long the compiled engine takes to start: from numba's cache, and compiled for the first time.

    python -m benchmarks.start [--runs 5] [--no-cold] [--json FILE]

Every start is a fresh process that loads the engine and simulates a few requests. Its processor time is the operating
system's account of the whole process, Python's own start included. Python keeps its bytecode, as it does by default:
what a caller has set about that is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
LIMIT_S = 600
FIRST_RUN = """
import time
began_s = time.perf_counter()
from benchmarks.cases import CASES
from benchmarks.windtunnel_engines import compiled_counted
loaded_s = time.perf_counter()
assert compiled_counted(CASES[-1], 100, 1).requests > 0
print(loaded_s - began_s, time.perf_counter() - loaded_s)
"""


@dataclass(frozen=True)
class Start:
    """One process."""

    wall_s: float
    cpu_s: float
    """Of the whole process, user and system."""
    imports_s: float
    """Wall time of the imports within it: numpy, pydantic, pyarrow, numba, ours."""
    first_run_s: float
    """Wall time of the first run within it: compiling or loading the code, and 100 requests."""


def start(environment: Mapping[str, str]) -> Start:
    """A fresh process."""
    kept = {
        key: value
        for key, value in environment.items()
        if key not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")
    }
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began_s = time.perf_counter()
    command = [sys.executable, "-c", FIRST_RUN]
    done = subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, check=True, timeout=LIMIT_S)
    wall_s = time.perf_counter() - began_s
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    imports_s, first_run_s = map(float, done.stdout.split())
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Start(wall_s, cpu_s, imports_s, first_run_s)


def cold() -> Start:
    """With an empty cache, which is thrown away."""
    with tempfile.TemporaryDirectory(prefix="windtunnel-numba-") as cache:
        return start(os.environ | {"NUMBA_CACHE_DIR": cache})


def warm(runs: int) -> list[Start]:
    """From the cache, which a start that does not count has filled."""
    start(os.environ)
    return [start(os.environ) for _ in range(runs)]


def main(arguments: Sequence[str] | None = None) -> int:
    """As of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="warm starts (the median counts)")
    parser.add_argument(
        "--no-cold", action="store_true", help="do not compile with an empty cache, which takes a minute"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures, for programs")
    said = parser.parse_args(arguments)
    starts = {"warm": warm(max(1, said.runs)), "cold": [] if said.no_cold else [cold()]}
    print("| start | processes | wall s | CPU s | of the wall: imports | first run |")
    print("|---|---:|---:|---:|---:|---:|")
    for kind, found in starts.items():
        if found:
            columns = zip(*(asdict(each).values() for each in found), strict=True)
            print(f"| {kind} | {len(found)} | " + " | ".join(f"{median(column):.2f}" for column in columns) + " |")
    if said.json is not None:
        figures = {kind: [asdict(each) for each in found] for kind, found in starts.items()}
        said.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
