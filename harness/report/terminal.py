"""A pair on the terminal: question, objectives, evidence, the forecast's error. Used by the commands."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.table import Table
from rich.text import Text

from windtunnel.harness.report import alerting, capacity, wording
from windtunnel.harness.report.console import console, grid, say, table
from windtunnel.harness.report.pair import Judged, Pair
from windtunnel.harness.verdict import Comparison, ForecastError, Judgement, Verdict
from windtunnel.sim.answers.forecast import Answer

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


def print_pair(pair: Pair, out: Console | None = None) -> None:
    """Print what a scenario's runs have answered, on standard output unless told otherwise."""
    out = out or console()
    scenario, record = pair.scenario, pair.runs[0].run.record
    say(out, _verdict(pair.verdict), "  ", (scenario.question, "bold"))
    head = grid()
    head.add_row("scenario", f"{scenario.name} on {record.architecture.name}, {record.deployment.name}")
    head.add_row("load", f"{wording.load(scenario.load)}; seed {scenario.seed}")
    head.add_row("windows", wording.windows(scenario))
    head.add_row("faults", wording.faults(scenario))
    out.print(head)
    out.print()
    out.print(_objectives(pair))
    for judged in pair.runs:
        _doubts(judged, out)
    if pair.measured_judged:
        _evidence(pair.measured_judged, out)
    _alerts(pair, out)
    if pair.answer:
        _capacity(pair, pair.answer, out)
    if pair.comparison:
        _comparison(pair, pair.comparison, out)
    foot = grid()
    for judged in pair.runs:
        foot.add_row(judged.run.record.kind, f"{judged.run.record.id} ({judged.run.record.backend})")
        foot.add_row("digest", judged.run.digest())
        foot.add_row("replay", judged.run.record.replay)
    out.print()
    out.print(foot)


def _objectives(pair: Pair) -> Table:
    rows = table("window", "objective", "bound")
    kinds = [judged.run.record.kind for judged in pair.runs]
    for kind in kinds:
        rows.add_column(kind, justify="right")
        rows.add_column("")
    for row in pair.objectives:
        cells: list[str | Text] = [row.window, wording.title(row.metric), wording.bound(row.metric, row.bound)]
        for kind in kinds:
            judgement: Judgement | None = getattr(row, kind)
            value = judgement.value if judgement else None
            cells += [wording.amount(row.metric, value), _verdict(judgement.verdict) if judgement else ""]
        rows.add_row(*cells)
    return rows


def _doubts(judged: Judged, out: Console) -> None:
    """Why a run's objectives are not passed, and why the run cannot be trusted."""
    kind = judged.run.record.kind
    open_questions = [one for one in judged.ruling.judgements if one.verdict is not Verdict.PASS]
    if judged.ruling.reasons:
        say(out, (f"The {kind} run cannot be trusted, and decides nothing:", "yellow"))
        for reason in judged.ruling.reasons:
            say(out, f"  - {reason}")
    if open_questions:
        say(out, (f"{kind}, in words:", "bold"))
        for one in open_questions:
            say(out, f"  {one.window}, {wording.title(one.metric)}: {one.verdict}: {one.reason}")


def _evidence(measured: Judged, out: Console) -> None:
    record = measured.run.record
    rows = table("evidence", "", "")
    for injection in record.injections:
        when = f"{injection.injected_at_s:.1f} s to {injection.healed_at_s:.1f} s"
        for look in injection.evidence:
            proof = Text("proven", "green") if look.proven else Text("NOT PROVEN", "bold red")
            rows.add_row(f"fault {injection.fault}, {when}", proof, look.what)
    for check in record.checks:
        rows.add_row(
            f"check {check.name}",
            Text("ok", "green") if check.ok else Text("FAILED", "bold red"),
            check.detail,
        )
    if rows.rows:
        out.print()
        out.print(rows)


def _alerts(pair: Pair, out: Console) -> None:
    if found := alerting.told(pair):
        rows = table("alert", "rule", *(judged.run.record.kind for judged in pair.runs))
        for one in found:
            rows.add_row(one.name, one.rule, *one.outcomes)
        out.print()
        out.print(rows)


def _capacity(pair: Pair, answer: Answer, out: Console) -> None:
    """The forecast's answer, by window."""
    names = [each.window.name for each in answer.windows]
    figures = table("capacity")
    for name in names:
        figures.add_column(name, justify="right")
    for row in capacity.figures(answer):
        figures.add_row(row.title, *(_cell(cell) for cell in row.cells))
    out.print()
    out.print(figures)
    say(out, (capacity.basis(answer), "dim"))
    uses = table("in use", "of")
    for name in names:
        uses.add_column(name, justify="right")
    for name, what, found in capacity.used(answer):
        if all(use is None or use.utilisation < capacity.HARDLY for use in found):
            continue
        uses.add_row(name, what, *(capacity.use(use) for use in found))
    if uses.rows:
        out.print()
        out.print(uses)
    for about, words in capacity.sentences(answer):
        say(out, (f"{about}: ", "bold"), words)
    for doubt in capacity.doubts(answer):
        say(out, ("careful: ", "yellow"), doubt)
    if pair.replicated:
        counts = ", ".join(f"{n} {verdict}" for verdict, n in Counter(pair.replicated).items())
        say(out, (f"{len(pair.replicated)} replications: ", "bold"), f"{counts}; above is the first of the worst")


def _cell(text: str) -> Text:
    return Text(text, "bold red" if text == capacity.SATURATED else "dim" if text == "-" else "")


def _comparison(pair: Pair, comparison: Comparison, out: Console) -> None:
    out.print()
    if typical := pair.typical_error:
        size, n = typical
        note = f" (median over {n} figures of the requests as a whole); ~ is within the measurement's own noise"
        say(out, (f"Error of the forecast: {size * 100:.1f} %", "bold"), note)
    cells = {(error.window, error.subject, error.metric): error for error in comparison.errors}
    metrics = [metric for metric in ERROR_COLUMNS if any(key[2] == metric for key in cells)]
    rows = table("window", "subject")
    for metric in metrics:
        rows.add_column(ERROR_COLUMNS[metric], justify="right")
    for window, subject in dict.fromkeys((error.window, error.subject) for error in comparison.errors):
        rows.add_row(window, subject, *(_error(cells.get((window, subject, metric))) for metric in metrics))
    if cells:
        out.print(rows)
    few = [warning for warning in comparison.warnings if warning.startswith("too few samples")]
    for warning in comparison.warnings:
        if warning not in few:
            say(out, ("warning: ", "yellow"), warning)
    if few:
        say(out, "- has too few samples for that figure; the page and --json name each")


def _error(found: ForecastError | None) -> Text:
    if found is None:
        return Text("-", "dim")
    quiet = wording.within_noise(found)
    return Text(f"{'~' if quiet else ''}{wording.error(found)}", "dim" if quiet else "")


def _verdict(verdict: Verdict) -> Text:
    return Text(verdict.upper(), COLOURS[verdict])
