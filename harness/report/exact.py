"""An exact answer on the terminal and as data. Used by ``simulate --analytic``."""

from __future__ import annotations

from dataclasses import asdict

from rich.console import Console

from windtunnel.harness.report import wording
from windtunnel.harness.report.console import console, grid, say, table
from windtunnel.sim.analytic.demand import Saturated
from windtunnel.sim.answers.exact import Exact
from windtunnel.spec.scenario import Scenario


def print_exact(scenario: Scenario, found: Exact | Saturated, out: Console | None = None) -> None:
    """Print it, on standard output unless told otherwise."""
    out = out or console()
    if isinstance(found, Saturated):
        say(out, ("SATURATED", "bold red"), "  ", (scenario.question, "bold"))
        say(out, f"there is no steady state: {found}")
        return
    say(out, ("EXACT", "green"), "  ", (scenario.question, "bold"))
    head = grid()
    head.add_row("scenario", f"{scenario.name}, {wording.load(scenario.load)}")
    head.add_row("model", found.kind)
    head.add_row("throughput", wording.amount("throughput_per_s", found.throughput_per_s))
    if found.lost_ratio:
        head.add_row("failed", wording.amount("error_ratio", found.lost_ratio))
    head.add_row("mean latency", _exactly(found.mean_ms))
    if len(found.mean_ms_by_flow) > 1:
        for flow, mean_ms in found.mean_ms_by_flow.items():
            head.add_row(f"  {flow}", _exactly(mean_ms))
    for share, value_ms in found.quantiles_ms.items():
        head.add_row(f"p{share * 100:g}", _exactly(value_ms))
    out.print(head)
    rows = table("station")
    for name in ("servers", "in use", "waiting", "mean time"):
        rows.add_column(name, justify="right")
    for each in found.stations:
        limited = each.servers is not None
        rows.add_row(
            each.name,
            f"{each.servers}" if limited else "any number",
            wording.amount("_ratio", each.utilisation) if limited else "-",
            wording.number(each.waiting) if limited else "-",
            _exactly(each.mean_ms),
        )
    out.print()
    out.print(rows)
    say(out, (f"taken for granted: {'; '.join(found.assumptions)}", "dim"))


def exact_as_data(scenario: Scenario, found: Exact | Saturated) -> dict[str, object]:
    """Plain data for ``json.dumps``."""
    if isinstance(found, Saturated):
        return {"scenario": scenario.name, "saturated": str(found), "exact": None}
    quantiles_ms = {f"p{share * 100:g}": value_ms for share, value_ms in found.quantiles_ms.items()}
    return {"scenario": scenario.name, "saturated": None, "exact": asdict(found) | {"quantiles_ms": quantiles_ms}}


def _exactly(value_ms: float) -> str:
    """Six significant figures: they are all true."""
    return f"{value_ms:.6g} ms"
