"""How a forecast's answer reads: figures by window, what is in use, sentences; and as data. Used by every report."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from windtunnel.harness.report import wording
from windtunnel.sim.answers.bottleneck import Bottleneck
from windtunnel.sim.answers.cost import Cost
from windtunnel.sim.answers.forecast import Answer, WindowAnswer
from windtunnel.sim.answers.interval import Interval
from windtunnel.sim.answers.uses import Use

SATURATED = "saturated"
WHAT = {
    "slots": "slots",
    "connections": "connections",
    "cores": "cores",
    "own cores": "cores of its own",
    "requests per second": "requests/s",
    "tokens per second": "tokens/s",
}


@dataclass(frozen=True)
class Row:
    """One figure, a cell for each window."""

    title: str
    cells: tuple[str, ...]


def figures(answer: Answer) -> list[Row]:
    """The table of an answer: how many, how well, how long, how sure, at what cost."""
    windows = answer.windows
    rows = [
        Row("requests", tuple(wording.number(each.requests) for each in windows)),
        Row("failed", tuple(_failed(each) for each in windows)),
        Row("throughput", tuple(wording.amount("throughput_per_s", each.throughput_per_s) for each in windows)),
    ]
    if any(math.isfinite(each.goodput_limit_ms) for each in windows):
        rows.append(Row("goodput", tuple(_goodput(each) for each in windows)))
    rows.append(Row("mean latency", tuple(_time(each, each.mean_ms) for each in windows)))
    for index, one in enumerate(windows[0].quantiles):
        times = tuple(_time(each, each.quantiles[index].interval) for each in windows)
        rows.append(Row(f"p{one.share * 100:g}", times))
    if any(ratio > 1 for each in windows for ratio in each.amplification.values()):
        rows.append(Row("tries per call", tuple(_amplified(each.amplification) for each in windows)))
    if any(each.cost for each in windows):
        rows.append(Row("cost per 1,000", tuple(_money(each.cost, "per_1000") for each in windows)))
        rows.append(Row("cost per month", tuple(_money(each.cost, "per_month") for each in windows)))
    return rows


HARDLY = 0.01
"""Share of its capacity below which a use is not worth a row where rows are dear."""


def used(answer: Answer) -> list[tuple[str, str, tuple[Use | None, ...]]]:
    """(name, what, its use in each window) of everything limited, the most used first."""
    keys = dict.fromkeys((use.name, use.kind) for each in answer.windows for use in each.uses)
    found = []
    for name, kind in keys:
        uses = tuple(
            next((use for use in each.uses if (use.name, use.kind) == (name, kind)), None) for each in answer.windows
        )
        found.append((name, WHAT[kind], uses))
    return sorted(found, key=lambda row: -max(use.utilisation for use in row[2] if use is not None))


def use(found: Use | None) -> str:
    """``69 %, 3.4 wait``."""
    if found is None:
        return "-"
    waiting = f", {wording.number(found.queue)} wait" if found.queue is not None and found.queue >= 0.05 else ""
    return f"{wording.number(found.utilisation * 100)} %{waiting}"


def sentences(answer: Answer) -> Iterator[tuple[str, str]]:
    """(about what, in words): saturation, the bottleneck, recovery."""
    for each in answer.windows:
        if each.saturated is not None:
            yield f"{each.window.name}: {SATURATED}", each.saturated
    for each in answer.windows:
        if each.bottleneck is not None:
            scarce = "bottleneck" if each.bottleneck.scarce else "most used, with room left"
            yield f"{each.window.name}: {scarce}", each.bottleneck.words
    if answer.recovered is not None:
        healed = f"the heal at {wording.number(answer.recovered.healed_at_s)} s"
        seconds = answer.recovered.seconds
        after = "never until the end of the run" if seconds is None else f"{wording.number(seconds)} s"
        yield "good again", f"{after} after {healed}" if seconds is not None else f"{after}, after {healed}"


def doubts(answer: Answer) -> list[str]:
    """Why to be careful, one sentence each."""
    return [f"{each.window.name}: {doubt}" for each in answer.windows for doubt in each.doubts]


def basis(answer: Answer) -> str:
    """What the intervals are."""
    runs = f"from {answer.runs} runs with seeds of their own" if answer.runs > 1 else "from sections of the run"
    return f"± is half of a 95 % interval, {runs}; - where fewer than 20 successes lie beyond"


def _failed(each: WindowAnswer) -> str:
    if not each.errors:
        return "0"
    kinds = ", ".join(f"{outcome} {wording.number(count)}" for outcome, count in each.errors.items())
    return f"{wording.amount('error_ratio', each.error_ratio)} ({kinds})"


def _goodput(each: WindowAnswer) -> str:
    amount = wording.amount("goodput_per_s", each.goodput_per_s)
    limit_ms = each.goodput_limit_ms
    return f"{amount} (<= {wording.number(limit_ms)} ms)" if math.isfinite(limit_ms) else amount


def _time(each: WindowAnswer, found: Interval | None) -> str:
    if each.saturated is not None:
        return SATURATED
    if found is None:
        return "-"
    if not math.isfinite(found.half_width):
        return f"{wording.number(found.mean)} ms"
    return f"{wording.number(found.mean)} ± {wording.number(float(f'{found.half_width:.2g}'))} ms"


def _amplified(links: dict[str, float]) -> str:
    most = max(links, key=lambda link: links[link], default=None)
    if most is None:
        return "-"
    return f"{wording.number(links[most])} ({most})" if links[most] > 1 else "1"


def _money(found: Cost | None, which: str) -> str:
    value = getattr(found, which) if found else None
    return "-" if found is None or value is None else f"{wording.number(value)} {found.currency}"


def as_data(answer: Answer) -> dict[str, object]:
    """Plain data for ``json.dumps``."""
    recovered = answer.recovered
    return {
        "runs": answer.runs,
        "windows": [_window(each) for each in answer.windows],
        "recovered": {"healed_at_s": recovered.healed_at_s, "seconds": recovered.seconds} if recovered else None,
    }


def _window(each: WindowAnswer) -> dict[str, object]:
    return {
        "window": each.window.name,
        "requests": each.requests,
        "errors": each.errors,
        "error_ratio": each.error_ratio,
        "saturated": each.saturated,
        "mean_ms": _interval(each.mean_ms),
        "quantiles_ms": {f"p{one.share * 100:g}": _interval(one.interval) for one in each.quantiles},
        "throughput_per_s": each.throughput_per_s,
        "goodput_per_s": each.goodput_per_s,
        "goodput_limit_ms": each.goodput_limit_ms if math.isfinite(each.goodput_limit_ms) else None,
        "uses": [_use(one) for one in each.uses],
        "bottleneck": {
            "words": each.bottleneck.words,
            "scarce": each.bottleneck.scarce,
            "name": each.bottleneck.use.name,
        }
        if each.bottleneck
        else None,
        "amplification": each.amplification,
        "cost": _cost(each.cost) if each.cost else None,
        "doubts": list(each.doubts),
    }


def _interval(found: Interval | None) -> dict[str, object] | None:
    if found is None:
        return None
    sure = math.isfinite(found.half_width)
    return {
        "value": found.mean,
        "low": found.low if sure else None,
        "high": found.high if sure else None,
        "confidence": found.confidence,
        "method": found.method,
        "n": found.n,
    }


def _bottleneck(found: Bottleneck) -> dict[str, object]:
    return {"name": found.use.name, "kind": found.use.kind, "scarce": found.scarce, "words": found.words}


def _use(one: Use) -> dict[str, object]:
    return {
        "name": one.name,
        "kind": one.kind,
        "busy": one.busy,
        "capacity": one.capacity,
        "utilisation": one.utilisation,
        "queue": one.queue,
        "wait_ms": one.wait_ms,
    }


def _cost(found: Cost) -> dict[str, object]:
    parts: Sequence[str] = ("replicas", "input_tokens", "output_tokens", "traffic")
    return {
        "currency": found.currency,
        "per_1000": found.per_1000,
        "per_month": found.per_month,
        "parts": {part: getattr(found, part) for part in parts},
    }
