"""A page that says it all: one HTML file without anything outside of it. Used by ``demo``, ``run`` and ``report``.

No script, no font, no request: what the page shows, it carries. It follows light and dark, and prints.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from windtunnel.harness.report import alerting, capacity, wording
from windtunnel.harness.report.markup import Html, joined, tag
from windtunnel.harness.report.pair import Judged, Pair
from windtunnel.harness.report.terminal import ERROR_COLUMNS
from windtunnel.harness.report.whole_file import write_whole
from windtunnel.harness.verdict import Comparison, ForecastError, Judgement, Verdict
from windtunnel.sim.answers.bottleneck import BUSY
from windtunnel.sim.answers.forecast import Answer
from windtunnel.sim.answers.keeping_up import HIGH
from windtunnel.sim.answers.uses import Use

SIGNS = {Verdict.PASS: "✓", Verdict.FAIL: "✕", Verdict.INCONCLUSIVE: "?", Verdict.NOT_OBSERVED: "–"}
"""Beside colour and word: a verdict never depends on colour alone."""

FULL_TINT = 0.5
"""The size of an error whose cell has the full tint."""


def write_html(pairs: Sequence[Pair], path: Path) -> Path:
    """Write the page and return its path: whole or not at all. ValueError without pairs."""
    return write_whole(path, page(pairs))


def page(pairs: Sequence[Pair]) -> str:
    """The page as a text. ValueError without pairs."""
    if not pairs:
        raise ValueError("found no runs to report, expected at least one")
    title = pairs[0].scenario.name.replace("_", " ") if len(pairs) == 1 else f"{len(pairs)} questions"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="generator", content=f"windtunnel {pairs[0].runs[0].run.record.version}"),
        tag("title", f"{pairs[0].verdict}: {title} – Windtunnel" if len(pairs) == 1 else f"{title} – Windtunnel"),
        tag("style", Html(files(__package__).joinpath("style.css").read_text(encoding="utf-8"))),
    )
    body = tag(
        "body",
        tag(
            "header",
            tag("p", "Windtunnel", class_="brand"),
            tag("p", "measured and forecast, judged alike", class_="motto"),
            class_="top",
        ),
        _contents(pairs) if len(pairs) > 1 else None,
        tag("main", *(_pair(pair, f"q{index}") for index, pair in enumerate(pairs, 1))),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _contents(pairs: Sequence[Pair]) -> Html:
    rows = [
        tag(
            "tr",
            tag("td", _badge(pair.verdict)),
            tag("td", tag("a", pair.scenario.question, href=f"#q{index}")),
            tag("td", pair.runs[0].run.record.architecture.name),
            tag("td", _typical(pair), class_="number"),
        )
        for index, pair in enumerate(pairs, 1)
    ]
    return tag("nav", _table(("Verdict", "Question", "Architecture", "Forecast's error"), rows), aria_label="Contents")


def _pair(pair: Pair, name: str) -> Html:
    from windtunnel.harness.report.plots import pictures  # only now: matplotlib takes long to import

    scenario, record = pair.scenario, pair.runs[0].run.record
    facts = (
        ("Scenario", scenario.name),
        ("Architecture", f"{record.architecture.name} on {record.deployment.name}"),
        ("Load", wording.load(scenario.load)),
        ("Windows", wording.windows(scenario)),
        ("Faults", wording.faults(scenario)),
        ("Seed", str(scenario.seed)),
    )
    return tag(
        "article",
        tag("div", _badge(pair.verdict, "large"), tag("h1", scenario.question, id=f"{name}-title"), class_="answer"),
        tag(
            "dl",
            *(
                tag("div", tag("dt", key), tag("dd", value.replace(" %", "\N{NO-BREAK SPACE}%")))
                for key, value in facts
            ),
            class_="facts",
        ),
        *(_distrust(judged) for judged in pair.runs if judged.ruling.reasons),
        tag("h2", "Objectives"),
        _objectives(pair),
        _alerts(pair),
        _capacity(pair, pair.answer) if pair.answer else None,
        tag("div", *pictures(pair, name), class_="pictures"),
        _comparison(pair, pair.comparison) if pair.comparison else None,
        _evidence(pair.measured_judged) if pair.measured_judged else None,
        _provenance(pair),
        id=name,
        aria_labelledby=f"{name}-title",
    )


def _distrust(judged: Judged) -> Html:
    return tag(
        "aside",
        tag("strong", f"The {judged.run.record.kind} run cannot be trusted, and decides nothing."),
        tag("ul", *(tag("li", reason) for reason in judged.ruling.reasons)),
    )


def _objectives(pair: Pair) -> Html:
    kinds = [judged.run.record.kind for judged in pair.runs]
    rows = []
    for row in pair.objectives:
        cells = [
            tag("td", row.window),
            tag("td", wording.title(row.metric)),
            tag("td", wording.bound(row.metric, row.bound), class_="bound"),
        ]
        for kind in kinds:
            judgement: Judgement | None = getattr(row, kind)
            if judgement is None:
                cells.append(tag("td"))
                continue
            value = tag("span", wording.amount(row.metric, judgement.value), class_="value")
            reason = tag("span", judgement.reason, class_="reason")
            cells.append(tag("td", tag("div", value, _badge(judgement.verdict), class_="judged"), reason))
        rows.append(tag("tr", *cells))
    return _table(("Window", "Objective", "Bound", *(kind.capitalize() for kind in kinds)), rows)


def _alerts(pair: Pair) -> Html | None:
    found = alerting.told(pair)
    kinds = [judged.run.record.kind.capitalize() for judged in pair.runs]
    rows = [
        tag("tr", tag("td", one.name), tag("td", one.rule), *(tag("td", outcome) for outcome in one.outcomes))
        for one in found
    ]
    return joined(tag("h2", "Alerts"), _table(("Alert", "Rule", *kinds), rows, "alerts")) if rows else None


def _capacity(pair: Pair, answer: Answer) -> Html:
    """The forecast's answer: figures by window, what is in use as bars, what gives way."""
    names = [each.window.name for each in answer.windows]
    figures = [
        tag("tr", tag("th", row.title, scope="row"), *(tag("td", cell, class_=_quiet(cell)) for cell in row.cells))
        for row in capacity.figures(answer)
    ]
    uses = [
        tag("tr", tag("td", name, class_="hop"), tag("td", what), *(tag("td", _bar(use)) for use in found))
        for name, what, found in capacity.used(answer)
    ]
    facts = [tag("div", tag("dt", about), tag("dd", words)) for about, words in capacity.sentences(answer)]
    if pair.replicated:
        counts = ", ".join(f"{n} {verdict}" for verdict, n in Counter(pair.replicated).items())
        facts.append(tag("div", tag("dt", f"{len(pair.replicated)} replications"), tag("dd", counts)))
    return joined(
        tag("h2", "Capacity"),
        tag("dl", *facts, class_="words") if facts else None,
        _table(("", *names), figures, "figures"),
        tag("p", f"{capacity.basis(answer)}.", class_="note"),
        _table(("In use", "of", *names), uses, "uses") if uses else None,
        tag("ul", *(tag("li", doubt) for doubt in capacity.doubts(answer)), class_="note")
        if capacity.doubts(answer)
        else None,
    )


def _quiet(cell: str) -> str:
    return "number saturated" if cell == capacity.SATURATED else "number quiet" if cell == "-" else "number"


def _bar(use: Use | None) -> Html:
    """How full it is; the figure stands beside it, so that nothing depends on the bar."""
    if use is None:
        return tag("span", "-", class_="quiet")
    kind = "full" if use.utilisation >= BUSY else "high" if use.utilisation >= HIGH else "easy"
    inner = tag("span", class_=f"fill {kind}", style=f"width:{min(use.utilisation, 1.0) * 100:.1f}%")
    return tag(
        "div", tag("span", inner, class_="bar", aria_hidden="true"), tag("span", capacity.use(use)), class_="use"
    )


def _comparison(pair: Pair, comparison: Comparison) -> Html:
    cells = {(error.window, error.subject, error.metric): error for error in comparison.errors}
    metrics = [metric for metric in ERROR_COLUMNS if any(key[2] == metric for key in cells)]
    rows = [
        tag(
            "tr",
            tag("td", window),
            tag("td", subject, class_="hop"),
            *(_error(cells.get((window, subject, metric))) for metric in metrics),
            class_="whole" if subject == "total" else None,
        )
        for window, subject in dict.fromkeys((error.window, error.subject) for error in comparison.errors)
    ]
    explained = (
        "(forecast - measured) / measured, for ratios the difference in percentage points. Pale: no larger than the "
        "odd and the even requests of the measured run differ from each other, so that it says nothing against the "
        "model. Below each error: measured, then forecast."
    )
    return joined(
        tag("h2", "Error of the forecast"),
        tag("p", tag("strong", _typical(pair)), " (median over the figures of the requests as a whole)"),
        _table(("Window", "Subject", *(ERROR_COLUMNS[metric] for metric in metrics)), rows, "errors") if rows else None,
        tag("p", explained, class_="note") if rows else None,
        tag("ul", *(tag("li", warning) for warning in comparison.warnings), class_="note")
        if comparison.warnings
        else None,
    )


def _typical(pair: Pair) -> str:
    return f"{pair.typical_error[0] * 100:.1f} %" if pair.typical_error else "–"


def _error(found: ForecastError | None) -> Html:
    if found is None:
        return tag("td", "–", class_="number quiet")
    figures = wording.change(found.metric, found.measured, found.forecast)
    quiet = wording.within_noise(found)
    noise = "" if found.noise is None else f", noise {wording.signed(found.noise, found.relative).lstrip('+')}"
    return tag(
        "td",
        wording.error(found),
        tag("span", figures, class_="reason"),
        class_="number quiet" if quiet else f"number {'over' if found.error > 0 else 'under'}",
        style=None if quiet else f"--size:{min(1.0, abs(found.error) / FULL_TINT):.2f}",
        title=f"{found.n} measured{noise}",
    )


def _evidence(measured: Judged) -> Html | None:
    record = measured.run.record
    rows = [
        tag(
            "tr",
            tag("td", f"fault {injection.fault}"),
            tag("td", f"{injection.injected_at_s:.1f} s to {injection.healed_at_s:.1f} s"),
            tag("td", _mark(look.proven, "proven", "not proven")),
            tag("td", look.what),
        )
        for injection in record.injections
        for look in injection.evidence
    ]
    rows += [
        tag(
            "tr",
            tag("td", f"check: {check.name}"),
            tag("td"),
            tag("td", _mark(check.ok, "ok", "failed")),
            tag("td", check.detail),
        )
        for check in record.checks
    ]
    return joined(tag("h2", "Evidence"), _table(("What", "When", "", "Seen"), rows)) if rows else None


def _provenance(pair: Pair) -> Html:
    rows = []
    for judged in pair.runs:
        record = judged.run.record
        facts = (
            ("replay", tag("code", record.replay)),
            ("run", record.id),
            ("made", record.created_at),
            ("backend", record.backend),
            ("host", record.host or None),
            ("parameters", record.parameters),
            ("windtunnel", record.version),
            ("observes", ", ".join(record.observes)),
            ("digest", tag("code", judged.run.digest()[:16])),
        )
        rows += [
            tag("tr", tag("th", record.kind if first else "", scope="row"), tag("td", key), tag("td", value))
            for first, (key, value) in ((index == 0, fact) for index, fact in enumerate(facts))
            if value is not None
        ]
    return joined(tag("h2", "Where it comes from"), _table((), rows, "provenance"))


def _badge(verdict: Verdict, size: str = "") -> Html:
    kind = verdict.replace(" ", "-")
    return tag(
        "span", tag("span", SIGNS[verdict], aria_hidden="true"), f" {verdict}", class_=f"badge {kind} {size}".strip()
    )


def _mark(good: bool, yes: str, no: str) -> Html:
    sign, verdict, word = (SIGNS[Verdict.PASS], "pass", yes) if good else (SIGNS[Verdict.FAIL], "fail", no)
    return tag("span", tag("span", sign, aria_hidden="true"), f" {word}", class_=f"badge {verdict}")


def _table(columns: Sequence[str], rows: Sequence[Html], kind: str | None = None) -> Html:
    head = tag("thead", tag("tr", *(tag("th", column, scope="col") for column in columns))) if columns else None
    return tag("div", tag("table", head, tag("tbody", *rows), class_=kind), class_="scroll")
