"""The pictures of a pair, as SVG that stands inside a page. Used by html.

Drawn by matplotlib, whose global state stays as it was. Colours are the page's own CSS variables, so that a
picture follows light and dark; text stays text; ids are made unique by a prefix.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator, PercentFormatter
from numpy.typing import NDArray

from windtunnel.harness.measures import Calls, figure, hops, requests
from windtunnel.harness.report import wording
from windtunnel.harness.report.markup import Html, tag
from windtunnel.harness.report.pair import Pair
from windtunnel.sim.answers.forecast import Answer
from windtunnel.sim.answers.readings import Readings
from windtunnel.spec.run import Run
from windtunnel.spec.scenario import Window

MOST_DOTS = 2500
"""Dots per run and outcome; more add bytes, and nothing that an eye could see."""
TOO_NARROW = 0.08
"""Share of the axis of time below which a window is drawn without its name."""
SHORTEST_MS = 0.001
"""What took less is drawn there: a logarithm has no place for 0."""
WIDE = (11.0, 3.7)
HALF = (5.4, 3.3)

CSS = {
    "#010101": "--ink",
    "#020202": "--muted",
    "#030303": "--line",
    "#040404": "--measured",
    "#050505": "--forecast",
    "#060606": "--fault",
    "#070707": "--paper",
    **{f"#0800{index:02x}": f"--part-{index}" for index in range(1, 8)},
}
"""What matplotlib is given for a colour, and the variable that the page puts in its place."""
INK, MUTED, LINE, MEASURED, FORECAST, FAULT, PAPER, *PARTS = CSS

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 8.5,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.handlelength": 1.6,
    "path.simplify": False,  # dots are strokes without a length, which simplification would take out
}
MACHINE = "host"
"""What series call the machine as a whole, beside its components."""
COLOUR = {"measured": MEASURED, "forecast": FORECAST}

Floats = NDArray[np.float64]


def pictures(pair: Pair, prefix: str) -> tuple[Html, ...]:
    """Every picture that the pair's runs have the columns for. ``prefix`` makes their ids unique in the page."""
    each_request = any("samples" in judged.run.record.observes for judged in pair.runs)
    drawn = [latency(pair, f"{prefix}-latency"), errors(pair, f"{prefix}-errors")] if each_request else []
    if any("cpu_share" in judged.run.series["name"].unique().to_pylist() for judged in pair.runs):
        drawn.append(processor(pair, f"{prefix}-cpu"))
    if pair.answer is not None and (places := _places(pair.answer)):
        drawn.append(occupancy(pair, places, f"{prefix}-occupancy"))
    if each_request:
        drawn.append(distribution(pair, f"{prefix}-distribution"))
    if any("spans" in judged.run.record.observes for judged in pair.runs):
        drawn.append(per_hop(pair, f"{prefix}-hops"))
    return tuple(drawn)


def latency(pair: Pair, name: str) -> Html:
    """Each request at its intended start, failures as crosses; running median and p90 of those that succeeded."""
    with mpl.rc_context(STYLE):
        picture = Figure(figsize=WIDE, layout="constrained")
        axes = picture.subplots()
        words = []
        for kind, _, calls in _whole(pair):
            colour = COLOUR[kind]
            good, bad = calls.where(calls.succeeded), calls.where(~calls.succeeded)
            _dots(axes, good.at_s, _drawable(good.answer_ms), colour)
            crosses = _at_most(len(bad))
            axes.plot(
                bad.at_s[crosses],
                _drawable(bad.answer_ms[crosses]),
                "x",
                color=colour,
                ms=3.6,
                mew=0.9,
                alpha=0.8,
                zorder=3,
            )
            at_s, p50, p90 = _running(good)
            axes.plot(at_s, _drawable(p50), color=colour, lw=1.9, zorder=4, label=f"{kind} p50")
            axes.plot(at_s, _drawable(p90), color=colour, lw=1.4, ls=(0, (4, 1.6)), zorder=4, label=f"{kind} p90")
            middle = wording.amount("latency_ms_p50", figure("latency_ms_p50", calls).value)
            words.append(f"{kind}: {len(calls):,} requests, {len(bad):,} failed, median latency {middle}")
        axes.plot([], [], "x", color=MUTED, ms=4, label="failed, when it was told")
        axes.set_yscale("log")
        axes.set_ylim(top=axes.get_ylim()[1] * 1.5)  # room for the windows' names
        _milliseconds(axes.yaxis)
        _time(axes, pair)
        axes.set_ylabel("time to the answer")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=5, borderaxespad=0.2, columnspacing=1.4)
    return _svg(picture, name, "Latency over time", "; ".join(words), wide=True)


def errors(pair: Pair, name: str) -> Html:
    """Share of the requests due in each second that failed."""
    with mpl.rc_context(STYLE):
        picture = Figure(figsize=HALF, layout="constrained")
        axes = picture.subplots()
        words = []
        edges = np.linspace(0, pair.scenario.windows.total_s, _steps(pair) + 1)
        for kind, _, calls in _whole(pair):
            due, _ = np.histogram(calls.at_s, edges)
            failed, _ = np.histogram(calls.at_s[~calls.succeeded], edges)
            share = np.divide(failed, due, out=np.full(len(due), np.nan), where=due > 0)
            axes.stairs(share, edges, color=COLOUR[kind], lw=1.6, label=kind, baseline=None)
            if kind == "measured":
                axes.stairs(np.nan_to_num(share), edges, color=COLOUR[kind], alpha=0.15, fill=True)
            words.append(f"{kind}: {wording.amount('error_ratio', figure('error_ratio', calls).value)} of all failed")
        axes.set_ylim(-0.02, 1.02)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        _time(axes, pair)
        axes.set_ylabel("requests that failed")
        _legend(axes)
    return _svg(picture, name, "Errors over time", "; ".join(words))


def distribution(pair: Pair, name: str) -> Html:
    """Per window: the share of the successful requests that took no longer than that."""
    windows = pair.windows
    with mpl.rc_context(STYLE):
        picture = Figure(figsize=(WIDE[0], 3.1), layout="constrained")
        row = picture.subplots(1, len(windows), sharey=True, squeeze=False)[0]
        words = []
        for axes, window in zip(row, windows, strict=True):
            for kind, calls in _in_window(pair, window):
                values = _drawable(np.sort(calls.values("latency_ms")))
                if len(values):
                    chosen = np.unique(np.linspace(0, len(values) - 1, 300).astype(int))
                    axes.step(
                        values[chosen], (chosen + 1) / len(values), where="post", color=COLOUR[kind], lw=1.7, label=kind
                    )
                spread = ", ".join(
                    f"{metric[-3:]} {wording.amount(metric, figure(metric, calls).value)}"
                    for metric in ("latency_ms_p50", "latency_ms_p90", "latency_ms_p95")
                )
                words.append(f"{window.name}, {kind}: {spread}")
            if not axes.lines:
                axes.text(0.5, 0.5, "no request succeeded", transform=axes.transAxes, ha="center", color=MUTED)
            axes.set_title(window.name, color=INK, loc="left", fontsize=9.5)
            axes.set_xscale("log")
            _milliseconds(axes.xaxis)
            axes.set_ylim(0, 1.02)
        row[0].yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        row[0].set_ylabel("requests that took no longer")
        _legend_for_all(picture, row)
    return _svg(picture, name, "Distribution of latency", "; ".join(words), wide=True)


def _drawable(values_ms: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(values_ms, SHORTEST_MS)


def per_hop(pair: Pair, name: str) -> Html:
    """Per window and hop: a bar from the median to p95 of its successful calls."""
    windows = pair.windows
    subjects: dict[str, None] = {"total": None}
    values: dict[tuple[str, str, str], tuple[float, float]] = {}
    for window in windows:
        for judged in pair.runs:
            whole = {"total": requests(judged.run, window)}
            for hop, calls in (whole | hops(judged.run, window)).items():
                subjects.setdefault(hop)
                p50, p95 = (figure(metric, calls).value for metric in ("latency_ms_p50", "latency_ms_p95"))
                if p50 is not None and p95 is not None:
                    values[window.name, hop, judged.run.record.kind] = (p50, p95)
    names = list(subjects)
    with mpl.rc_context(STYLE):
        picture = Figure(figsize=(WIDE[0], 1.1 + 0.42 * len(names)), layout="constrained")
        row = picture.subplots(1, len(windows), sharey=True, squeeze=False)[0]
        for axes, window in zip(row, windows, strict=True):
            for kind, colour, shift in (("measured", MEASURED, -0.16), ("forecast", FORECAST, 0.16)):
                found = [
                    (at, values[key]) for at, hop in enumerate(names) if (key := (window.name, hop, kind)) in values
                ]
                if not found:
                    continue
                place = np.array([at for at, _ in found]) + shift
                p50, p95 = _drawable(np.array([pair for _, pair in found])).T
                axes.hlines(place, p50, p95, color=colour, lw=5, alpha=0.45)
                axes.plot(p50, place, "o", color=colour, ms=5.5, label=kind)
                axes.plot(p95, place, "|", color=colour, ms=9, mew=1.8)
            axes.set_title(window.name, color=INK, loc="left", fontsize=9.5)
            axes.set_xscale("log")
            _milliseconds(axes.xaxis)
            axes.grid(visible=False, axis="y")
        row[0].set_yticks(range(len(names)), names, color=INK)
        row[0].set_ylim(len(names) - 0.5, -0.5)
        _legend_for_all(picture, row)
    words = [
        f"{window}, {hop}, {kind}: p50 {wording.number(p50)} ms, p95 {wording.number(p95)} ms"
        for (window, hop, kind), (p50, p95) in values.items()
    ]
    return _svg(picture, name, "Where the time goes: p50 (dot) to p95 (bar's end) per hop", "; ".join(words), wide=True)


def processor(pair: Pair, name: str) -> Html:
    """Cores in use over time: of the whole machine, and below on a scale of its own, by component."""
    tables = {
        judged.run.record.kind: judged.run.series.filter(np.asarray(judged.run.series["name"]) == "cpu_share")
        for judged in pair.runs
    }
    known = {part for table in tables.values() for part in table["component"].unique().to_pylist()}
    rows = [group for group in (sorted(known & {MACHINE}), sorted(known - {MACHINE})) if group]
    with mpl.rc_context(STYLE):
        picture = Figure(figsize=HALF, layout="constrained")
        panels = picture.subplots(len(rows), 1, sharex=True, squeeze=False, height_ratios=range(1, len(rows) + 1))
        words = []
        for axes, parts in zip(panels[:, 0], rows, strict=True):
            for index, part in enumerate(parts):
                colour = MUTED if part == MACHINE else PARTS[index % len(PARTS)]
                for kind, table in tables.items():
                    chosen = table.filter(np.asarray(table["component"]) == part).sort_by("at_s")
                    if not len(chosen):
                        continue
                    cores = chosen["value"].to_numpy()
                    style = "-" if kind == "measured" else (0, (4, 1.6))
                    times, smooth = _averages(pair, chosen["at_s"].to_numpy(), cores)
                    axes.plot(times, smooth, ls=style, lw=1.5, color=colour)
                    words.append(f"{part}, {kind}: {wording.number(float(cores.mean()))} cores on average")
                axes.plot([], [], color=colour, lw=1.5, label="whole machine" if part == MACHINE else part)
            axes.set_ylim(0, axes.get_ylim()[1] * 1.15)
            _time(axes, pair, named=axes is panels[0, 0])
            axes.set_xlabel("seconds after the run's zero" if axes is panels[-1, 0] else "")
        panels[-1, 0].set_ylabel("cores in use")
        handles = [handle for axes in panels[:, 0] for handle in axes.get_legend_handles_labels()[0]]
        picture.legend(handles=handles, loc="outside upper left", ncols=4, columnspacing=1.2)
    both = " (forecast dashed)" if len(tables) > 1 else ""
    return _svg(picture, name, f"Processor{both}", "; ".join(words))


def occupancy(pair: Pair, places: dict[str, float], name: str) -> Html:
    """Of a forecast: which share of the places is taken over time, and how many requests wait for one.

    ``places``: how many there are, by component or link.
    """
    assert pair.forecast is not None, "an answer is a forecast's"
    readings, whole = Readings(pair.forecast.series), Window("all", 0.0, pair.scenario.windows.total_s)
    with mpl.rc_context(STYLE):
        picture = Figure(figsize=(WIDE[0], 2.9), layout="constrained")
        shares, queues = picture.subplots(1, 2)
        words = []
        for index, (part, capacity) in enumerate(places.items()):
            colour = PARTS[index % len(PARTS)]
            at_s, taken = readings.looks("in_use", part, whole)
            shares.plot(*_averages(pair, at_s, taken / capacity), lw=1.5, color=colour, label=part)
            at_s, waiting = readings.looks("queue", part, whole)
            queues.plot(*_averages(pair, at_s, waiting), lw=1.5, color=colour)
            words.append(
                f"{part}: {taken.mean() / capacity:.0%} taken, {wording.number(waiting.mean())} wait on average"
            )
        shares.set_ylim(-0.02, 1.02)
        shares.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        shares.set_ylabel("places taken")
        queues.set_ylim(0, max(1.0, queues.get_ylim()[1]))
        queues.set_ylabel("requests waiting")
        _time(shares, pair)
        _time(queues, pair)
        picture.legend(loc="outside upper left", ncols=7, columnspacing=1.2)
    return _svg(picture, name, "Places and lines", "; ".join(words), wide=True)


def _places(answer: Answer) -> dict[str, float]:
    """How many places and connections there are, of what was used at all, the most used first."""
    most: dict[str, tuple[float, float]] = {}
    for use in (use for window in answer.windows for use in window.uses if use.kind in ("slots", "connections")):
        if use.busy > 0:
            most[use.name] = max(most.get(use.name, (0.0, 0.0)), (use.utilisation, use.capacity))
    return {name: most[name][1] for name in sorted(most, key=lambda name: -most[name][0])[: len(PARTS)]}


def _whole(pair: Pair) -> list[tuple[str, Run, Calls]]:
    everything = Window("all", 0.0, pair.scenario.windows.total_s)
    return [(judged.run.record.kind, judged.run, requests(judged.run, everything)) for judged in pair.runs]


def _in_window(pair: Pair, window: Window) -> list[tuple[str, Calls]]:
    return [(judged.run.record.kind, requests(judged.run, window)) for judged in pair.runs]


def _at_most(n: int) -> NDArray[np.int64]:
    """Evenly spread places among n, MOST_DOTS of them."""
    return np.unique(np.linspace(0, n - 1, min(n, MOST_DOTS)).astype(np.int64)) if n else np.zeros(0, np.int64)


def _dots(axes: Axes, x: Floats, y: Floats, colour: str) -> None:
    """Round-capped strokes without a length: one path for all of them, a fifth of the bytes of markers."""
    chosen = _at_most(len(x))
    gap = np.full(len(chosen), np.nan)
    axes.plot(
        np.column_stack([x[chosen], x[chosen], gap]).ravel(),
        np.column_stack([y[chosen], y[chosen], gap]).ravel(),
        color=colour,
        lw=2.6,
        alpha=0.35,
        solid_capstyle="round",
        zorder=2,
    )


def _running(calls: Calls) -> tuple[Floats, Floats, Floats]:
    """Times, and the median and p90 of the calls that started within about 25 requests' time around each."""
    order = np.argsort(calls.at_s, kind="stable")
    at_s, answer_ms = calls.at_s[order], calls.answer_ms[order]
    reach_s = max(0.5, 12.5 * calls.seconds / max(len(calls), 1))
    times = np.arange(0, calls.seconds + 1e-9, max(reach_s / 3, calls.seconds / 400))
    first, last = np.searchsorted(at_s, times - reach_s), np.searchsorted(at_s, times + reach_s)
    p50, p90 = (
        np.array(
            [np.quantile(answer_ms[a:b], share) if b - a >= 8 else np.nan for a, b in zip(first, last, strict=True)]
        )
        for share in (0.5, 0.9)
    )
    return times, p50, p90


def _averages(pair: Pair, at_s: Floats, value: Floats) -> tuple[Floats, Floats]:
    """A gauge's means over 25 equal parts of the run (those in which it was looked at), at the parts' middles."""
    edges = np.linspace(0, pair.scenario.windows.total_s, 26)
    looks, _ = np.histogram(at_s, edges)
    sums, _ = np.histogram(at_s, edges, weights=value)
    seen = looks > 0
    return ((edges[1:] + edges[:-1]) / 2)[seen], sums[seen] / looks[seen]


def _steps(pair: Pair) -> int:
    """One a second, and no more than can be told apart."""
    return int(np.clip(round(pair.scenario.windows.total_s), 1, 120))


def _time(axes: Axes, pair: Pair, named: bool = True) -> None:
    """The axis of time: windows named, the warm-up greyed, each fault's stretch shaded."""
    scenario = pair.scenario
    axes.set_xlim(0, scenario.windows.total_s)
    axes.set_xlabel("seconds after the run's zero")
    for start_s, end_s in _faulted(pair):
        axes.axvspan(start_s, end_s, color=FAULT, alpha=0.16, lw=0, zorder=0)
    for window in scenario.windows.spans():
        if window.name == "warm_up":
            axes.axvspan(window.start_s, window.end_s, color=MUTED, alpha=0.1, lw=0, zorder=0)
        elif window.start_s > 0:
            axes.axvline(window.start_s, color=MUTED, lw=0.8, ls=":", zorder=1)
        if not named or window.end_s - window.start_s < TOO_NARROW * scenario.windows.total_s:
            continue  # its name would run into the next one's
        axes.annotate(
            window.name.replace("_", "-"),
            (window.start_s, 1),
            xycoords=("data", "axes fraction"),
            xytext=(3, -3),
            textcoords="offset points",
            va="top",
            color=MUTED,
            fontsize=7.5,
            annotation_clip=True,
        )


def _faulted(pair: Pair) -> Sequence[tuple[float, float]]:
    """When faults were in force: as carried out where a run was measured, else as planned."""
    if pair.measured and pair.measured.record.injections:
        return sorted({(one.injected_at_s, one.healed_at_s) for one in pair.measured.record.injections})
    windows = {pair.scenario.windows.named(fault.at) for fault in pair.scenario.faults}
    return sorted((window.start_s, window.end_s) for window in windows if window)


def _milliseconds(axis: mpl.axis.Axis) -> None:
    """A logarithmic axis: every power of ten, and where it spans few of them 2 and 5 times it, too."""
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 50 * low else (1.0,)))
    axis.set_major_formatter(FuncFormatter(lambda ms, _: f"{ms / 1000:g} s" if ms >= 1000 else f"{ms:g} ms"))
    axis.set_minor_locator(NullLocator())


def _legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1.0), ncols=2, borderaxespad=0.2, columnspacing=1.4)


def _legend_for_all(picture: Figure, row: Sequence[Axes]) -> None:
    """Above the panels, each label once."""
    handles = {label: line for axes in row for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    if handles:
        picture.legend(handles.values(), handles.keys(), loc="outside upper left", ncols=len(handles))


def _svg(picture: Figure, name: str, title: str, words: str, wide: bool = False) -> Html:
    """The figure element: the drawing with its title and a description in words for those who do not see it."""
    sink = io.StringIO()
    with mpl.rc_context(STYLE | {"svg.hashsalt": name}):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        picture.savefig(sink, format="svg", metadata=nothing, transparent=True)
    text = sink.getvalue()
    box = re.search(r'viewBox="[^"]+"', text)
    assert box, "matplotlib writes a viewBox"
    body = text[text.index(">", text.index("<svg")) + 1 : text.rindex("</svg>")]
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", body)
    body = re.sub(r"\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), body)
    body = re.sub(r"#0[0-9a-f]{5}\b", lambda found: f"var({CSS[found[0]]})" if found[0] in CSS else found[0], body)
    body = re.sub(r"(font: [^;\"]*?px) [^;\"]*", r"\1 var(--font)", body)
    described = tag("title", title, id=f"{name}-title") + tag("desc", words, id=f"{name}-desc")
    labels = f'role="img" aria-labelledby="{name}-title {name}-desc"'
    xlink = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
    drawing = Html(f"<svg {xlink} {box[0]} {labels}>{described}{body}</svg>")
    return tag("figure", tag("figcaption", title), drawing, class_="wide" if wide else None)
