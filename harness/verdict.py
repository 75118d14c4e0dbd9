"""The answers: an objective's verdict, a run's, a forecast's error. Made by judge and compare, shown by report.

Verdict: pass | fail | inconclusive | not observed
"""

from __future__ import annotations

from enum import StrEnum

from windtunnel.spec.frozen import Frozen
from windtunnel.spec.objective import Bound


class Verdict(StrEnum):
    """What can be said about an objective, and about a run: the worst of its objectives' verdicts."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NOT_OBSERVED = "not observed"


class Judgement(Frozen):
    """One objective, judged on one run."""

    window: str
    metric: str
    bound: Bound
    value: float | None
    """None: it could not be computed."""
    verdict: Verdict
    reason: str
    """In words: why inconclusive, or the figures behind it (samples, failures)."""


class Ruling(Frozen):
    """A run with all its judgements."""

    run: str
    verdict: Verdict
    judgements: tuple[Judgement, ...]
    reasons: tuple[str, ...] = ()
    """What makes the whole run inconclusive: a failed check, a fault not proven, a part not modelled."""

    @property
    def exit_code(self) -> int:
        """0 passed, 1 an objective failed, 3 inconclusive."""
        return {Verdict.PASS: 0, Verdict.FAIL: 1}.get(self.verdict, 3)


class ForecastError(Frozen):
    """One metric, forecast against measured."""

    window: str
    subject: str
    """``total`` or a hop: ``app->db``, ``app->llm``."""
    metric: str
    forecast: float
    measured: float
    error: float
    """(forecast - measured) / measured; for ratios and counts the difference itself."""
    relative: bool
    n: int
    """Measured samples behind it."""
    noise: float | None = None
    """How far two halves of the measured run differ from each other, as ``error`` is measured: an error below
    this says nothing against the model."""


class Comparison(Frozen):
    """The error of a forecast, per metric, with what may have gone into it."""

    forecast: str
    measured: str
    errors: tuple[ForecastError, ...]
    warnings: tuple[str, ...] = ()
    """Such as: the parameters were calibrated on this very run."""
