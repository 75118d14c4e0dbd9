"""A size told: the cheapest configuration, the one that survives a loss, what the given one holds, and the frontier of
cost and latency; as tables, as data and as a picture. Used by the command line."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from rich.console import Console

from windtunnel.harness.report import wording
from windtunnel.harness.report.console import console, grid, say, table
from windtunnel.harness.report.standing import BAD, COLOURS, GOOD, INK, MUTED, STYLE, logarithmic, save
from windtunnel.sim.answers.cost import HOURS_PER_MONTH
from windtunnel.sim.explore.bench import Assessed, Held
from windtunnel.sim.explore.limit import Limit
from windtunnel.sim.explore.size import Size
from windtunnel.sim.explore.subject import Subject
from windtunnel.spec.scenario import Scenario

CLEAR = 0.99
"""How sure an objective has to be to need no word of caution."""
FAILING = 0.01
"""Share of failed requests that is told where no objective asks for it."""


def print_size(found: Size, subject: Subject, out: Console | None = None) -> None:
    """All of it, on standard output unless told otherwise."""
    out = out or console()
    scenario = subject.scenario
    say(out, *_headline(found))
    head = grid()
    head.add_row("scenario", f"{scenario.name} on {subject.architecture.name}, {subject.deployment.name}")
    head.add_row("load", wording.load(scenario.load))
    head.add_row("objectives", _objectives(scenario, found))
    head.add_row("cost", _prices(found))
    out.print(head)
    out.print()
    _configurations(found, subject, out)
    for about, words in sentences(found):
        say(out, (f"{about}: ", "bold"), words)
    if found.frontier:
        out.print()
        _frontier(found, subject, out)
    say(
        out,
        (
            f"{found.tried} simulations of {found.configurations} configurations; {found.runs} seeds behind the answer",
            "dim",
        ),
    )


def sentences(found: Size) -> Iterator[tuple[str, str]]:
    """(about what, in words)."""
    answer = found.cheapest
    if answer is None:
        yield "nearest", f"{configuration(found.nearest)}; {_misses(found.nearest)}"
        yield "what gives way", found.nearest.bottleneck or "nothing that is limited"
    else:
        yield "how sure", sureness(answer)
        failing = _failing(answer)
        if failing:
            yield "caution", failing
    if found.surviving is not None:
        lost = ", ".join(found.lost)
        yield (
            "a replica lost",
            f"one fewer for the whole run, in turn of {lost}: the rest carries the load; what fails until callers "
            "notice is the question of a scenario with `kill`",
        )
        yield "how sure", sureness(found.surviving)
    elif answer is not None and found.lost:
        yield (
            "a replica lost",
            f"nothing within the bounds meets the objectives with one fewer, in turn of {', '.join(found.lost)}",
        )
    if found.single:
        yield "single points", f"{', '.join(found.single)}: one replica, whose loss nothing makes up for"
    yield "the given one", _limit(found.limit)
    if found.limit_of_answer is not None and answer is not None and answer.settings:
        yield "the cheapest one", _limit(found.limit_of_answer)
    for words in found.left_out:
        yield "not varied", words
    if found.unjudged:
        yield "not judged", f"{', '.join(found.unjudged)}: no forecast observes it"
    if not found.exhaustive:
        yield "caution", "the search was ended before everything cheaper was excluded: narrow the bounds with --vary"


def sureness(found: Assessed) -> str:
    """``closest is during latency p99 412 ± 8 ms against <= 450 ms, over 5 seeds: sure to 99.8 %``."""
    tightest = found.tightest
    said = f"closest is {_figure(tightest)} against {wording.bound(tightest.metric, tightest.bound)}"
    if not tightest.enough:
        return f"{said}; too few samples lie beyond the quantile: a longer window or more --seeds would tell"
    sure = tightest.sure
    if sure is None:
        return f"{said}, in all {len(found.trials)} runs"
    percent = "more than 99.9 %" if sure > 0.999 else f"{sure * 100:.3g} %"
    close = "" if sure >= CLEAR else "; more --seeds would tell more"
    return f"{said}, over {len(found.trials)} seeds: sure to {percent}{close}"


def configuration(found: Assessed) -> str:
    """``app replicas 6, links[app->db].pool 12``."""
    said = dict(found.settings)
    order = sorted(said, key=lambda key: not key.endswith(".replicas"))
    return ", ".join(f"{_short(key)} {said[key]}" for key in order) or "as it is given"


def size_as_data(found: Size) -> dict[str, Any]:
    """For JSON."""

    def told(each: Assessed | None) -> dict[str, Any] | None:
        if each is None:
            return None
        return {
            "settings": dict(each.settings),
            "replicas": found.replicas(each),
            "cost_per_hour": found.cost_per_hour(each),
            "holds": each.holds,
            "saturated": each.saturated,
            "bottleneck": each.bottleneck,
            "objectives": [
                {
                    "window": held.window,
                    "metric": held.metric,
                    "bound": held.bound.model_dump(exclude_none=True),
                    "value": held.value if held.value is not None and math.isfinite(held.value) else None,
                    "half_width": held.interval.half_width if held.interval else None,
                    "holds": held.holds,
                    "sure": held.sure,
                    "enough_samples": held.enough,
                }
                for held in each.held
            ],
            "runs": len(each.trials),
        }

    def limited(limit: Limit | None) -> dict[str, Any] | None:
        if limit is None:
            return None
        return {
            "times_the_load": limit.carried,
            "load": limit.load if limit.carried is not None else None,
            "misses_beyond": _misses(limit.beyond) if limit.beyond else None,
            "bottleneck": limit.beyond.bottleneck if limit.beyond else None,
        }

    return {
        "given": told(found.given),
        "cheapest": told(found.cheapest),
        "surviving": told(found.surviving),
        "nearest": told(found.nearest),
        "lost": found.lost,
        "single": found.single,
        "frontier": [
            told(each) | {found.frontier_metric: interval.mean if (interval := _latency(each, found)) else None}  # type: ignore[operator]
            for each in found.frontier
        ],
        "limit": limited(found.limit),
        "limit_of_cheapest": limited(found.limit_of_answer),
        "currency": found.currency,
        "priced": found.priced,
        "not_varied": found.left_out,
        "not_judged": found.unjudged,
        "exhaustive": found.exhaustive,
        "simulations": found.tried,
    }


def plot_size(found: Size, subject: Subject, file: Path) -> None:
    """Cost against latency: the frontier, what is given, what is chosen. SpecError where it cannot be written."""
    window = _window(found)
    title = wording.title(found.frontier_metric)
    with mpl.rc_context(STYLE):
        picture = Figure(figsize=(7.6, 4.4), layout="constrained")
        axes = picture.subplots()
        drawn = [(found.cost_per_hour(each), i, each) for each in found.frontier if (i := _latency(each, found))]
        if drawn:
            cost, ms = [row[0] for row in drawn], [row[1].mean for row in drawn]
            axes.plot(cost, ms, color=COLOURS[0], lw=1.2, ls=":", drawstyle="steps-post", zorder=2)
            spread = [row[1].half_width if math.isfinite(row[1].half_width) else 0.0 for row in drawn]
            low = [min(half, 0.99 * mean) for half, mean in zip(spread, ms, strict=True)]
            axes.errorbar(cost, ms, yerr=[low, spread], fmt="none", ecolor=COLOURS[0], elinewidth=1.1, capsize=2.5)
            for good, label in ((True, "meets the objectives"), (False, "does not")):
                some = [(x, y) for (x, _, each), y in zip(drawn, ms, strict=True) if each.holds is good]
                if some:
                    face = COLOURS[0] if good else "white"
                    axes.plot(
                        *zip(*some, strict=True), "o", mfc=face, mec=COLOURS[0], mew=1.3, ms=5.5, label=label, zorder=3
                    )
        marks = (
            ("given", found.given, "D", INK),
            ("cheapest", found.cheapest, "o", GOOD),
            ("survives a loss", found.surviving, "s", COLOURS[1]),
        )
        for label, each, marker, colour in marks:
            place = _latency(each, found) if each is not None and each.saturated is None else None
            if each is not None and place is not None:
                axes.plot(
                    found.cost_per_hour(each),
                    place.mean,
                    marker,
                    mfc="none",
                    mec=colour,
                    mew=1.8,
                    ms=11,
                    label=label,
                    ls="",
                    zorder=4,
                )
        bound = subject.scenario.objectives.get(window, {}).get(found.frontier_metric)  # type: ignore[call-overload]
        if bound is not None and bound.max is not None:
            axes.axhline(bound.max, color=BAD, lw=1, ls="--")
            axes.annotate(
                f"objective {wording.bound(found.frontier_metric, bound)}",
                (1, bound.max),
                xycoords=("axes fraction", "data"),
                xytext=(0, 3),
                textcoords="offset points",
                ha="right",
                color=BAD,
                fontsize=8.5,
            )
        heights = [row[1].mean for row in drawn] + ([bound.max] if bound is not None and bound.max else [])
        if logarithmic(heights):
            axes.set_yscale("log")
        else:
            axes.set_ylim(
                0,
                1.15
                * max([*heights, *(row[1].high for row in drawn if math.isfinite(row[1].half_width))], default=1.0),
            )
        axes.yaxis.set_major_formatter(lambda value, _: wording.number(value))
        axes.set_xlabel(f"{found.currency} an hour" if found.priced else "replicas in all")
        axes.set_ylabel(f"{title} (ms), {window}")
        axes.set_title(f"What {title} costs at {wording.load(subject.scenario.load)}", loc="left")
        axes.margins(x=0.08)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(loc="upper right", labelcolor=MUTED)
        save(picture, file)


def _headline(found: Size) -> tuple[Any, ...]:
    if found.cheapest is None:
        return (("No configuration within the bounds meets the objectives", "bold red"),)
    cheapest = f"Cheapest: {configuration(found.cheapest)} ({_money(found, found.cheapest)})"
    if found.surviving is not None:
        return (
            (cheapest, "bold green"),
            f"; with a replica lost: {configuration(found.surviving)} ({_money(found, found.surviving)})",
        )
    if found.lost:
        return ((cheapest, "bold yellow"), "; nothing within the bounds survives the loss of a replica")
    return ((cheapest, "bold green"),)


def _configurations(found: Size, subject: Subject, out: Console) -> None:
    shown = table("")
    columns = [("given", found.given), ("cheapest", found.cheapest), ("a replica lost", found.surviving)]
    if found.cheapest is None:
        columns = [("given", found.given), ("nearest", found.nearest)]
    kept = [(name, each) for name, each in columns if each is not None]
    for name, _ in kept:
        shown.add_column(name, justify="right")
    for axis in found.bounds:
        cells = [str(dict(each.settings).get(axis.key, subject.value(axis.key) or 1)) for _, each in kept]
        shown.add_row(f"{_short(axis.key)} ({axis.values[0]} to {axis.values[-1]})", *cells)
    shown.add_row("cost", *(_money(found, each) for _, each in kept))
    for n, held in enumerate(found.given.held):
        label = f"{held.window} {wording.title(held.metric)} {wording.bound(held.metric, held.bound)}"
        shown.add_row(label, *(_cell(each.held[n]) for _, each in kept))
    if any(each.saturated for _, each in kept):
        shown.add_row("keeps up", *("no" if each.saturated else "yes" for _, each in kept))
    out.print(shown)


def _frontier(found: Size, subject: Subject, out: Console) -> None:
    paid = [axis for axis in found.bounds if any(axis.key == f"place.{name}.replicas" for name in found.prices)]
    shown = table("cost")
    for axis in paid:
        shown.add_column(_short(axis.key), justify="right")
    shown.add_column(f"{wording.title(found.frontier_metric)}, {_window(found)}", justify="right")
    shown.add_column("")
    for each in found.frontier:
        interval = _latency(each, found)
        marks = [
            name
            for name, one in (
                ("given", found.given),
                ("cheapest", found.cheapest),
                ("survives a loss", found.surviving),
            )
            if one and one.settings == each.settings
        ]
        verdict = [] if each.holds else [_misses(each)]
        shown.add_row(
            _money(found, each),
            *(str(dict(each.settings).get(axis.key, subject.value(axis.key) or 1)) for axis in paid),
            _spread(found.frontier_metric, interval.mean, interval.half_width) if interval else "-",
            "; ".join([*marks, *verdict]),
        )
    say(out, ("The frontier: for each cost the quickest that was tried", "bold"))
    out.print(shown)


def _limit(limit: Limit) -> str:
    if limit.carried is None:
        return f"meets the objectives at no load that was tried; {_beyond(limit)}"
    if limit.beyond is None:
        return f"meets the objectives up to {limit.load} and beyond (not tried further)"
    times = f"{wording.number(limit.carried)} times the scenario's load"
    return f"saturates at {limit.load} ({times}); beyond, {_beyond(limit)}"


def _beyond(limit: Limit) -> str:
    beyond = limit.beyond
    if beyond is None:
        return "nothing gives way"
    narrow = f"; bottleneck {beyond.bottleneck}" if beyond.bottleneck else ""
    return (
        f"it misses {_misses(beyond).removeprefix('misses ')}{narrow}"
        if beyond.saturated is None
        else f"it does not keep up: {beyond.saturated}{narrow}"
    )


def _misses(found: Assessed) -> str:
    if found.saturated is not None:
        return f"does not keep up: {found.saturated}"
    missed = [held for held in found.held if not held.holds]
    if not missed:
        return "meets the objectives"
    return "misses " + ", ".join(f"{_figure(held)} against {wording.bound(held.metric, held.bound)}" for held in missed)


def _failing(found: Assessed) -> str | None:
    """Errors that no objective asks for, and that a latency of successes does not show."""
    asked = {held.window for held in found.held if held.metric in ("error_ratio", "throughput_per_s", "goodput_per_s")}
    for seen in found.trials[0].windows:
        ratio = seen.figures.get("error_ratio", 0.0)
        if seen.window.name not in asked and ratio > FAILING:
            share = wording.amount("error_ratio", ratio)
            return f"{share} of the requests fail ({seen.window.name}), and no objective forbids it: add error_ratio"
    return None


def _figure(held: Held) -> str:
    return f"{held.window} {wording.title(held.metric)} {_cell(held)}"


def _cell(held: Held) -> str:
    if held.value is None:
        return "none"
    if not math.isfinite(held.value):
        return "never"
    return _spread(held.metric, held.value, held.interval.half_width if held.interval else math.inf)


def _spread(metric: str, value: float, half_width: float) -> str:
    if not math.isfinite(half_width):
        return wording.amount(metric, value)
    sign = wording.unit(metric)
    scale = 100 if sign == "%" else 1
    return f"{wording.number(value * scale)} ± {wording.number(half_width * scale)} {sign}".strip()


def _latency(each: Assessed, found: Size) -> Any:
    return each.interval(_window(found), found.frontier_metric)


def _window(found: Size) -> str:
    windows = [held.window for held in found.given.held if held.metric.startswith("latency_ms")]
    return (windows or [found.given.held[0].window])[0]


def _money(found: Size, each: Assessed) -> str:
    cost = found.cost_per_hour(each)
    if not found.priced:
        return f"{cost:g} replicas"
    return f"{wording.number(cost)} {found.currency}/h, {wording.number(cost * HOURS_PER_MONTH)} a month"


def _prices(found: Size) -> str:
    if not found.priced:
        return "the deployment has no prices: each replica counts as 1 (costs: {replica_hour: {app: 0.2}} says others)"
    return (
        ", ".join(f"{name} {price:g}" for name, price in found.prices.items())
        + f" {found.currency} for a replica an hour"
    )


def _objectives(scenario: Scenario, found: Size) -> str:
    return ", ".join(
        f"{window} {wording.title(metric)} {wording.bound(metric, bound)}"
        for window, said in scenario.objectives.items()
        for metric, bound in said.items()
        if metric not in found.unjudged
    )


def _short(key: str) -> str:
    """``app replicas`` of ``place.app.replicas``."""
    return (
        f"{key.removeprefix('deployment.').removeprefix('place.').removesuffix('.replicas')} replicas"
        if key.endswith(".replicas")
        else key
    )
