"""One hour of 10,000 requests/s through the whole built-in ``scale``: seconds on one core, and memory.

    python -m benchmarks.hour [--requests 36000000] [--json FILE]

Architecture and parameters are the built-in ones, the deployment is scale.cluster.yaml beside this file. What the run
answers is counted in sketches; the time series is read twice a second of the simulated hour. The engine is compiled
beforehand, in a process of its own, so that neither time nor memory of that counts.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.start import start
from windtunnel.sim.compiled import Compiled
from windtunnel.sim.compiler import compile_model
from windtunnel.sim.model import Model
from windtunnel.spec.architecture import LLM, Architecture
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.load import Schedule
from windtunnel.spec.parameters import Parameters
from windtunnel.spec.reading import read
from windtunnel.spec.run import SERIES
from windtunnel.spec.scenario import Scenario

HERE = Path(__file__).parent
SERVICE = HERE.parent / "reference_service"
RATE_PER_S = 10_000
KIBIBYTES_IN_MEGABYTE = 1e6 / 1024


@dataclass(frozen=True)
class Hour:
    """What it took, and enough of the answer to see that it is one."""

    requests: int
    cpu_s: float
    """Of the run: from the model to its answers."""
    wall_s: float
    model_s: float
    """Processor time of reading and compiling the drawing, before that."""
    peak_mb: float
    """Of the whole process, resident."""
    ok_ratio: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    utilisation_highest: dict[str, float]
    """Of each component's cores, and of the LLM's slots: the highest mean of a minute (of the run, where shorter)."""


def scenario(requests: int) -> Scenario:
    """The mix and the popularity of the built-in scenarios, with more questions."""
    return Scenario.model_validate(
        {
            "question": "What does an hour of 10,000 requests a second take to simulate?",
            "architecture": "scale",
            "seed": 7,
            "load": {
                "rate_per_s": RATE_PER_S,
                "flows": {"chat": 0.8, "history": 0.2},
                "prompts": {"distinct": 1_000_000, "zipf": 0.6},
            },
            "windows": {"warm_up_s": 0, "during_s": requests / RATE_PER_S},
            "objectives": {"during": {"latency_ms_p99": {"max": 1500}}},
        }
    )


def architecture() -> Architecture:
    """The built-in one."""
    return read(SERVICE / "architectures" / "scale.yaml", Architecture)


def deployment() -> Deployment:
    """Large enough."""
    return read(HERE / "scale.cluster.yaml", Deployment)


def compiled_model(requests: int) -> Model:
    """All that an engine needs."""
    parameters = read(SERVICE / "parameters" / "scale.json", Parameters)
    return compile_model(scenario(requests), architecture(), deployment(), parameters)


def simulate(requests: int) -> Hour:
    """So many requests, or an hour of them."""
    began_cpu_s = time.process_time()
    model = compiled_model(requests)
    model_s = time.process_time() - began_cpu_s
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    windows = ((0.0, model.duration_s),)
    run = Compiled(replace(model, arrivals=lambda: _told(model, requests)), samples=False, spans=False, windows=windows)
    run.run()
    counted = run.counted()
    cpu_s, wall_s = time.process_time() - began_cpu_s, time.perf_counter() - began_s
    answers, successes = counted.subjects[0, "answers"].sketch, counted.subjects[0, "successes"].sketch
    return Hour(
        requests=answers.total,
        cpu_s=cpu_s,
        wall_s=wall_s,
        model_s=model_s,
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIBIBYTES_IN_MEGABYTE,
        ok_ratio=successes.total / answers.total,
        p50_ms=successes.quantile(0.5),
        p99_ms=successes.quantile(0.99),
        p999_ms=successes.quantile(0.999),
        utilisation_highest=_utilisation(run, architecture(), deployment()),
    )


def _told(model: Model, requests: int) -> Iterator[Schedule]:
    """The model's arrivals; how far it has come is told on standard error, at each hundredth."""
    done, told, began_s = 0, 0, time.perf_counter()
    for piece in model.arrivals():
        yield piece
        done += len(piece)
        percent = min(100, 100 * done // requests)
        if percent > told:
            told = percent
            print(
                f"\r{percent:3d} %  {done:,} requests, {time.perf_counter() - began_s:.0f} s", end="", file=sys.stderr
            )
    print(file=sys.stderr)


def _utilisation(run: Compiled, drawn: Architecture, placed: Deployment) -> dict[str, float]:
    """By component: cores used, of its replicas' (a database's: of its host's), and slots in use."""
    table = run.observation.table(SERIES)
    minutes: defaultdict[tuple[str, str], defaultdict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    rows = zip(*(table[name].to_pylist() for name in ("name", "component", "at_s", "value")), strict=True)
    for name, component, at_s, value in rows:
        if name in ("cpu_share", "in_use") and component in drawn.components:
            minutes[component, name][int(at_s // 60)].append(value)
    found = {}
    for (component, name), values in sorted(minutes.items()):
        part, replicas = drawn.components[component], placed.replicas(component)
        if name == "cpu_share":
            there = placed.hosts[placed.host(component)].cores if part.kind == "database" else replicas
            found[f"{component} cores"] = max(sum(each) / len(each) for each in values.values()) / there
        elif isinstance(part, LLM):
            there = replicas * part.slots
            found[f"{component} slots"] = max(sum(each) / len(each) for each in values.values()) / there
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """As of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hour", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--requests", type=int, default=3600 * RATE_PER_S, help="fewer of them, at the same rate")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures, for programs")
    said = parser.parse_args(arguments)
    start(os.environ)
    hour = simulate(said.requests)
    print(
        f"{hour.requests:,} requests: {hour.cpu_s:.1f} s of CPU time ({hour.wall_s:.1f} s), peak {hour.peak_mb:.0f} MB"
    )
    print(f"ok {hour.ok_ratio:.4%}; p50 {hour.p50_ms:.0f}, p99 {hour.p99_ms:.0f}, p99.9 {hour.p999_ms:.0f} ms")
    print("busiest minute: " + ", ".join(f"{what} {share:.2f}" for what, share in hour.utilisation_highest.items()))
    if said.json is not None:
        said.json.write_text(json.dumps(asdict(hour), indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
