"""One question with all its answers: the measured run, the forecast, their rulings and the forecast's error.

Made by the commands, shown by every report.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from windtunnel.harness.compare import compare
from windtunnel.harness.judge import judge
from windtunnel.harness.verdict import Comparison, Judgement, Ruling, Verdict
from windtunnel.sim.answers.forecast import Answer
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
class Pair:
    """A measured run, its forecast, or both, each with its ruling; the comparison where there are both."""

    measured: Run | None
    measured_ruling: Ruling | None
    forecast: Run | None
    forecast_ruling: Ruling | None
    comparison: Comparison | None
    answer: Answer | None = None
    """What the forecast says of capacity, where that was asked for."""
    replicated: tuple[Verdict, ...] = ()
    """The verdicts of all replications, where there are several; ``forecast`` is the first of those with the worst."""

    def __post_init__(self) -> None:
        """Refuse a pair of nothing, a run in the other's place, and one without its ruling. ValueError."""
        if self.measured is None and self.forecast is None:
            raise ValueError("found neither a measured run nor a forecast, expected at least one of them")
        for kind in ("measured", "forecast"):
            run: Run | None = getattr(self, kind)
            if run and run.record.kind != kind:
                raise ValueError(f"found a {run.record.kind} run in place of the {kind} one")
            if (run is None) != (getattr(self, f"{kind}_ruling") is None):
                raise ValueError("found a run without its ruling or a ruling without its run, expected both or none")

    @classmethod
    def of(cls, measured: Run | None = None, forecast: Run | None = None, provenance: Provenance | None = None) -> Pair:
        """Judge what is there, and compare where both are."""
        return cls(
            measured,
            judge(measured) if measured else None,
            forecast,
            judge(forecast) if forecast else None,
            compare(forecast, measured, provenance) if forecast and measured else None,
        )

    @property
    def measured_judged(self) -> Judged | None:
        """The measured run with its ruling."""
        return Judged(self.measured, self.measured_ruling) if self.measured and self.measured_ruling else None

    @property
    def forecast_judged(self) -> Judged | None:
        """The forecast with its ruling."""
        return Judged(self.forecast, self.forecast_ruling) if self.forecast and self.forecast_ruling else None

    @property
    def runs(self) -> tuple[Judged, ...]:
        """What is there, the measured run first."""
        return tuple(judged for judged in (self.measured_judged, self.forecast_judged) if judged)

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
