"""Which features of the model a drawing has, by the words of the capacity simulator's list. Used by the tests."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import pyarrow as pa
from pydantic import BaseModel

from tests.sim.equality.drawings import GRIDS_MS, Drawing
from windtunnel.spec.architecture import (
    LLM,
    Adaptive,
    Cache,
    Call,
    Choose,
    CoDel,
    Database,
    Enqueue,
    Gateway,
    Link,
    Parallel,
    Queue,
    Repeat,
    Service,
    Station,
    Step,
    WaitLimit,
)
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.parameters import Parameters
from windtunnel.spec.scenario import Scenario

SOON_S = 0.2
"""A message that has to be finished within that is sometimes not, in a drawing."""
FEATURES = frozenset(
    """
    sequence, nested calls, choose, parallel all, parallel first k, repeat times, repeat until, enqueue, streaming,
    on hit, on miss, on timeout, on open, on rejected, on error, optional,
    several flows, priorities, tenants,
    replicas, discipline fifo, discipline priority, discipline preemptive, processor sharing, cpu_ms, shared host,
    bounded queue, codel, deadline shed, fixed limit, adaptive limit, rate limit all, rate limit tenant, crash,
    ttl fetch, ttl hit, lru, hit ratio, warm, cold, singleflight,
    workers, redelivery, dead letters,
    on_timeout cancel, on_timeout abandon, retries, jitter none, jitter full, jitter equal, jitter decorrelated,
    budget, breaker failures, breaker ratio, hedge, propagated deadline, call deadline, pool, pool time-out,
    balance round_robin, balance random, balance least_requests, balance power_of_two, balance hash, ejection,
    health checks,
    batch slowdown, prefill, requests per minute, tokens per minute, prefix cache,
    standbys, reads, failover, lag,
    autoscale target, autoscale steps,
    fault latency, fault bandwidth, fault blackhole, fault reset, fault outage, fault slow_close, fault fragmentation,
    fault truncation, fault toxic, fault kill, fault brownout, fault zone_outage, fault random_outages,
    arrivals poisson, arrivals constant, arrivals gamma, arrivals mmpp, arrivals diurnal, arrivals flash,
    arrivals trace, arrivals closed,
    measured times, measured cpu, warmth, beside,
    constant, exponential, lognormal, uniform, empirical, gamma, weibull, pareto, hyperexponential,
    ties
    """.replace("\n    ", " ").strip(" \n").split(", ")
)  # fmt: skip
"""All that there are."""
COUNTERS = ("queue", "retries", "dead_letters", "evictions", "stale_reads", "breaker_open", "tokens_in", "tokens_out")
"""Series that are 0 where nothing of the kind has happened."""


def features(drawing: Drawing) -> set[str]:
    """Those of one drawing."""
    architecture, deployment, scenario = drawing.architecture, drawing.deployment, drawing.scenario
    found = set(_of_flows(drawing))
    for name, component in architecture.components.items():
        found.update(_of_component(component))
        if isinstance(component, Gateway) and len(architecture.callees(name)):
            found.add("health checks")
    for link in architecture.links:
        found.update(_of_link(link))
    found.update(_of_deployment(deployment, [*architecture.components]))
    found.update(_of_scenario(scenario))
    if drawing.parameters is not None:
        found.update(_of_parameters(drawing.parameters))
    parts: list[BaseModel] = [architecture, scenario]
    found.update(chain.from_iterable(map(_quantities, parts)))
    if _tied(drawing):
        found.add("ties")
    return found


def _of_flows(drawing: Drawing) -> Iterator[str]:
    flows = drawing.architecture.flows.values()
    if len(flows) > 1:
        yield "several flows"
    if len({flow.priority for flow in flows}) > 1:
        yield "priorities"
    for flow in flows:
        for call in flow.steps:
            yield from _of_steps(call.steps, 0)


def _of_steps(steps: tuple[Step, ...], depth: int) -> Iterator[str]:
    """``depth``: calls around these."""
    if len(steps) > 1:
        yield "sequence"
    for step in steps:
        match step:
            case Call():
                yield from _of_call(step, depth)
            case Choose():
                yield "choose"
                for branch in step.choose:
                    yield from _of_steps(branch.steps, depth)
            case Parallel():
                yield "parallel all" if step.need == len(step.parallel) else "parallel first k"
                for inner in step.parallel:
                    yield from _of_steps(inner, depth)
            case Repeat():
                yield "repeat until" if step.until else "repeat times"
                yield from _of_steps(step.repeat, depth)
            case Enqueue():
                yield "enqueue"
                yield from _of_steps(step.steps, depth)


def _of_call(call: Call, depth: int) -> Iterator[str]:
    if depth:
        yield "nested calls"
    if call.streams:
        yield "streaming"
    if call.reads:
        yield "reads"
    if call.optional:
        yield "optional"
    yield from _of_steps(call.steps, depth + 1)
    for outcome, then in call.on.items():
        if outcome != "ok":
            yield f"on {outcome}"
        yield from _of_steps(then, depth)


def _of_component(component: BaseModel) -> Iterator[str]:
    if isinstance(component, Station):
        yield from _of_station(component)
    match component:
        case Service(consumes=consumes) if consumes is not None:
            yield "workers"
        case Database(standbys=standbys) if standbys:
            yield "standbys"
            if component.failover is not None:
                yield "failover"
            if component.replication_lag_ms is not None:
                yield "lag"
        case Cache():
            yield f"ttl {component.ttl_resets_on}"
            yield component.start
            if component.hit_ratio is not None:
                yield "hit ratio"
            if component.max_entries is not None:
                yield "lru"
            if component.singleflight:
                yield "singleflight"
        case LLM():
            yield from _of_llm(component)
        case Queue(visibility_timeout_s=visible_s) if visible_s < SOON_S:
            yield "dead letters"
            if component.max_receives > 1:
                yield "redelivery"


def _of_station(station: Station) -> Iterator[str]:
    if station.places is not None or isinstance(station.shed, Adaptive):
        yield f"discipline {station.discipline}"
        if station.queue_limit is not None:
            yield "bounded queue"
    if station.places is not None:
        yield "fixed limit"
    match station.shed:
        case CoDel():
            yield "codel"
        case WaitLimit():
            yield "deadline shed"
        case Adaptive():
            yield "adaptive limit"
    if station.rate_limit is not None:
        yield f"rate limit {station.rate_limit.per}"
    if station.processor_bound:
        yield "processor sharing"
    if station.cpu_ms is not None:
        yield "cpu_ms"
    if station.crash is not None:
        yield "crash"


def _of_llm(llm: LLM) -> Iterator[str]:
    if llm.batch_slowdown:
        yield "batch slowdown"
    if llm.prefill_ms_per_token:
        yield "prefill"
    if llm.requests_per_minute is not None:
        yield "requests per minute"
    if llm.tokens_per_minute is not None:
        yield "tokens per minute"
    if llm.prefix_cache is not None:
        yield "prefix cache"


def _of_link(link: Link) -> Iterator[str]:
    yield f"balance {link.balance}"
    if link.on_timeout is not None:
        yield f"on_timeout {link.on_timeout}"
    if link.retries is not None:
        yield "retries"
        yield f"jitter {link.retries.jitter}"
        if link.retries.budget is not None:
            yield "budget"
    if link.breaker is not None:
        yield "breaker ratio" if link.breaker.failures is None else "breaker failures"
    said = {
        "hedge": link.hedge,
        "ejection": link.ejection,
        "propagated deadline": link.propagates_deadline,
        "call deadline": link.deadline_ms,
        "pool": link.pool if link.caller != "client" else None,
        "pool time-out": link.pool_timeout_ms if link.caller != "client" else None,
    }
    yield from (name for name, value in said.items() if value)


def _of_deployment(deployment: Deployment, components: list[str]) -> Iterator[str]:
    hosts = [deployment.host(name) for name in components]
    if len(set(hosts)) < len(hosts):
        yield "shared host"
    for placement in deployment.place.values():
        if placement.replicas > 1:
            yield "replicas"
        if placement.autoscale is not None:
            yield f"autoscale {placement.autoscale.rule.kind}"


def _of_scenario(scenario: Scenario) -> Iterator[str]:
    yield f"arrivals {scenario.load.arrivals}"
    if scenario.load.tenants.distinct > 1:
        yield "tenants"
    yield from (f"fault {fault.kind}" for fault in scenario.faults)


def _of_parameters(parameters: Parameters) -> Iterator[str]:
    yield "measured times"
    if parameters.warmth:
        yield "warmth"
    beside = {"client", "proxy"} & set(parameters.cpu_ms)
    if beside:
        yield "beside"
    if len(parameters.cpu_ms) > len(beside):
        yield "measured cpu"


def _quantities(part: object) -> Iterator[str]:
    """The kinds of all distributions in it."""
    if isinstance(part, dict):
        part = tuple(part.values())
    if isinstance(part, (tuple, list)):
        yield from chain.from_iterable(map(_quantities, part))
    elif isinstance(part, BaseModel):
        if hasattr(part, "second_moment"):
            yield str(getattr(part, "kind", ""))
        yield from chain.from_iterable(_quantities(getattr(part, name)) for name in type(part).model_fields)


def _tied(drawing: Drawing) -> bool:
    """Whether all limits of its calls are multiples of one grid."""
    limits_ms = [link.timeout_ms for link in drawing.architecture.links]
    return any(all(limit_ms % grid_ms == 0 for limit_ms in limits_ms) for grid_ms in GRIDS_MS)


def seen(tables: dict[str, pa.Table]) -> set[str]:
    """What has become of them: kinds of ends, and counters that have moved, in the answers of an engine."""
    found = {f"ended {outcome}" for outcome in tables["spans"]["outcome"].to_pylist()}
    highest = tables["series"].group_by("name").aggregate([("value", "min"), ("value", "max")]).to_pylist()
    values = {row["name"]: (row["value_min"], row["value_max"]) for row in highest}
    found.update(name for name in COUNTERS if values.get(name, (0, 0))[1] > 0)
    if values.get("replicas", (0, 0))[1] > 3:
        found.add("scaled up")
    return found
