"""One question with all its answers: the measured run, the forecast, their rulings and the forecast's error.

Made by the commands, shown by every report.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from windtunnel.harness.compare import compare
from windtunnel.harness.judge import judge
from windtunnel.harness.verdict import Comparison, Judgement, Ruling, Verdict
from windtunnel.spec.objective import Bound
from windtunnel.spec.parameters import Provenance
from windtunnel.spec.run import Run
from windtunnel.spec.scenario import Scenario, Window


@dataclass(frozen=True)
class Judged:
    """A run with its ruling."""

    run: Run
    ruling: Ruling


@dataclass(frozen=True)
class Objective:
    """One row of the answer: an objective with what the measured run and the forecast say about it."""

    window: str
    metric: str
    bound: Bound
    measured: Judgement | None
    forecast: Judgement | None


@dataclass(frozen=True)
class Finding:
    """A measured run, its forecast, or both; the comparison where there are both."""

    measured: Judged | None
    forecast: Judged | None
    comparison: Comparison | None

    @classmethod
    def of(
        cls, measured: Run | None = None, forecast: Run | None = None, provenance: Provenance | None = None
    ) -> Finding:
        """Judge what is there and compare where both are. ValueError where nothing is."""
        if measured is None and forecast is None:
            raise ValueError("found neither a measured run nor a forecast, expected at least one of them")
        both = measured is not None and forecast is not None
        return cls(
            measured=Judged(measured, judge(measured)) if measured else None,
            forecast=Judged(forecast, judge(forecast)) if forecast else None,
            comparison=compare(forecast, measured, provenance) if both else None,  # type: ignore[arg-type]
        )

    @property
    def runs(self) -> tuple[Judged, ...]:
        """What is there, the measured run first."""
        return tuple(judged for judged in (self.measured, self.forecast) if judged)

    @property
    def scenario(self) -> Scenario:
        """The question, as the measured run has it."""
        return self.runs[0].run.record.scenario

    @property
    def verdict(self) -> Verdict:
        """Reality decides: the measured run's verdict where there is one, else the forecast's."""
        return self.runs[0].ruling.verdict

    @property
    def windows(self) -> tuple[Window, ...]:
        """The judged windows: all but the warm-up."""
        return tuple(window for window in self.scenario.windows.spans() if window.name != "warm_up")

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """Every objective once, in the order of the measured run's."""
        found: dict[tuple[str, str, str], dict[str, Judgement]] = {}
        for judged in self.runs:
            for one in judged.ruling.judgements:
                found.setdefault((one.window, one.metric, str(one.bound)), {})[judged.run.record.kind] = one
        return tuple(
            Objective(window, metric, next(iter(sides.values())).bound, sides.get("measured"), sides.get("forecast"))
            for (window, metric, _), sides in found.items()
        )

    @property
    def typical_error(self) -> tuple[float, int] | None:
        """The forecast's error in one number: the median of |relative error| over the figures of the requests as a
        whole (``total``), and how many figures those are. None where nothing could be compared."""
        errors = self.comparison.errors if self.comparison else ()
        sizes = [abs(error.error) for error in errors if error.subject == "total" and error.relative]
        return (median(sizes), len(sizes)) if sizes else None
