"""What calibration has learned, on the terminal. Used by ``calibrate``."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from windtunnel.harness.report import wording
from windtunnel.harness.report.console import console, grid, say, table
from windtunnel.spec.parameters import Estimate, Parameters


def print_parameters(parameters: Parameters, digest: str, file: Path, out: Console | None = None) -> None:
    """Medians per call with their 95 % intervals, processor time per request, and where they come from."""
    out = out or console()
    say(out, (f"Parameters of {parameters.architecture}: medians, and what 95 % of repetitions would give", "bold"))
    calls = table("call")
    for name in ("n", "link ms", "own work ms", "first token ms", "per token ms", "tokens"):
        calls.add_column(name, justify="right")
    for name, call in parameters.calls.items():
        shown = (call.link_ms, call.service_ms, call.first_token_ms, call.token_ms, call.output_tokens)
        calls.add_row(name, str(call.service_ms.n), *map(_estimate, shown))
    out.print(calls)
    if parameters.cpu_ms:
        processor = table("processor")
        processor.add_column("ms per request", justify="right")
        for name, cpu_ms in parameters.cpu_ms.items():
            processor.add_row(name, wording.number(cpu_ms))
        out.print(processor)
    origin = parameters.provenance
    facts = grid()
    facts.add_row("fitted to", ", ".join(origin.runs))
    facts.add_row("measured", f"{origin.measured_at} at {wording.number(origin.rate_per_s)} /s, {origin.backend}")
    facts.add_row("host", f"{origin.host} ({origin.cores} cores)")
    facts.add_row("digest", digest)
    facts.add_row("file", str(file))
    out.print(facts)


def _estimate(found: Estimate | None) -> str:
    if found is None:
        return "-"
    low, middle, high = map(wording.number, (found.median_low, found.distribution.at(0.5), found.median_high))
    return middle if low == high else f"{middle} ({low} to {high})"
