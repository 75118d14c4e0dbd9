"""A sweep told: one metric of every point, with its interval over the seeds, as a table, as data and as a picture.
Used by the command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator
from rich.console import Console

from windtunnel.harness.measures import ENOUGH_BEYOND
from windtunnel.harness.report import wording
from windtunnel.harness.report.console import console, say, table
from windtunnel.harness.report.standing import COLOURS, INK, MUTED, STYLE, logarithmic, save
from windtunnel.sim.answers.interval import Interval, replications
from windtunnel.sim.explore.axis import Axis
from windtunnel.sim.explore.journal import WINDOWS, Row
from windtunnel.sim.explore.trial import METRICS, share_of
from windtunnel.spec.problem import Problem, SpecError, did_you_mean

BESIDE = ("requests", "cost_per_hour")
"""Columns of a row that are no metric of an objective."""


@dataclass(frozen=True)
class Level:
    """One point, and what its seeds showed of a metric."""

    settings: dict[str, Any]
    interval: Interval | None
    """Of 95 % over the seeds; None where no seed had anything to compute the metric from."""
    saturated: int
    """In how many of the runs the window did not keep up."""
    runs: int
    thin: bool
    """A quantile beyond which lie fewer than 20 samples of all runs together."""


def checked_metric(metric: str) -> str:
    """What may be shown of a sweep, before anything is run for it. SpecError for what no row can have."""
    window, dot, name = metric.partition(".")
    bare = name if dot and window in WINDOWS else metric
    known = [*METRICS, *BESIDE]
    if bare not in known and not bare.startswith("utilisation."):
        expected = f"one of {', '.join(known)}, utilisation.NAME"
        raise SpecError([Problem("--metric", repr(metric), expected, suggestion=did_you_mean(bare, known))])
    return metric


def column_of(metric: str, rows: Sequence[Row]) -> str:
    """The column that ``latency_ms_p99`` (in the window ``during``) or ``before.error_ratio`` means.

    SpecError where no row has it.
    """
    known = sorted({name for row in rows for name in row if "." in name and isinstance(row[name], int | float)})
    for name in (metric, f"during.{metric}"):
        if name in known:
            return name
    short = [name.removeprefix("during.") for name in known]
    expected = f"one of {', '.join(short)}"
    raise SpecError([Problem("--metric", repr(metric), expected, suggestion=did_you_mean(metric, short))])


def levels(rows: Sequence[Row], axes: Sequence[Axis], column: str) -> list[Level]:
    """Every point in the order of the rows."""
    keys = [axis.key for axis in axes]
    grouped: dict[str, list[Row]] = {}
    for row in rows:
        grouped.setdefault(json.dumps([row[key] for key in keys]), []).append(row)
    window, _, metric = column.partition(".")
    found = []
    for same in grouped.values():
        values = [row[column] for row in same if column in row]
        share = share_of(metric)
        beyond = sum(row[f"{window}.requests"] for row in same) * (1 - (share or 0))
        found.append(
            Level(
                settings={key: same[0][key] for key in keys},
                interval=replications(values) if values else None,
                saturated=sum(bool(row[f"{window}.saturated"]) for row in same),
                runs=len(same),
                thin=share is not None and beyond < ENOUGH_BEYOND * (1 - 1e-9),
            )
        )
    return found


def print_sweep(found: Sequence[Level], axes: Sequence[Axis], column: str, out: Console | None = None) -> None:
    """A row per point."""
    out = out or console()
    window, _, metric = column.partition(".")
    shown = table(*(axis.key for axis in axes))
    for axis, drawn in zip(axes, shown.columns, strict=True):
        drawn.justify = "right" if all(isinstance(value, int | float) for value in axis.values) else "left"
    shown.add_column(f"{wording.title(metric)}, {window}", justify="right")
    shown.add_column("±", justify="right")
    shown.add_column("")
    for level in found:
        value, spread = _figures(level, metric)
        shown.add_row(*(_word(level.settings[axis.key]) for axis in axes), value, spread, _remark(level))
    out.print(shown)
    runs = max(level.runs for level in found)
    if runs > 1:
        say(out, (f"± is half of a 95 % interval over {runs} seeds", "dim"))
    if any(level.thin for level in found):
        words = (
            f"* fewer than {ENOUGH_BEYOND} samples lie beyond the quantile: more --seeds or a longer windows.{window}_s"
        )
        say(out, (words, "yellow"))


def sweep_as_data(found: Sequence[Level], column: str) -> list[dict[str, Any]]:
    """For JSON."""
    return [
        {
            "settings": level.settings,
            "metric": column,
            "mean": level.interval.mean if level.interval else None,
            "low": level.interval.low if level.interval and level.runs > 1 else None,
            "high": level.interval.high if level.interval and level.runs > 1 else None,
            "runs": level.runs,
            "saturated": level.saturated,
            "enough_samples": not level.thin,
        }
        for level in found
    ]


def plot_sweep(found: Sequence[Level], axes: Sequence[Axis], column: str, file: Path) -> None:
    """The metric over the first axis with several values, a line for each combination of the others; hollow where the
    system does not keep up in most runs. SpecError for a file that cannot be written."""
    along = next((axis for axis in axes if len(axis.values) > 1), axes[0])
    others = [axis for axis in axes if axis is not along and len(axis.values) > 1]
    window, _, metric = column.partition(".")
    lines: dict[str, list[Level]] = {}
    for level in found:
        label = ", ".join(f"{axis.key} {_word(level.settings[axis.key])}" for axis in others)
        lines.setdefault(label, []).append(level)
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in along.values)
    with mpl.rc_context(STYLE):
        picture = Figure(figsize=(7.6, 4.4), layout="constrained")
        drawn = picture.subplots()
        colours = (
            COLOURS if len(lines) <= len(COLOURS) else mpl.colormaps["viridis"](np.linspace(0.05, 0.9, len(lines)))
        )
        for (label, same), colour in zip(lines.items(), colours, strict=False):
            _line(drawn, same, along, numeric, label, colour)
        if not numeric:
            drawn.set_xticks(range(len(along.values)), [_word(value) for value in along.values])
        elif logarithmic(along.values):
            drawn.set_xscale("log")
            drawn.set_xticks(along.values, [_word(value) for value in along.values])
            drawn.minorticks_off()
        values = [level.interval.mean for level in found if level.interval]
        sign = wording.unit(metric)
        if logarithmic(values):
            drawn.set_yscale("log")
            drawn.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            drawn.yaxis.set_minor_locator(NullLocator())
            drawn.yaxis.set_major_formatter(lambda value, _: wording.number(value * (100 if sign == "%" else 1)))
        else:
            drawn.set_ylim(bottom=0)
            drawn.yaxis.set_major_formatter(lambda value, _: wording.number(value * (100 if sign == "%" else 1)))
        drawn.set_xlabel(along.key)
        drawn.set_ylabel(f"{wording.title(metric)} ({sign})" if sign else wording.title(metric))
        runs = max(level.runs for level in found)
        drawn.set_title(f"{wording.title(metric)}, {window}: mean and 95 % interval of {runs} seeds", loc="left")
        _legend(drawn, lines, found)
        save(picture, file)


def _line(drawn: Axes, same: Sequence[Level], along: Axis, numeric: bool, label: str, colour: Any) -> None:
    seen = [level for level in same if level.interval is not None]
    places = [
        float(level.settings[along.key]) if numeric else float(along.values.index(level.settings[along.key]))
        for level in seen
    ]
    intervals = [level.interval for level in seen if level.interval is not None]
    order = np.argsort(places)
    x = np.array(places)[order]
    mean = np.array([each.mean for each in intervals])[order]
    half = np.array([each.half_width if np.isfinite(each.half_width) else 0.0 for each in intervals])[order]
    full = np.array([2 * level.saturated <= level.runs for level in seen])[order]
    low = np.maximum(mean - half, mean * 0.01)  # a metric is never negative, and a logarithm wants it above 0
    if numeric:
        drawn.fill_between(x, low, mean + half, color=colour, alpha=0.18, lw=0)
        drawn.plot(x, mean, color=colour, lw=1.6, label=label or None)
    drawn.errorbar(x, mean, yerr=[mean - low, half], fmt="none", ecolor=colour, elinewidth=1.1, capsize=2.5)
    drawn.plot(x[full], mean[full], "o", color=colour, ms=5, label=None if numeric else label or None)
    drawn.plot(x[~full], mean[~full], "o", mfc="white", mec=colour, mew=1.3, ms=5)


def _legend(drawn: Axes, lines: dict[str, list[Level]], found: Sequence[Level]) -> None:
    handles, labels = drawn.get_legend_handles_labels()
    if any(2 * level.saturated > level.runs for level in found):
        handles.append(Line2D([], [], ls="", marker="o", mfc="white", mec=INK, mew=1.3, ms=5))
        labels.append("does not keep up")
    if handles and (len(lines) > 1 or len(handles) > len(lines) or labels[0]):
        drawn.legend(handles, labels, loc="upper left", bbox_to_anchor=(1.0, 1.0), labelcolor=MUTED)


def _figures(level: Level, metric: str) -> tuple[str, str]:
    if level.interval is None:
        return "-", ""
    sign = wording.unit(metric)
    star = "*" if level.thin else ""
    value = wording.amount(metric, level.interval.mean) + star
    spread = level.interval.half_width * (100 if sign == "%" else 1)
    return value, wording.number(spread) if level.runs > 1 else ""


def _remark(level: Level) -> str:
    if not level.saturated:
        return ""
    return "saturated" if level.saturated == level.runs else f"saturated in {level.saturated} of {level.runs}"


def _word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else value if isinstance(value, str) else json.dumps(value)
