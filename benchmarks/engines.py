"""Requests per second of processor time: ours, plain SimPy and Ciw, in one process and taking turns.

    python -m benchmarks.engines [--rounds 5] [--share 1] [--case "M/M/8"] [--tool compiled] [--json FILE]

A round asks every tool about the same case, one after the other, so that a machine whose speed drifts is as fast for
all of them; ratios are taken within rounds. That all give the same mean is checked; exit code 1: they do not.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module, metadata
from pathlib import Path
from statistics import median
from typing import Literal

import numba
import simpy

from benchmarks import plain_simpy, windtunnel_engines
from benchmarks.cases import CASES, Answer, Case
from windtunnel.sim.answers.interval import Interval, replications

CONFIDENCE = 0.999
"""Of the check: a false alarm once in some fifty runs of the whole table."""
WARM_UP_SHARE = 0.01
"""Of a round, before the first: what is compiled or loaded at first use does not count."""

WIDEST = 0.2
"""Half-width over mean of an interval that still says something."""

Verdict = Literal["the same", "DIFFERENT", "not sure enough"]


@dataclass(frozen=True)
class Tool:
    """Something that simulates a case."""

    name: str
    simulate: Callable[[Case, int, int], Answer]
    """(case, requests, seed)."""
    requests: tuple[int, ...]
    """Per round, by case: about two seconds each."""


@dataclass(frozen=True)
class Line:
    """A tool's figures on a case, from all rounds."""

    case: str
    tool: str
    requests: int
    """Per round."""
    per_s: float
    """Requests per second of processor time: the median of the rounds."""
    per_s_low: float
    per_s_high: float
    ratio: float
    """To plain SimPy in the same round: the median of the rounds."""
    ratio_low: float
    ratio_high: float
    mean_ms: float
    """From arrival to end."""
    mean_half_width_ms: float
    """Of the interval of that mean (CONFIDENCE), from the spread between parts of rounds."""
    truth_ms: float
    """The exact mean, or, where there is no closed form, plain SimPy's."""
    verdict: Verdict


def tools() -> tuple[Tool, ...]:
    """All that are installed; SimPy, the yardstick, first."""
    found = [
        Tool("SimPy", plain_simpy.simulate, (200_000, 180_000, 60_000, 45_000)),
        Tool("compiled", windtunnel_engines.compiled_counted, (5_000_000, 5_000_000, 2_000_000, 1_500_000)),
        Tool(
            "compiled, with samples", windtunnel_engines.compiled_sampled, (5_000_000, 5_000_000, 2_000_000, 1_500_000)
        ),
        Tool("reference", windtunnel_engines.readable, (25_000, 25_000, 5_000, 4_000)),
    ]
    try:
        ciw = import_module("benchmarks.plain_ciw").simulate
    except ImportError:
        print("Ciw is not installed and left out; `uv sync --group benchmarks` brings it", file=sys.stderr)
    else:
        found.insert(1, Tool("Ciw", ciw, (120_000, 80_000, 25_000, 15_000)))
    return tuple(found)


def compare(case: Case, of: Sequence[Tool], rounds: int, share: float) -> list[Line]:
    """All tools on one case, in turns. ``share``: of the requests that a round usually has."""
    number = CASES.index(case)
    asked = [max(20, int(tool.requests[number] * share)) for tool in of]
    for tool, requests in zip(of, asked, strict=True):
        tool.simulate(case, max(20, int(requests * WARM_UP_SHARE)), 0)
    per_s: list[list[float]] = [[] for _ in of]
    means_ms: list[list[float]] = [[] for _ in of]
    for seed in range(1, rounds + 1):
        for place, tool in enumerate(of):
            print(f"{case.name}: round {seed} of {rounds}, {tool.name}", file=sys.stderr)
            answer, cpu_s = _timed(tool, case, asked[place], seed)
            per_s[place].append(answer.requests / cpu_s)
            means_ms[place].extend(answer.means_ms)
    means = [replications(values, CONFIDENCE) for values in means_ms]
    truth = Interval(case.mean_ms, 0.0, 1, CONFIDENCE, "exact") if case.mean_ms is not None else means[0]
    return [
        _line(case, tool.name, asked[place], per_s[place], per_s[0], means[place], truth)
        for place, tool in enumerate(of)
    ]


def _timed(tool: Tool, case: Case, requests: int, seed: int) -> tuple[Answer, float]:
    """The answer, and its processor time; what other tools have left in memory is not searched for garbage in it."""
    gc.collect()
    gc.freeze()
    try:
        began_s = time.process_time()
        answer = tool.simulate(case, requests, seed)
        return answer, time.process_time() - began_s
    finally:
        gc.unfreeze()


def _line(
    case: Case,
    tool: str,
    requests: int,
    per_s: list[float],
    yardstick_per_s: list[float],
    mean: Interval,
    truth: Interval,
) -> Line:
    ratios = [mine / theirs for mine, theirs in zip(per_s, yardstick_per_s, strict=True)]
    return Line(
        case=case.name,
        tool=tool,
        requests=requests,
        per_s=median(per_s),
        per_s_low=min(per_s),
        per_s_high=max(per_s),
        ratio=median(ratios),
        ratio_low=min(ratios),
        ratio_high=max(ratios),
        mean_ms=mean.mean,
        mean_half_width_ms=mean.half_width,
        truth_ms=truth.mean,
        verdict=verdict(mean, truth),
    )


def verdict(mean: Interval, truth: Interval) -> Verdict:
    """Whether a tool's mean is the true one, as far as both are known."""
    if abs(mean.mean - truth.mean) > mean.half_width + truth.half_width:
        return "DIFFERENT"
    return "the same" if max(mean.relative_half_width, truth.relative_half_width) <= WIDEST else "not sure enough"


def markdown(lines: Sequence[Line]) -> str:
    """The table."""
    rows = [
        "| case | tool | requests/s of CPU time | times SimPy | mean ms | against |",
        "|---|---|---:|---:|---:|---|",
    ]
    for line in lines:
        rows.append(
            f"| {line.case} | {line.tool} | {_thousands(line.per_s)} "
            f"| {line.ratio:.3g} ({line.ratio_low:.3g} to {line.ratio_high:.3g}) "
            f"| {line.mean_ms:.2f} ± {line.mean_half_width_ms:.2f} | {line.truth_ms:.2f}: {line.verdict} |"
        )
    return "\n".join(rows)


def _thousands(per_s: float) -> str:
    return f"{per_s / 1e6:.2f}M" if per_s >= 1e6 else f"{per_s / 1e3:.1f}k"


def versions() -> dict[str, str]:
    """Of what was compared."""
    found = {"python": platform.python_version(), "simpy": str(simpy.__version__), "numba": str(numba.__version__)}
    try:
        found["ciw"] = metadata.version("ciw")
    except metadata.PackageNotFoundError:
        found["ciw"] = "not installed"
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """As of the command line. 1 where two tools do not give the same mean."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often every tool's turn comes (at least 2)")
    parser.add_argument("--share", type=float, default=1.0, help="of the usual requests, which take about 2 s a round")
    parser.add_argument("--case", action="append", choices=[case.name for case in CASES], help="this one (repeatable)")
    parser.add_argument("--tool", action="append", metavar="NAME", help="beside SimPy only this one (repeatable)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures, for programs")
    said = parser.parse_args(arguments)
    if said.rounds < 2:
        parser.error(f"--rounds: found {said.rounds}, expected at least 2, whose spread is looked at")
    available = tools()
    unknown = set(said.tool or ()) - {tool.name for tool in available}
    if unknown:
        parser.error(f"--tool: found {sorted(unknown)}, expected some of {[tool.name for tool in available]}")
    chosen = [tool for tool in available if tool is available[0] or said.tool is None or tool.name in said.tool]
    lines = [
        line
        for case in CASES
        if said.case is None or case.name in said.case
        for line in compare(case, chosen, said.rounds, said.share)
    ]
    print(markdown(lines))
    if said.json is not None:
        figures = {"versions": versions(), "rounds": said.rounds, "lines": [asdict(line) for line in lines]}
        said.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 1 if any(line.verdict == "DIFFERENT" for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
