"""Parameters learnt from measured runs at a load so low that nobody queues. Used by the harness.

For each call ``caller->callee:op``:

- link_ms     the caller's time minus the callee's (its server span), where the callee is traced; of the client's
              call: the request's whole latency minus that of the first server span
- service_ms  the callee's time minus the union of the calls it made meanwhile and minus what it waited for (a slot,
              a connection); of an untraced callee (database, cache) the caller's time stands for it
- an LLM's    first_token_ms from admission on, token_ms = (time - wait - first token) / (tokens - 1), output_tokens

- warmth      of an untraced callee: the median, over its calls after so much idleness, of a call's time over the
              median of its operation. Calls are slower after a pause (cold caches, a core that has to wake), and a
              higher rate leaves fewer pauses: without this a forecast at three times the rate is a tenth too slow

Only requests that went as they should count: successful, each call successful at its first attempt, in a judged
window without a fault. Distributions are the observed quantiles, tails included. Negative differences of two clocks'
durations are noise around nothing and count as 0.

Processor time per request is what a component used divided by the requests that came; what it uses when idle is
in there, so that it is an upper bound, the closer the higher the rate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from windtunnel.sim.statistics import empirical, quantile_interval
from windtunnel.spec.architecture import CLIENT, LLM, SUCCESSES, Architecture, Call, Parallel, Step
from windtunnel.spec.parameters import CallParameters, Estimate, Parameters, Provenance, Warmth, factor_of
from windtunnel.spec.problem import Problem, SpecError
from windtunnel.spec.run import Run
from windtunnel.spec.scenario import Scenario, Window

Row = Mapping[str, Any]
"""Of spec.run.SPANS."""
MACHINE = "host"
"""The series of a measured run that holds the whole machine, not a component."""


IDLE_UP_TO_MS = (20.0, 60.0, float("inf"))
LEAST_PER_WARMTH = 30


@dataclass(frozen=True)
class Visit:
    """A call with what its caller and its callee saw of it."""

    caller_ms: float
    inside: Row
    """The callee's span, or the caller's where the callee is not traced."""
    traced: bool
    self_ms: float
    """The callee's time without its own calls and its waiting."""
    idle_ms: float = 0.0
    """How long the callee had not been called by anybody."""


def calibrate(runs: Sequence[Run]) -> Parameters:
    """Fit parameters to measured runs of one architecture.

    Raises SpecError when there is no run, when runs differ in their architecture, when one is a forecast or does not
    observe what is needed, and, for each call that the loaded flows declare (those under failures apart), when it
    was never seen.
    """
    architecture = _one_architecture(runs)
    visits: defaultdict[str, list[Visit]] = defaultdict(list)
    requests, seconds = 0, 0.0
    for run in runs:
        windows = _quiet_windows(run.record.scenario)
        seconds += sum(window.end_s - window.start_s for window in windows)
        intended_s = run.samples["intended_s"].to_numpy()
        requests += sum(int(((intended_s >= w.start_s) & (intended_s < w.end_s)).sum()) for w in windows)
        for key, visit in _visits(run, architecture, windows):
            visits[key].append(visit)
    flows = {flow for run in runs for flow in run.record.scenario.load.flows}
    unseen = [
        Problem(
            f"calls.{key}",
            f"no successful call among {requests} requests",
            "at least one: measure longer, or with a load that makes it",
        )
        for key in _expected(architecture, sorted(flows))
        if key not in visits
    ]
    if unseen:
        raise SpecError(unseen)
    first = runs[0].record
    warmth = _warmth(visits)
    return Parameters(
        architecture=architecture.name,
        calls={key: _parameters(found, architecture, key, warmth) for key, found in sorted(visits.items())},
        warmth=warmth,
        cpu_ms=_processor_ms(runs, requests / seconds),
        provenance=Provenance(
            runs=tuple(run.record.id for run in runs),
            rate_per_s=requests / seconds,
            measured_at=max(run.record.created_at or "" for run in runs),
            host=first.host,
            cores=round(sum(host.cores for host in first.deployment.hosts.values())),
            backend=first.backend,
            version=first.version,
        ),
    )


def _one_architecture(runs: Sequence[Run]) -> Architecture:
    if not runs:
        raise SpecError([Problem("runs", "none", "at least one measured run")])
    problems = []
    for run in runs:
        record = run.record
        if record.kind != "measured":
            problems.append(Problem(record.id, "a forecast", "a measured run: a model must not learn from itself"))
        if record.architecture != runs[0].record.architecture:
            problems.append(Problem(record.id, "another architecture", f"the one of {runs[0].record.id}"))
        missing = {"samples", "spans"} - set(record.observes)
        if missing:
            problems.append(
                Problem(record.id, f"a run without {', '.join(sorted(missing))}", "a run that observes them")
            )
        elif not _quiet_windows(record.scenario):
            problems.append(Problem(record.id, "a fault in every window", "a window `before` or `during` without one"))
    if problems:
        raise SpecError(problems)
    return runs[0].record.architecture


def _quiet_windows(scenario: Scenario) -> tuple[Window, ...]:
    """The judged windows up to the first fault: after one, a service may still be recovering."""
    quiet = []
    for window in scenario.windows.spans():
        if any(fault.at == window.name for fault in scenario.faults):
            break
        if window.name != "warm_up":
            quiet.append(window)
    return tuple(quiet)


def _expected(architecture: Architecture, flows: Iterable[str]) -> Iterator[str]:
    """The calls that requests make when all goes well. What happens only by chance, or in a worker, may not be seen."""

    def below(caller: str, steps: Sequence[Step]) -> Iterator[str]:
        for step in steps:
            if isinstance(step, Parallel):
                for branch in step.parallel:
                    yield from below(caller, branch)
            if not isinstance(step, Call):
                continue
            yield f"{caller}->{step.call}:{step.op}"
            yield from below(step.call, step.steps)
            for outcome, then in step.on.items():
                if outcome in SUCCESSES:
                    yield from below(caller, then)

    for flow in flows:
        yield from dict.fromkeys(below(CLIENT, architecture.flows[flow].steps))


def _visits(run: Run, architecture: Architecture, windows: Sequence[Window]) -> Iterator[tuple[str, Visit]]:
    """Every call of every request that went as it should, by ``caller->callee:op``."""
    latency_ms = {
        row["request"]: (row["done_s"] - row["intended_s"]) * 1000
        for row in run.samples.to_pylist()
        if row["outcome"] in SUCCESSES and any(w.start_s <= row["intended_s"] < w.end_s for w in windows)
    }
    flow_of = dict(zip(run.samples["request"].to_pylist(), run.samples["flow"].to_pylist(), strict=True))
    spans: defaultdict[int, list[Row]] = defaultdict(list)
    for row in _with_idleness(run.spans.to_pylist()):
        if row["request"] in latency_ms:
            spans[row["request"]].append(row)
    for request, rows in spans.items():
        if all(row["outcome"] in SUCCESSES and row["attempt"] == 0 for row in rows):
            entry = architecture.flows[flow_of[request]].steps[0]
            yield from _of_request(rows, entry, latency_ms[request])


def _of_request(rows: Sequence[Row], entry: Call, latency_ms: float) -> Iterator[tuple[str, Visit]]:
    made: defaultdict[tuple[str, str, str], list[Row]] = defaultdict(list)
    answered: defaultdict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["start_s"]):
        caller = row["caller"]
        if row["kind"] == "server" and row["callee"] == entry.call and caller in ("", CLIENT):
            answered[CLIENT, entry.call, entry.op].append(row)
        else:
            (made if row["kind"] == "client" else answered)[caller, row["callee"], row["op"]].append(row)
    for place, servers in answered.items():
        clients = made.pop(place, [])
        if place[0] == CLIENT and len(servers) == 1:
            yield _key(place), Visit(latency_ms, servers[0], True, _self_ms(servers[0], place[1], rows))
        elif len(clients) == len(servers):  # else a span was lost, and nobody knows whose
            for client, server in zip(clients, servers, strict=True):
                yield _key(place), Visit(client["duration_ms"], server, True, _self_ms(server, place[1], rows))
    for place, clients in made.items():
        if place[0] != CLIENT:
            for client in clients:
                own_ms = _self_ms(client, place[1], rows)
                yield _key(place), Visit(client["duration_ms"], client, False, own_ms, client["idle_ms"])


def _key(place: tuple[str, str, str]) -> str:
    return f"{place[0]}->{place[1]}:{place[2]}"


def _self_ms(span: Row, component: str, rows: Sequence[Row]) -> float:
    """A span's time without the union of the calls that the component made meanwhile and without its waiting."""
    begin_s, end_s = span["start_s"], span["start_s"] + span["duration_ms"] / 1000
    calls = sorted(
        (max(row["start_s"], begin_s), min(row["start_s"] + row["duration_ms"] / 1000, end_s))
        for row in rows
        if row["kind"] == "client"
        and row["caller"] == component
        and (span["kind"] == "client" or row["replica"] == span["replica"])
    )
    covered_s, until_s = 0.0, begin_s
    for start_s, stop_s in calls:
        covered_s += max(0.0, stop_s - max(start_s, until_s))
        until_s = max(until_s, stop_s)
    alone_ms: float = span["duration_ms"] - covered_s * 1000 - (span["wait_ms"] or 0.0)
    return max(0.0, alone_ms)


def _with_idleness(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every client span with ``idle_ms``, the time since the last call to the same component had ended."""
    until_s: dict[str, float] = {}
    for row in sorted(rows, key=lambda row: row["start_s"]):
        if row["kind"] == "client":
            last_s = until_s.get(row["callee"], -float("inf"))
            row["idle_ms"] = max(0.0, row["start_s"] - last_s) * 1000
            until_s[row["callee"]] = max(last_s, row["start_s"] + row["duration_ms"] / 1000)
    return rows


def _warmth(visits: Mapping[str, Sequence[Visit]]) -> dict[str, tuple[Warmth, ...]]:
    """Factors by component and idleness; a class of idleness that was hardly seen is joined to the next."""
    relative: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for key, found in visits.items():
        untraced = [visit for visit in found if not visit.traced]
        middle_ms = float(np.median([visit.self_ms for visit in untraced])) if untraced else 0.0
        if middle_ms > 0:
            relative[_callee(key)] += [(visit.idle_ms, visit.self_ms / middle_ms) for visit in untraced]
    warmth = {}
    for callee, pairs in sorted(relative.items()):
        classes: list[Warmth] = []
        waiting: list[float] = []
        above_ms = 0.0
        for up_to_ms in IDLE_UP_TO_MS:
            waiting += [factor for idle_ms, factor in pairs if above_ms <= idle_ms < up_to_ms or idle_ms == up_to_ms]
            above_ms = up_to_ms
            if len(waiting) >= LEAST_PER_WARMTH:
                bound = None if up_to_ms == float("inf") else up_to_ms
                classes.append(Warmth(idle_up_to_ms=bound, factor=float(np.median(waiting)), n=len(waiting)))
                waiting = []
        if classes and classes[-1].idle_up_to_ms is not None:  # too few long pauses
            classes[-1] = classes[-1].model_copy(update={"idle_up_to_ms": None})
        if classes:
            warmth[callee] = tuple(classes)
    return warmth


def _callee(key: str) -> str:
    return key.partition("->")[2].partition(":")[0]


def _parameters(
    visits: Sequence[Visit], architecture: Architecture, key: str, warmth: Mapping[str, tuple[Warmth, ...]]
) -> CallParameters:
    callee = _callee(key)
    classes = warmth.get(callee, ())
    traced = [visit for visit in visits if visit.traced]
    link_ms = [max(0.0, v.caller_ms - v.inside["duration_ms"]) for v in traced]
    streamed = [v for v in visits if v.inside["first_token_ms"] is not None and v.inside["tokens"]]
    if not isinstance(architecture.components[callee], LLM) or not streamed:
        return CallParameters(
            link_ms=_estimate(link_ms) if link_ms else None,
            service_ms=_estimate([visit.self_ms / factor_of(classes, visit.idle_ms) for visit in visits]),
        )
    first_ms = [v.inside["first_token_ms"] for v in streamed]
    paced = [v for v in streamed if v.inside["tokens"] > 1]
    token_ms = [max(0.0, (v.self_ms - v.inside["first_token_ms"]) / (v.inside["tokens"] - 1)) for v in paced]
    # The pace of the tokens explains all that is left of an answer, except of one that is a single token.
    rest_ms = [max(0.0, v.self_ms - v.inside["first_token_ms"]) if v.inside["tokens"] == 1 else 0.0 for v in streamed]
    return CallParameters(
        link_ms=_estimate(link_ms) if link_ms else None,
        service_ms=_estimate(rest_ms),
        first_token_ms=_estimate(first_ms),
        token_ms=_estimate(token_ms or [0.0]),
        output_tokens=_estimate([v.inside["tokens"] for v in streamed]),
    )


def _estimate(values: Sequence[float]) -> Estimate:
    median = quantile_interval(values, 0.5)
    return Estimate(distribution=empirical(values), n=len(values), median_low=median.low, median_high=median.high)


def _processor_ms(runs: Sequence[Run], rate_per_s: float) -> dict[str, float]:
    """Milliseconds of one core per request, by who used them."""
    cores: defaultdict[str, list[float]] = defaultdict(list)
    for run in runs:
        windows = _quiet_windows(run.record.scenario)
        machines = {MACHINE, *run.record.deployment.hosts}
        for row in run.series.to_pylist():
            inside = any(window.start_s <= row["at_s"] <= window.end_s for window in windows)
            if inside and row["name"] == "cpu_share" and row["component"] not in machines:
                cores[row["component"]].append(row["value"])
    return {who: round(float(np.mean(used)) / rate_per_s * 1000, 4) for who, used in sorted(cores.items())}
