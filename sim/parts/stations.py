"""Components become stations: how much of each there is, and how it treats who comes. Used by the compiler."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from windtunnel.sim.model import (
    Adaptive,
    AutoscalePolicy,
    CachePolicy,
    CoDel,
    LLMPolicy,
    QueuePolicy,
    Reign,
    Station,
    TokenBucket,
    WaitLimit,
)
from windtunnel.spec import station as said
from windtunnel.spec.architecture import Architecture
from windtunnel.spec.autoscale import Autoscale, StepRule, TargetRule
from windtunnel.spec.component import LLM, Cache, Component, Database, Queue, Service
from windtunnel.spec.deployment import Deployment, Placement
from windtunnel.spec.parameters import Parameters

TRACED = ("gateway", "service", "llm")


def compile_station(
    name: str,
    architecture: Architecture,
    deployment: Deployment,
    parameters: Parameters | None,
    visits: float,
    reigns: Sequence[Reign],
    places: Mapping[str, int],
) -> Station:
    """A component as the model has it.

    ``visits``: by an average request; ``places``: of the stations, by name.
    """
    component = architecture.components[name]
    placement = deployment.place.get(name, Placement())
    copies = copies_of(name, architecture, deployment)
    consumes = component.consumes if isinstance(component, Service) else None
    works = component if isinstance(component, said.Station) else None
    return Station(
        name=name,
        replicas=most_copies_of(name, architecture, deployment),
        initial=copies,
        host=list(deployment.hosts).index(deployment.host(name)),
        slots=works.places if works else None,
        queue_limit=_queue_limit(works) if works else None,
        discipline=works.discipline if works else "fifo",
        shed=_shed(works.shed) if works else None,
        rate_limit=_token_bucket(works.rate_limit) if works else None,
        traced=component.kind in TRACED,
        cpu_s=_cpu_s(name, works, parameters, visits) if works else 0.0,
        single_threaded=component.kind != "database",
        turn_s=_turn_s(name, parameters),
        warmth=parameters.warmth.get(name, ()) if parameters else (),
        cache=cache_policy(component),
        llm=_llm_policy(component),
        queue=_queue_policy(component),
        consumes=places[consumes.queue] if consumes else None,
        workers=consumes.concurrency if consumes else 0,
        reigns=tuple(reigns),
        lag_ms=component.replication_lag_ms if isinstance(component, Database) else None,
        autoscale=_autoscale(placement.autoscale) if placement.autoscale else None,
        crash_above=works.crash.above_in_flight if works and works.crash else None,
        crash_restart_s=works.crash.restart_s if works and works.crash else 0.0,
    )


def copies_of(name: str, architecture: Architecture, deployment: Deployment) -> int:
    """How many replicas run at the start: a database's primary and standbys, else what the deployment says."""
    component = architecture.components[name]
    if isinstance(component, Database) and component.standbys:
        return 1 + component.standbys
    return deployment.replicas(name)


def most_copies_of(name: str, architecture: Architecture, deployment: Deployment) -> int:
    """How many replicas can run at once."""
    return max(copies_of(name, architecture, deployment), deployment.most_replicas(name))


def cache_policy(component: Component) -> CachePolicy | None:
    """How a cache keeps answers; None of all others."""
    if not isinstance(component, Cache):
        return None
    return CachePolicy(
        ttl_s=component.ttl_s,
        reset_on_hit=component.ttl_resets_on == "hit",
        max_entries=component.max_entries,
        hit_ratio=component.hit_ratio,
        warm=component.start == "warm",
        singleflight=component.singleflight,
    )


def _queue_limit(component: said.Station) -> int | None:
    """A service with a limit rejects who finds it reached, unless it says otherwise."""
    if component.queue_limit is None and isinstance(component, Service) and component.max_concurrency is not None:
        return 0
    return component.queue_limit


def _shed(shed: said.Shed | None) -> CoDel | WaitLimit | Adaptive | None:
    match shed:
        case said.CoDel():
            return CoDel(shed.target_ms / 1000, shed.interval_ms / 1000)
        case said.WaitLimit():
            return WaitLimit(shed.max_wait_ms / 1000)
        case said.Adaptive():
            return Adaptive(shed.latency_ms / 1000, shed.minimum, shed.maximum, shed.initial, shed.backoff)
        case None:
            return None


def _token_bucket(limit: said.RateLimit | None) -> TokenBucket | None:
    return TokenBucket(limit.per_s, limit.burst, limit.per == "tenant") if limit else None


def _cpu_s(name: str, component: said.Station, parameters: Parameters | None, visits: float) -> float:
    """Processor time of one visit: what was measured of all requests, shared by their visits, else what is said."""
    if parameters and name in parameters.cpu_ms:
        return parameters.cpu_ms[name] / visits / 1000 if visits else 0.0
    if component.processor_bound:
        return math.inf
    return component.cpu_ms / 1000 if component.cpu_ms is not None else 0.0


def _turn_s(name: str, parameters: Parameters | None) -> float:
    """As long as the longest of its own work on a request, at the median."""
    calls = parameters.calls.items() if parameters else ()
    medians_ms = (known.service_ms.distribution.at(0.5) for key, known in calls if f"->{name}:" in key)
    return max(medians_ms, default=0.0) / 1000


def _llm_policy(component: Component) -> LLMPolicy | None:
    if not isinstance(component, LLM):
        return None
    prefix = component.prefix_cache
    return LLMPolicy(
        batch_slowdown=component.batch_slowdown,
        prefill_s_per_token=component.prefill_ms_per_token / 1000,
        requests_per_minute=component.requests_per_minute,
        tokens_per_minute=component.tokens_per_minute,
        prefix_hit_ratio=prefix.hit_ratio if prefix else 0.0,
        prefix_share=prefix.share if prefix else 0.0,
    )


def _queue_policy(component: Component) -> QueuePolicy | None:
    if not isinstance(component, Queue):
        return None
    return QueuePolicy(component.visibility_timeout_s, component.max_receives, component.limit)


def _autoscale(policy: Autoscale) -> AutoscalePolicy:
    rule = policy.rule
    by_steps = rule if isinstance(rule, StepRule) else None
    return AutoscalePolicy(
        minimum=policy.min,
        maximum=policy.max,
        metric=rule.metric,
        target=rule.value if isinstance(rule, TargetRule) else None,
        steps=tuple((rise.above, rise.add) for rise in by_steps.steps) if by_steps else (),
        below=by_steps.below if by_steps and by_steps.below is not None else -math.inf,
        remove=(by_steps.remove if by_steps else None) or 0,
        interval_s=policy.interval_s,
        metrics_delay_s=policy.metrics_delay_s,
        cold_start_s=policy.cold_start_s,
        cooldown_up_s=policy.cooldown_up_s,
        cooldown_down_s=policy.cooldown_down_s,
    )
