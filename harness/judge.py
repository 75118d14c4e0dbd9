"""Holds a run against its scenario's objectives, alike for a measured run and a forecast. Used by whoever makes runs.

The rules, for every objective of every window:

1. What the run does not observe is not observed; what cannot be computed is inconclusive. Neither is ever a pass.
2. A quantile needs 20 samples beyond it. With fewer it is judged only where more could not change the answer:
   where a quantile at the other side of the bound would show so few (or so many) samples beyond the bound with
   a probability below 1 in 1,000 (exact binomial test; a sign test on the quantile).
3. Ratios, means, the maximum, throughput and cost are about the window's own requests, and judged as they are.
4. An acknowledged write that could not be looked up may be lost: the objective has to hold either way to pass,
   and to be missed either way to fail. A run in which nothing was acknowledged says nothing about losses.
5. A run that cannot be trusted (a failed check, a fault that was not carried out or not proven, a part that the
   model does not know) decides nothing: its passes and its failures are inconclusive, with the reasons in words.

The verdict on the run is the worst of its objectives': fail, then inconclusive, then not observed, then pass.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pyarrow.compute as pc

from windtunnel.chaos.checkers.acknowledged_writes import acknowledged_writes
from windtunnel.chaos.checkers.recovery import LEAST, recovery
from windtunnel.harness.measures import (
    ENOUGH_BEYOND,
    Calls,
    Figure,
    figure_of,
    figure_of_counts,
    is_quantile,
    quantile_share,
    quantity,
    requests,
)
from windtunnel.harness.verdict import Judgement, Ruling, Verdict
from windtunnel.sim.answers.counted import counted, is_counted
from windtunnel.sim.answers.recovery import recovered_slices
from windtunnel.sim.answers.stale_reads import counts_stale_reads
from windtunnel.spec.objective import Bound
from windtunnel.spec.run import Run
from windtunnel.spec.scenario import Window

NO_DOUBT = 0.001
"""The probability below which more samples are taken to change nothing."""

WORST_FIRST = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.NOT_OBSERVED, Verdict.PASS)

Answer = tuple[Verdict, float | None, str]
"""Verdict, the metric's value, the reason in words."""


def judge(run: Run) -> Ruling:
    """Every objective of the run's scenario with its verdict, and the verdict on the run."""
    reasons = distrust(run)
    judgements = tuple(
        _judgement(run, window, metric, bound, reasons)
        for window in run.record.scenario.windows.spans()
        for metric, bound in run.record.scenario.objectives.get(window.name, {}).items()  # type: ignore[call-overload]
    )
    verdicts = {judgement.verdict for judgement in judgements} | ({Verdict.INCONCLUSIVE} if reasons else set())
    return Ruling(
        run=run.record.id,
        verdict=next(verdict for verdict in WORST_FIRST if verdict in verdicts),
        judgements=judgements,
        reasons=reasons,
    )


def distrust(run: Run) -> tuple[str, ...]:
    """Why nothing can be concluded from a run, one sentence each; empty: it can be trusted."""
    record = run.record
    reasons = [f"check {check.name} failed: {check.detail}" for check in record.checks if not check.ok]
    if record.kind == "forecast":
        return (*reasons, *(f"not modelled: {part}" for part in record.unmodelled))
    carried_out = Counter(injection.fault for injection in record.injections)
    for fault in record.scenario.faults:
        name = f"{fault.kind} {fault.target}"
        carried_out[name] -= 1
        if carried_out[name] < 0:
            reasons.append(f"fault {name} was not carried out")
    for injection in record.injections:
        if not injection.evidence:
            reasons.append(f"fault {injection.fault} is not proven: nobody looked at its effect")
        reasons += [
            f"fault {injection.fault} is not proven: {look.what}" for look in injection.evidence if not look.proven
        ]
    return tuple(reasons)


def _judgement(run: Run, window: Window, metric: str, bound: Bound, reasons: tuple[str, ...]) -> Judgement:
    verdict, value, reason = _answer(run, window, metric, bound)
    if reasons and verdict in (Verdict.PASS, Verdict.FAIL):
        verdict, reason = Verdict.INCONCLUSIVE, f"would {verdict}, but the run cannot be trusted; {reason}"
    return Judgement(window=window.name, metric=metric, bound=bound, value=value, verdict=verdict, reason=reason)


def _answer(run: Run, window: Window, metric: str, bound: Bound) -> Answer:
    if is_counted(run):
        return _of_counts(run, window, metric, bound)
    if unseen := _unseen(run, metric):
        return Verdict.NOT_OBSERVED, None, f"this {run.record.kind} run does not observe {unseen}"
    calls = requests(run, window)
    if not len(calls):
        return Verdict.INCONCLUSIVE, None, "no request was due in this window"
    if metric == "acknowledged_writes_lost":
        return _writes(run, calls, bound)
    if metric == "recovery_s":
        return _recovery(run, window, bound)
    seen = figure_of(run, window, metric, calls)
    if seen.value is None:
        return Verdict.INCONCLUSIVE, None, _no_value(run, metric, len(calls))
    if is_quantile(metric) and not seen.enough:
        return _small_quantile(metric, calls, seen, bound)
    return _held(bound, seen.value), seen.value, _figures(seen, calls)


def _of_counts(run: Run, window: Window, metric: str, bound: Bound) -> Answer:
    """Of a forecast of very many requests, which keeps sketches: a quantile of them is off by less than 0.4 %."""
    if metric == "recovery_s":
        return _recovery_of_counts(run, window, bound)
    requests_due = counted(run, window).requests
    if not requests_due:
        return Verdict.INCONCLUSIVE, None, "no request was due in this window"
    found = figure_of_counts(run, window, metric)
    if found is None:
        unseen = "reads by their operations" if metric == "stale_read_ratio" else "each of its requests"
        return Verdict.NOT_OBSERVED, None, f"this {run.record.kind} run counts: it does not keep {unseen}"
    if found.value is None:
        return Verdict.INCONCLUSIVE, None, _no_value(run, metric, requests_due)
    if is_quantile(metric) and not found.enough:
        sketch = counted(run, window).sketches[quantity(metric).removesuffix("_ms")]
        above = 0 if bound.max is None else round(found.n * sketch.share_above(bound.max))
        below = 0 if bound.min is None else round(found.n * (1 - sketch.share_above(bound.min)))
        return _few(metric, found, bound, above, below, f"{found.n} requests, counted")
    return _held(bound, found.value), found.value, f"{found.n} requests, counted"


def _unseen(run: Run, metric: str) -> str | None:
    """What a metric needs and the run does not observe, in words; None: nothing."""
    needed = {"acknowledged_writes_lost": "writes", "retry_amplification": "spans"}.get(metric, "samples")
    if metric.startswith("first_token_ms"):
        needed = "first_token"
    if needed not in run.record.observes:
        return needed
    if metric == "stale_read_ratio" and not counts_stale_reads(run):
        return "stale reads"
    if metric == "cost_per_1000" and not pc.any(pc.equal(run.series["name"], "replicas")).as_py():
        return "replicas"
    return None


def _no_value(run: Run, metric: str, requests: int) -> str:
    """Why there is no figure of so many requests, in words."""
    match metric:
        case "cost_per_1000" if run.record.deployment.costs is None:
            return f"the deployment {run.record.deployment.name} has no costs"
        case "cost_per_1000":
            return f"none of {requests} requests succeeded: there is nothing to share the cost"
        case "retry_amplification" | "stale_read_ratio":
            return "no call was made that tells"
        case _:
            of = quantity(metric) if is_quantile(metric) else metric.rpartition("_")[0]
            return f"none of {requests} requests has a {of}"


def _held(bound: Bound, value: float) -> Verdict:
    return Verdict.PASS if bound.holds(value) else Verdict.FAIL


def _figures(seen: Figure, calls: Calls) -> str:
    beyond = "" if seen.beyond is None else f", {seen.beyond} beyond"
    failed = int((~calls.succeeded).sum())
    return f"{seen.n} samples{beyond}; {failed} of {len(calls)} requests failed"


def _small_quantile(metric: str, calls: Calls, seen: Figure, bound: Bound) -> Answer:
    """Rule 2, for a quantile with too few samples beyond it."""
    values = calls.values(quantity(metric))
    above = 0 if bound.max is None else int((values > bound.max).sum())
    below = 0 if bound.min is None else int((values < bound.min).sum())
    return _few(metric, seen, bound, above, below, _figures(seen, calls))


def _few(metric: str, seen: Figure, bound: Bound, above: int, below: int, figures: str) -> Answer:
    """The same from how many values lie ``above`` and ``below`` the bound."""
    share = float(quantile_share(metric))
    sides = []
    if bound.max is not None:  # held: at most 1 - q of all values exceed the bound
        sides.append(_doubtless(above, seen.n, 1 - share))
    if bound.min is not None:  # held: at most q of all values fall short of it
        sides.append(_doubtless(below, seen.n, share))
    verdict = next(v for v in WORST_FIRST if v in sides)
    if verdict is Verdict.INCONCLUSIVE:
        return verdict, seen.value, f"{seen.beyond} of {seen.n} samples beyond the quantile, {ENOUGH_BEYOND} needed"
    return verdict, seen.value, f"{figures}; only {seen.beyond} beyond, yet more could not change the answer"


def _doubtless(outside: int, n: int, share: float) -> Verdict:
    """Whether ``outside`` of n samples outside a bound can be chance where a share of them is allowed to be."""
    if sum(_binomial(k, n, share) for k in range(outside + 1)) < NO_DOUBT:
        return Verdict.PASS
    if sum(_binomial(k, n, share) for k in range(outside, n + 1)) < NO_DOUBT:
        return Verdict.FAIL
    return Verdict.INCONCLUSIVE


def _binomial(k: int, n: int, p: float) -> float:
    """P(X = k), X ~ B(n, p); by logarithms, since the coefficients outgrow a float."""
    choose = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(choose + k * math.log(p) + (n - k) * math.log1p(-p))


def _writes(run: Run, calls: Calls, bound: Bound) -> Answer:
    """Rule 4."""
    if not len(run.writes):
        return Verdict.INCONCLUSIVE, None, "no write was acknowledged in the whole run: nothing could be lost"
    found = acknowledged_writes(run.writes.filter(np.isin(run.writes["request"].to_numpy(), calls.request)))
    lost = len(found.lost)
    best, worst = _held(bound, lost), _held(bound, lost + len(found.unknown))
    return best if best is worst else Verdict.INCONCLUSIVE, float(lost), str(found)


def _recovery(run: Run, window: Window, bound: Bound) -> Answer:
    """Seconds from the last heal until requests succeed again for good; a service that never does has failed."""
    healed_at_s = _healed_at_s(run)
    if healed_at_s >= window.end_s:
        return Verdict.INCONCLUSIVE, None, f"healed only at {healed_at_s:.1f} s, after the window's end"
    found = recovery(run.samples, healed_at_s, window.end_s)
    if not found.enough:
        return Verdict.INCONCLUSIVE, None, found.detail
    return Verdict.FAIL if found.seconds is None else _held(bound, found.seconds), found.seconds, found.detail


def _recovery_of_counts(run: Run, window: Window, bound: Bound) -> Answer:
    """The same, as exactly as the run's slices are short."""
    healed_at_s = _healed_at_s(run)
    if healed_at_s >= window.end_s:
        return Verdict.INCONCLUSIVE, None, f"healed only at {healed_at_s:.1f} s, after the window's end"
    succeeded = run.slices.set_column(run.slices.schema.get_field_index("good"), "good", run.slices["ok"])
    found = recovered_slices(succeeded, healed_at_s=healed_at_s, until_s=window.end_s)
    if found is None:
        return Verdict.INCONCLUSIVE, None, "no request was due between the heal and the end"
    if found.seconds is None:
        return Verdict.FAIL, None, "requests still failed at the end, counted"
    begin_s, ok = (run.slices[name].to_numpy() for name in ("begin_s", "ok"))
    good = int(ok[(begin_s >= healed_at_s + found.seconds) & (begin_s < window.end_s)].sum())
    if good < LEAST:
        return Verdict.INCONCLUSIVE, None, f"only {good} requests succeeded for good, {LEAST} are needed"
    length_s = run.record.scenario.windows.total_s / len(run.slices)
    return _held(bound, found.seconds), found.seconds, f"known to {length_s:.2g} s, from requests that were counted"


def _healed_at_s(run: Run) -> float:
    """When the last fault was gone: as it was carried out, else at the end of its window."""
    scenario = run.record.scenario
    planned = [window.end_s for fault in scenario.faults if (window := scenario.windows.named(fault.at))]
    return max([injection.healed_at_s for injection in run.record.injections] or planned)
