"""Links become wires: how long callers wait, and how they go about failure. Used by the compiler."""

from __future__ import annotations

import math
from collections.abc import Mapping

from windtunnel.sim.model import SUCCESSFUL, Breaker, Ejection, Outcome, RetryBudget, Wire
from windtunnel.spec.architecture import Architecture
from windtunnel.spec.component import Gateway
from windtunnel.spec.link import Link, Retries

FAILURES = frozenset(Outcome) - SUCCESSFUL
NO_RETRIES = Retries(max=0, backoff_ms=0)


def compile_wire(link: Link, architecture: Architecture, places: Mapping[str, int]) -> Wire:
    """A link as the model has it. ``places``: of the stations, and of the client outside, by name."""
    caller = architecture.components.get(link.caller)
    to_database = architecture.components[link.callee].kind == "database"
    abandons = link.on_timeout == "abandon"
    retries = link.retries or NO_RETRIES
    return Wire(
        name=link.name,
        caller=places[link.caller],
        callee=places[link.callee],
        timeout_s=link.limit_ms / 1000,
        deadline_s=link.deadline_ms / 1000 if link.deadline_ms else math.inf,
        survives_cancel=abandons or (to_database and link.on_timeout is None),
        survives_timeout=abandons,
        to_database=to_database,
        retries=retries.max,
        backoff_s=retries.backoff_ms / 1000,
        jitter=retries.jitter,
        max_backoff_s=retries.max_backoff_ms / 1000 if retries.max_backoff_ms else math.inf,
        retry_on=frozenset(Outcome[name.upper()] for name in retries.on) if retries.on else FAILURES,
        budget=RetryBudget(retries.budget.ratio, retries.budget.burst) if retries.budget else None,
        breaker=_breaker(link),
        hedge_after_s=link.hedge.after_ms / 1000 if link.hedge else None,
        balance=link.balance,
        ejection=Ejection(link.ejection.failures, link.ejection.for_s) if link.ejection else None,
        health_interval_s=caller.health_interval_ms / 1000 if isinstance(caller, Gateway) else None,
        propagates_deadline=link.propagates_deadline,
        pool=link.pool,
        pool_timeout_s=link.pool_timeout_ms / 1000 if link.pool_timeout_ms else math.inf,
    )


def _breaker(link: Link) -> Breaker | None:
    said = link.breaker
    if said is None:
        return None
    return Breaker(said.failures, said.ratio or 0.0, said.calls, said.open_ms / 1000, said.probes)
