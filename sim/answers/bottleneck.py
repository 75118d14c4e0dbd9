"""What gives way first, with the reason in words. Used by answers, sizing and reports."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from windtunnel.sim.answers.uses import Kind, Use
from windtunnel.spec.architecture import CLIENT, Architecture

BUSY = 0.9
"""Share of the capacity from which on something is scarce, on average over a window."""
LONG_WAIT = 0.05
"""Share of the answer's mean time from which on a wait is worth a word, however idle on average it was waited for."""
SHORT_MS = 0.05
"""A wait below this is not told."""

_WORDS: dict[Kind, str] = {
    "slots": "{busy} of {capacity} slots busy",
    "connections": "{busy} of {capacity} connections busy",
    "cores": "{busy} of {capacity} cores busy",
    "own cores": "{busy} of {capacity} cores busy, one is the most that a replica uses",
    "requests per second": "asked {busy} times a second, its limit lets {capacity} pass",
    "tokens per second": "{busy} tokens a second, its limit is {capacity}",
}


@dataclass(frozen=True)
class Bottleneck:
    """What is nearest to its limit, and whether it is there."""

    use: Use
    scarce: bool
    """False: there is room left everywhere."""

    @property
    def words(self) -> str:
        """``llm: 31.7 of 32 slots busy, calls wait 840 ms on average for one``."""
        use = self.use
        said = f"{use.name}: " + _WORDS[use.kind].format(busy=_figure(use.busy), capacity=_figure(use.capacity))
        if use.wait_ms is None or use.wait_ms < SHORT_MS:
            return said
        return f"{said}, calls wait {_figure(use.wait_ms)} ms on average for one"


def bottleneck(uses: Sequence[Use], architecture: Architecture, mean_ms: float) -> Bottleneck | None:
    """Of a window; None where nothing is limited. ``mean_ms``: of the answers, NaN without any.

    Whoever waits for another holds places meanwhile: of all that is busy to 90 % and more, the cause is what stands
    deepest in the calls, and a processor below all. Where nothing is, it is what has the longest wait, if that is a
    twentieth of the answer's time, else what is used most.
    """
    if not uses:
        return None
    scarce = [use for use in uses if use.utilisation >= BUSY]
    if scarce:
        depths = _depths(architecture)
        chosen = max(scarce, key=lambda use: (_depth(use, depths), use.utilisation))
        return Bottleneck(chosen, True)
    waited = max(uses, key=lambda use: use.wait_ms or 0.0)
    if (waited.wait_ms or 0.0) > LONG_WAIT * mean_ms:
        return Bottleneck(waited, True)
    chosen = max(uses, key=lambda use: use.utilisation)
    return Bottleneck(chosen, False)


def _depth(use: Use, depths: dict[str, float]) -> float:
    if use.kind == "cores":
        return math.inf
    caller, arrow, _ = use.name.partition("->")
    return depths[caller] + 0.5 if arrow else depths[use.name]


def _depths(architecture: Architecture) -> dict[str, float]:
    """Links between the client and each component, on the longest way that passes nobody twice."""
    depths: dict[str, float] = dict.fromkeys([CLIENT, *architecture.components], 0.0)

    def visit(name: str, depth: float, passed: frozenset[str]) -> None:
        depths[name] = max(depths[name], depth)
        for callee in architecture.callees(name):
            if callee not in passed:
                visit(callee, depth + 1, passed | {callee})

    visit(CLIENT, 0.0, frozenset({CLIENT}))
    return depths


def _figure(value: float) -> str:
    """Three significant figures, whole from 100 on."""
    return f"{value:,.0f}" if value >= 99.95 else f"{value:.3g}"
