"""What alert rules would have done, in words. Used by terminal, html and as_data."""

from __future__ import annotations

from dataclasses import dataclass

from windtunnel.harness.report import wording
from windtunnel.harness.report.pair import Pair
from windtunnel.sim.answers.alerts import Alerted, alerts
from windtunnel.sim.answers.readings import Readings
from windtunnel.spec.alert import Alert

MOST_TOLD = 2
"""Firings that are told one by one; data has all of them."""


@dataclass(frozen=True)
class Told:
    """One rule, with what became of it in each of the pair's runs, in their order."""

    name: str
    rule: str
    """``error ratio above 5 % for 2 s``."""
    outcomes: tuple[str, ...]
    found: tuple[Alerted, ...]


def told(pair: Pair) -> list[Told]:
    """Every alert of the pair's scenario."""
    by_run = [alerts(judged.run, Readings(judged.run.series)) for judged in pair.runs]
    rows = zip(*by_run, strict=True)
    return [Told(same[0].name, rule(same[0].alert), tuple(outcome(one) for one in same), same) for same in rows]


def rule(alert: Alert) -> str:
    """``queue of llm above 20 for 2 s``."""
    limit, way = (alert.above, "above") if alert.above is not None else (alert.below, "below")
    of = f" of {alert.of}" if alert.of else ""
    held = f" for {wording.number(alert.for_s)} s" if alert.for_s else ""
    return f"{wording.title(alert.metric)}{of} {way} {wording.amount(alert.metric, limit)}{held}"


def outcome(found: Alerted) -> str:
    """``fires at 15.5 s, resolves at 27 s``; ``quiet, at most 12``; ``not observed: queue of llm``."""
    if found.unobserved is not None:
        return f"not observed: {found.unobserved}"
    if not found.firings:
        most = "at most" if found.alert.above is not None else "at least"
        seen = "" if found.worst is None else f", {most} {wording.amount(found.alert.metric, found.worst)}"
        return f"quiet{seen}"
    told = [
        f"fires at {wording.number(one.fires_s)} s, "
        + ("until the end" if one.resolves_s is None else f"resolves at {wording.number(one.resolves_s)} s")
        for one in found.firings[:MOST_TOLD]
    ]
    left = len(found.firings) - len(told)
    return "; ".join([*told, *([f"and {left} times more"] if left else [])])


def as_data(pair: Pair) -> list[dict[str, object]]:
    """Plain data for ``json.dumps``."""
    kinds = [judged.run.record.kind for judged in pair.runs]
    return [
        {
            "alert": row.name,
            "rule": row.rule,
            **{
                kind: {
                    "firings": [{"fires_s": one.fires_s, "resolves_s": one.resolves_s} for one in found.firings],
                    "worst": found.worst,
                    "unobserved": found.unobserved,
                }
                for kind, found in zip(kinds, row.found, strict=True)
            },
        }
        for row in told(pair)
    ]
