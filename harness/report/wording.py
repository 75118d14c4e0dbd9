"""How figures read: one wording for the terminal, the HTML file and JUnit."""

from __future__ import annotations

from windtunnel.harness.verdict import ForecastError
from windtunnel.spec.load import Load
from windtunnel.spec.objective import Bound
from windtunnel.spec.scenario import Scenario


def unit(metric: str) -> str:
    """``ms`` of ``latency_ms_p90``, ``%`` of a ratio, nothing of a count."""
    if metric.endswith("_ratio"):
        return "%"
    if metric.endswith("_per_s"):
        return "/s"
    return "ms" if "_ms" in metric else "s" if metric.endswith("_s") else ""


def title(metric: str) -> str:
    """``latency p90`` of ``latency_ms_p90``, ``recovery`` of ``recovery_s``."""
    plain = metric.replace("_ms", "").replace("p99_9", "p99.9").removesuffix("_per_s").removesuffix("_s")
    return plain.replace("_", " ")


def number(value: float) -> str:
    """Three significant figures, whole from 100 on, with thousands separated."""
    size = abs(value)
    if size < 0.9995:
        return f"{value:.3g}"
    text = f"{value:,.{0 if size >= 99.95 else 1 if size >= 9.995 else 2}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def amount(metric: str, value: float | None) -> str:
    """A metric's value with its unit: ``412 ms``, ``1.25 %``; ``-`` where there is none."""
    if value is None:
        return "-"
    sign = unit(metric)
    return f"{number(value * 100 if sign == '%' else value)} {sign}".strip()


def change(metric: str, before: float, after: float) -> str:
    """``326 → 301 ms``: two values of a metric, the unit once."""
    return f"{amount(metric, before).removesuffix(unit(metric)).strip()} → {amount(metric, after)}"


def bound(metric: str, limits: Bound) -> str:
    """``<= 400 ms``, ``>= 5 /s``, ``5 to 9 s``."""
    if limits.min is None:
        return f"<= {amount(metric, limits.max)}"
    if limits.max is None:
        return f">= {amount(metric, limits.min)}"
    return f"{amount(metric, limits.min)} to {amount(metric, limits.max)}"


def error(found: ForecastError) -> str:
    """``+9.1 %`` of a relative error, ``+1.2 pp`` (percentage points) of a difference of ratios."""
    return signed(found.error, found.relative)


def signed(value: float, relative: bool) -> str:
    """A share as ``+9.1 %``, a difference of shares as ``+9.1 pp``."""
    return f"{value * 100:+.1f} {'%' if relative else 'pp'}"


def within_noise(found: ForecastError) -> bool:
    """Whether the error is no larger than two halves of the measured run differ from each other."""
    return found.noise is not None and abs(found.error) <= found.noise


def load(asked: Load) -> str:
    """``poisson arrivals, 12 /s: chat 80 %, history 20 %``; of other arrivals what they are made of."""
    whole = sum(asked.flows.values())
    flows = ", ".join(f"{name} {weight / whole * 100:.3g} %" for name, weight in asked.flows.items())
    said = [f"{number(asked.rate_per_s)} /s"] if asked.rate_per_s is not None else []
    if asked.cv is not None:
        said.append(f"coefficient of variation {number(asked.cv)}")
    if asked.states is not None:
        said.append(", ".join(f"{number(each.rate_per_s)} /s for {number(each.mean_s)} s" for each in asked.states))
    if asked.amplitude is not None and asked.period_s is not None:
        said.append(f"up and down by {asked.amplitude * 100:.3g} % in {number(asked.period_s)} s")
    if asked.peak_per_s is not None and asked.at_s is not None:
        said.append(f"{number(asked.peak_per_s)} /s from second {number(asked.at_s)} on")
    if asked.trace is not None:
        said.append(f"{asked.trace.name} at {number(asked.speed)} times its speed")
    if asked.think_ms is not None:
        said.append(f"{asked.users} users who think for {number(asked.think_ms.mean() / 1000)} s")
    return f"{asked.arrivals} arrivals, {', '.join(said)}: {flows}"


def windows(asked: Scenario) -> str:
    """``warm-up 3 s, before 10 s, during 8 s, after 14 s``."""
    return ", ".join(
        f"{window.name.replace('_', '-')} {number(window.end_s - window.start_s)} s" for window in asked.windows.spans()
    )


def faults(asked: Scenario) -> str:
    """``outage app->db (during)``; ``none``."""
    return ", ".join(f"{fault.kind} {fault.target} ({fault.at})" for fault in asked.faults) or "none"
