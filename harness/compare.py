"""The error of a forecast, per metric: what the model said against what was measured. Used by validate and compare.

Per judged window, for the requests as a whole (``total``) and for every hop (``app->db``: its calls as their
caller saw them): quantiles and mean of those that succeeded, first token, throughput, ratios.

Noise: the measured run's odd and even requests are two runs of half the load that differ by chance alone. Their
figures differ by about twice the standard error of the whole run's figure, so that an error below the noise says
nothing against the model.
"""

from __future__ import annotations

from collections.abc import Iterator

from windtunnel.harness.measures import Calls, figure, hops, is_quantile, quantile_share, requests, samples_needed
from windtunnel.harness.verdict import Comparison, ForecastError
from windtunnel.spec.parameters import Provenance
from windtunnel.spec.run import Run
from windtunnel.spec.scenario import Window

FEWEST = 20
"""Calls of a subject in a window, in either run, below which nothing about it is compared."""

DIFFERENCES = ("error_ratio", "timeout_ratio")
"""Metrics whose error is the difference itself: a relative one of 0 against 0 or 0.001 would mean nothing."""

METRICS = (
    *(f"latency_ms_{statistic}" for statistic in ("mean", "p50", "p90", "p95", "p99")),
    *(f"first_token_ms_{statistic}" for statistic in ("p50", "p90", "p95", "p99")),
    "throughput_per_s",
    *DIFFERENCES,
)


def compare(forecast: Run, measured: Run, provenance: Provenance | None = None) -> Comparison:
    """Every metric of the forecast against the measured one; what has too few samples is left out, with a warning.

    ``provenance`` is that of the parameters which the forecast used: a model that has seen the very run it
    forecasts proves nothing, and the comparison says so. p99 is compared where 20 samples lie beyond it, and left
    out without a warning elsewhere.
    """
    errors: list[ForecastError] = []
    skipped: dict[str, list[str]] = {}
    warnings = [*_differences(forecast, measured), *_seen_before(forecast, measured, provenance)]
    warnings += [
        f"{run.record.kind} run {run.record.id} does not observe {name}: {what} cannot be compared"
        for run in (forecast, measured)
        for name, what in (("first_token", "the first token"), ("spans", "single hops"))
        if name not in run.record.observes
    ]
    for window in measured.record.scenario.windows.spans():
        counterpart = forecast.record.scenario.windows.named(window.name)
        if window.name == "warm_up" or counterpart is None:
            continue
        imagined, seen = _subjects(forecast, counterpart), _subjects(measured, window)
        for subject in dict.fromkeys([*seen, *imagined]):  # the measured order, then what only the model knows
            if subject not in imagined or subject not in seen:
                only = "forecast" if subject in imagined else "measured"
                warnings.append(f"{window.name}, {subject}: called in the {only} run only")
                continue
            errors += _errors(window.name, subject, imagined[subject], seen[subject], skipped)
    warnings += [f"{why}: {', '.join(places)}" for why, places in skipped.items()]
    return Comparison(
        forecast=forecast.record.id, measured=measured.record.id, errors=tuple(errors), warnings=tuple(warnings)
    )


def _subjects(run: Run, window: Window) -> dict[str, Calls]:
    return {"total": requests(run, window)} | (hops(run, window) if "spans" in run.record.observes else {})


def _errors(
    window: str, subject: str, forecast: Calls, measured: Calls, skipped: dict[str, list[str]]
) -> Iterator[ForecastError]:
    """The errors that can be told; into ``skipped``, by the reason, where one cannot."""
    for metric in METRICS:
        ours, theirs = figure(metric, forecast), figure(metric, measured)
        if metric.startswith("first_token") and (min if subject != "total" else max)(ours.n, theirs.n) == 0:
            continue  # nobody streams here; of a hop: one of the two does not see its tokens
        enough = min(ours.n, theirs.n) >= FEWEST and ours.enough and theirs.enough
        if ours.value is None or theirs.value is None or not enough:
            needed = samples_needed(quantile_share(metric)) if is_quantile(metric) else FEWEST
            if not metric.endswith("_p99"):
                why = f"too few samples for {metric} ({needed} needed in both runs)"
                skipped.setdefault(why, []).append(f"{window} {subject} {min(ours.n, theirs.n)}")
            continue
        relative = metric not in DIFFERENCES
        if relative and theirs.value == 0:
            skipped.setdefault(f"no relative error of {metric}", []).append(f"{window} {subject} measured 0")
            continue
        difference = ours.value - theirs.value
        yield ForecastError(
            window=window,
            subject=subject,
            metric=metric,
            forecast=ours.value,
            measured=theirs.value,
            error=difference / theirs.value if relative else difference,
            relative=relative,
            n=theirs.n,
            noise=_noise(metric, measured, relative),
        )


def _noise(metric: str, measured: Calls, relative: bool) -> float | None:
    """|odd - even|, relative to their mean where the error is relative; None where a half has no figure."""
    odd = figure(metric, measured.where(measured.request % 2 == 1)).value
    even = figure(metric, measured.where(measured.request % 2 == 0)).value
    if odd is None or even is None or (relative and odd + even == 0):
        return None
    return abs(odd - even) / ((odd + even) / 2) if relative else abs(odd - even)


def _differences(forecast: Run, measured: Run) -> Iterator[str]:
    """Where the two runs did not do the same, in words."""
    for part in ("scenario", "architecture", "deployment"):
        ours, theirs = getattr(forecast.record, part), getattr(measured.record, part)
        fields = [name for name in type(ours).model_fields if getattr(ours, name) != getattr(theirs, name)]
        if fields:
            yield f"the runs differ in their {part}: {', '.join(fields)}"


def _seen_before(forecast: Run, measured: Run, provenance: Provenance | None) -> Iterator[str]:
    """Whether the forecast's parameters know the measured run already."""
    if forecast.record.kind != "forecast":
        yield f"{forecast.record.id} is a measured run, used here as a forecast"
    elif provenance is None:
        yield "it is not known which runs the forecast's parameters were fitted to"
    elif measured.record.id in provenance.runs:
        yield f"the forecast's parameters were fitted to {measured.record.id} itself: this error proves nothing"
