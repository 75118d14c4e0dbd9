"""A finding on the terminal: colours where somebody looks, plain aligned text where it is piped. Used by the commands.

Colours follow rich: none when the output is no terminal or NO_COLOR is set.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from windtunnel.harness.report import wording
from windtunnel.harness.report.finding import Finding, Judged
from windtunnel.harness.verdict import Comparison, ForecastError, Judgement, Verdict

PIPED_COLUMNS = 200
"""Wide enough that no row of a table is broken where no terminal sets a width."""

COLOURS = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.INCONCLUSIVE: "yellow", Verdict.NOT_OBSERVED: "dim"}

ERROR_COLUMNS = {
    "latency_ms_p50": "p50",
    "latency_ms_p90": "p90",
    "latency_ms_p95": "p95",
    "latency_ms_p99": "p99",
    "latency_ms_mean": "mean",
    "first_token_ms_p50": "first p50",
    "first_token_ms_p90": "first p90",
    "throughput_per_s": "per s",
    "error_ratio": "errors",
    "timeout_ratio": "time-outs",
}


def console(stream: TextIO | None = None) -> Console:
    """A console for reports on a stream (standard output unless told otherwise)."""
    stream = stream or sys.stdout
    return Console(
        file=stream, width=None if stream.isatty() else PIPED_COLUMNS, highlight=False, emoji=False, soft_wrap=False
    )


def show(findings: Sequence[Finding], out: Console | None = None) -> None:
    """Print findings one after the other."""
    out = out or console()
    for index, finding in enumerate(findings):
        if index:
            out.print()
        _show(finding, out)


def _show(finding: Finding, out: Console) -> None:
    scenario, record = finding.scenario, finding.runs[0].run.record
    _say(out, _verdict(finding.verdict), "  ", (scenario.question, "bold"))
    head = _grid()
    head.add_row("scenario", f"{scenario.name} on {record.architecture.name}, {record.deployment.name}")
    head.add_row("load", f"{wording.load(scenario.load)}; seed {scenario.seed}")
    head.add_row("windows", wording.windows(scenario))
    head.add_row("faults", wording.faults(scenario))
    out.print(head)
    out.print()
    out.print(_objectives(finding))
    for judged in finding.runs:
        _doubts(judged, out)
    if finding.measured:
        _evidence(finding.measured, out)
    if finding.comparison:
        _comparison(finding, finding.comparison, out)
    foot = _grid()
    for judged in finding.runs:
        foot.add_row(judged.run.record.kind, f"{judged.run.record.id} ({judged.run.record.backend})")
        foot.add_row("replay", judged.run.record.replay)
    out.print()
    out.print(foot)


def _objectives(finding: Finding) -> Table:
    table = _table("window", "objective", "bound")
    kinds = [judged.run.record.kind for judged in finding.runs]
    for kind in kinds:
        table.add_column(kind, justify="right")
        table.add_column("")
    for row in finding.objectives:
        cells: list[str | Text] = [row.window, wording.title(row.metric), wording.bound(row.metric, row.bound)]
        for kind in kinds:
            judgement: Judgement | None = getattr(row, kind)
            value = judgement.value if judgement else None
            cells += [wording.amount(row.metric, value), _verdict(judgement.verdict) if judgement else ""]
        table.add_row(*map(_text, cells))
    return table


def _doubts(judged: Judged, out: Console) -> None:
    """Why a run's objectives are not passed, and why the run cannot be trusted."""
    kind = judged.run.record.kind
    open_questions = [one for one in judged.ruling.judgements if one.verdict is not Verdict.PASS]
    if judged.ruling.reasons:
        _say(out, (f"The {kind} run cannot be trusted, and decides nothing:", "yellow"))
        for reason in judged.ruling.reasons:
            _say(out, f"  - {reason}")
    if open_questions:
        _say(out, (f"{kind}, in words:", "bold"))
        for one in open_questions:
            _say(out, f"  {one.window}, {wording.title(one.metric)}: {one.verdict}: {one.reason}")


def _evidence(measured: Judged, out: Console) -> None:
    record = measured.run.record
    table = _table("evidence", "", "")
    for injection in record.injections:
        when = f"{injection.injected_at_s:.1f} s to {injection.healed_at_s:.1f} s"
        for look in injection.evidence:
            proof = Text("proven", "green") if look.proven else Text("NOT PROVEN", "bold red")
            table.add_row(Text(f"fault {injection.fault}, {when}"), proof, Text(look.what))
    for check in record.checks:
        table.add_row(
            Text(f"check {check.name}"),
            Text("ok", "green") if check.ok else Text("FAILED", "bold red"),
            Text(check.detail),
        )
    if table.rows:
        out.print()
        out.print(table)


def _comparison(finding: Finding, comparison: Comparison, out: Console) -> None:
    out.print()
    if typical := finding.typical_error:
        size, n = typical
        note = f" (median over {n} figures of the requests as a whole); ~ is within the measurement's own noise"
        _say(out, (f"Error of the forecast: {size * 100:.1f} %", "bold"), note)
    cells = {(error.window, error.subject, error.metric): error for error in comparison.errors}
    metrics = [metric for metric in ERROR_COLUMNS if any(key[2] == metric for key in cells)]
    table = _table("window", "subject")
    for metric in metrics:
        table.add_column(ERROR_COLUMNS[metric], justify="right")
    for window, subject in dict.fromkeys((error.window, error.subject) for error in comparison.errors):
        table.add_row(window, subject, *(_error(cells.get((window, subject, metric))) for metric in metrics))
    if cells:
        out.print(table)
    for warning in comparison.warnings:
        _say(out, ("warning: ", "yellow"), warning)


def _error(found: ForecastError | None) -> Text:
    if found is None:
        return Text("-", "dim")
    quiet = wording.within_noise(found)
    return Text(f"{'~' if quiet else ''}{wording.error(found)}", "dim" if quiet else "")


def _say(out: Console, *parts: str | Text | tuple[str, str]) -> None:
    """A sentence on a line of its own, however long: a terminal breaks it, a file keeps it whole."""
    out.print(Text.assemble(*parts), soft_wrap=True)


def _verdict(verdict: Verdict) -> Text:
    return Text(verdict.upper(), COLOURS[verdict])


def _text(cell: str | Text) -> Text:
    """Never markup: a question may hold square brackets."""
    return cell if isinstance(cell, Text) else Text(cell)


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name)
    return table


def _grid() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column()
    return table
