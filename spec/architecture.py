"""A service as its engineers draw it: components, links, flows. Hand-written; read by the stack and the simulator.

Time-outs, pools, limits and retries stand here once. The stack hands them to the real service as
environment (``environment``), the simulator reads the same values: the two cannot disagree.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, model_validator

from windtunnel.spec.component import (
    LLM,
    PROTOCOL,
    Cache,
    Component,
    Consumes,
    Database,
    Failover,
    Gateway,
    PrefixCache,
    Queue,
    Service,
)
from windtunnel.spec.flow import Acknowledges, Flow, ReadBack, Request
from windtunnel.spec.frozen import Count, Frozen, Name
from windtunnel.spec.link import Breaker, Ejection, Hedge, Link, Retries, RetryBudget
from windtunnel.spec.outcome import SUCCESSES, Outcome
from windtunnel.spec.problem import problem_at
from windtunnel.spec.station import Adaptive, CoDel, Crash, LimitedStation, RateLimit, Station, WaitLimit
from windtunnel.spec.steps import Branch, Call, Choose, Enqueue, Parallel, Repeat, Step, check_repeats, walk

__all__ = [
    "CLIENT",
    "LLM",
    "PROTOCOL",
    "SUCCESSES",
    "Acknowledges",
    "Adaptive",
    "Architecture",
    "Branch",
    "Breaker",
    "Cache",
    "Call",
    "Choose",
    "CoDel",
    "Component",
    "Consumes",
    "Count",
    "Crash",
    "Database",
    "Ejection",
    "Enqueue",
    "Failover",
    "Flow",
    "Gateway",
    "Hedge",
    "LimitedStation",
    "Link",
    "Outcome",
    "Parallel",
    "PrefixCache",
    "Queue",
    "RateLimit",
    "ReadBack",
    "Repeat",
    "Request",
    "Retries",
    "RetryBudget",
    "Service",
    "Station",
    "Step",
    "WaitLimit",
    "environment",
    "problem_at",
    "walk",
]

CLIENT = "client"
"""The outside: where load comes from. It can be a link's caller, never its callee."""
DEEPEST = 64
"""How deep steps may stand in each other."""


class Architecture(Frozen):
    """The whole drawing."""

    name: Name
    """As runs and parameters call it."""
    description: str = ""
    """For people."""
    components: Annotated[dict[Name, Component], Field(min_length=1)]
    """By name; the client is none of them."""
    links: Annotated[tuple[Link, ...], Field(min_length=1)]
    """Who may call whom."""
    flows: Annotated[dict[Name, Flow], Field(min_length=1)]
    """The classes of requests, by name."""

    @model_validator(mode="after")
    def _consistent(self) -> Architecture:
        self._check_links()
        self._check_workers()
        links = {link.name: link for link in self.links}
        for name, flow in self.flows.items():
            self._check_steps(CLIENT, flow.steps, f"flows.{name}.steps", links, None)
            check_repeats(flow.steps, f"flows.{name}.steps")
        return self

    def _check_links(self) -> None:
        known = [name for name, part in self.components.items() if not isinstance(part, Queue)]
        seen: set[str] = set()
        for index, link in enumerate(self.links):
            for side, name in (("from", link.caller), ("to", link.callee)):
                here = f"links[{index}].{side}"
                if isinstance(self.components.get(name), Queue):
                    raise problem_at(here, f"the queue {name}", "no link: a queue is reached by enqueue alone")
                allowed = [*known, CLIENT] if side == "from" else known
                if name not in allowed:
                    raise problem_at(here, f"{name!r}", "a declared component", name, allowed)
            if link.name in seen:
                raise problem_at(f"links[{index}]", f"a second link {link.name}", "each link once")
            seen.add(link.name)

    def _check_workers(self) -> None:
        queues = [name for name, part in self.components.items() if isinstance(part, Queue)]
        workers: dict[str, str] = {}
        for name, part in self.components.items():
            if not isinstance(part, Service) or part.consumes is None:
                continue
            queue, here = part.consumes.queue, f"components.{name}.consumes.queue"
            if queue not in queues:
                raise problem_at(here, f"{queue!r}", "a component of kind queue", queue, queues)
            if queue in workers:
                raise problem_at(here, f"{queue}, which {workers[queue]} consumes", "one consumer of each queue")
            workers[queue] = name

    def _check_steps(
        self, caller: str, steps: tuple[Step, ...], path: str, links: dict[str, Link], owner: str | None
    ) -> None:
        """Each step at its place; ``owner``: the link above it that retries, if any."""
        if path.count("[") > DEEPEST:
            raise problem_at(path.partition("[")[0], f"steps within {DEEPEST} others", "a flow that a person can read")
        for index, step in enumerate(steps):
            here = f"{path}[{index}]"
            match step:
                case Call():
                    self._check_call(caller, step, here, links, owner)
                case Choose():
                    for n, branch in enumerate(step.choose):
                        self._check_steps(caller, branch.steps, f"{here}.choose[{n}].steps", links, owner)
                case Parallel():
                    for n, inner in enumerate(step.parallel):
                        self._check_steps(caller, inner, f"{here}.parallel[{n}]", links, owner)
                case Repeat():
                    self._check_steps(caller, step.repeat, f"{here}.repeat", links, owner)
                case Enqueue():
                    self._check_enqueue(step, here, links)

    def _check_call(self, caller: str, call: Call, here: str, links: dict[str, Link], owner: str | None) -> None:
        callee = self.components.get(call.call)
        if callee is None:
            raise problem_at(f"{here}.call", f"{call.call!r}", "a declared component", call.call, self.components)
        if isinstance(callee, Queue):
            raise problem_at(f"{here}.call", f"a call to the queue {call.call}", f"enqueue: {call.call}")
        if call.reads and not isinstance(callee, Database):
            raise problem_at(f"{here}.reads", f"it on a call to the {callee.kind} {call.call}", "a call to a database")
        link = links.get(f"{caller}->{call.call}")
        if link is None:
            raise problem_at(here, f"a call from {caller} to {call.call}", f"a link {caller}->{call.call} under links")
        retries = link.retries is not None and link.retries.max > 0
        if retries and owner:
            raise problem_at(
                here,
                f"retries on {owner} and again on {link.name}",
                "one owner of retries on each path; take one of the two away",
            )
        self._check_steps(call.call, call.steps, f"{here}.steps", links, link.name if retries else owner)
        for outcome, then in call.on.items():
            self._check_steps(caller, then, f"{here}.on.{outcome}", links, owner)

    def _check_enqueue(self, step: Enqueue, here: str, links: dict[str, Link]) -> None:
        queues = [name for name, part in self.components.items() if isinstance(part, Queue)]
        if step.enqueue not in queues:
            raise problem_at(f"{here}.enqueue", f"{step.enqueue!r}", "a component of kind queue", step.enqueue, queues)
        worker = self.workers.get(step.enqueue)
        if worker is None:
            expected = f"a service with consumes: {{queue: {step.enqueue}}}"
            raise problem_at(f"{here}.enqueue", f"{step.enqueue}, which nobody consumes", expected)
        # the worker is a path of its own: whoever filled the queue does not wait for it and cannot try it again
        self._check_steps(worker, step.steps, f"{here}.steps", links, None)

    @property
    def workers(self) -> dict[str, str]:
        """The component that consumes each queue."""
        parts = self.components.items()
        return {part.consumes.queue: name for name, part in parts if isinstance(part, Service) and part.consumes}

    def link(self, caller: str, callee: str) -> Link:
        """The link between two components. KeyError where there is none."""
        for link in self.links:
            if (link.caller, link.callee) == (caller, callee):
                return link
        raise KeyError(f"{caller}->{callee}")

    def callees(self, caller: str) -> tuple[str, ...]:
        """Whom a component calls, in the order of the links."""
        return tuple(link.callee for link in self.links if link.caller == caller)

    def calls(self, flow: str) -> Iterator[tuple[str, Call]]:
        """Every (caller, call) that a flow may make, depth first."""
        return walk(CLIENT, self.flows[flow].steps, self.workers)


def environment(architecture: Architecture, component: str, addresses: dict[str, str]) -> dict[str, str]:
    """What a service is told: ``<CALLEE>_URL`` and the link's and the callee's limits, by one convention.

    ``addresses`` maps each callee to the proxied ``host:port`` that this replica has to use. Numbers are told in
    decimals; a setting that is no number is JSON, and told where it is not left as it is by default.
    """
    values: dict[str, str] = {}
    scheme = {
        "http": "http://{}",
        "postgres": "postgresql://windtunnel@{}/windtunnel",
        "redis": "redis://{}/0",
    }
    for link in architecture.links:
        if link.caller != component:
            continue
        callee = architecture.components[link.callee]
        prefix = link.callee.upper()
        settings: dict[str, float | int | None] = {
            "TIMEOUT_MS": link.limit_ms,
            "DEADLINE_MS": link.deadline_ms,
            "POOL": link.pool,
            "POOL_TIMEOUT_MS": link.pool_timeout_ms,
            "RETRIES": link.retries.max if link.retries else None,
            "RETRY_BACKOFF_MS": link.retries.backoff_ms if link.retries else None,
            "TTL_S": callee.ttl_s if isinstance(callee, Cache) else None,
        }
        values[f"{prefix}_URL"] = scheme[PROTOCOL[callee.kind]].format(addresses[link.callee])
        values |= {f"{prefix}_{key}": f"{value:g}" for key, value in settings.items() if value is not None}
        values |= _beyond_default(link, ("on_timeout", "breaker", "hedge", "propagates_deadline"), f"{prefix}_")
        if link.retries is not None:
            more = ("jitter", "max_backoff_ms", "on", "budget")
            values |= _beyond_default(link.retries, more, f"{prefix}_RETRY_")
    own = architecture.components[component]
    if isinstance(own, LLM):
        values["SLOTS"] = str(own.slots)
        if own.queue_limit is not None:
            values["QUEUE_LIMIT"] = str(own.queue_limit)
        for key in ("first_token_ms", "token_ms", "output_tokens"):
            values[key.upper()] = getattr(own, key).model_dump_json(by_alias=True)
    if isinstance(own, Service):
        if own.max_concurrency is not None:
            values["MAX_CONCURRENCY"] = str(own.max_concurrency)
        values |= _beyond_default(own, ("queue_limit", "discipline", "shed", "rate_limit"))
        values |= own.environment
    return values


def _beyond_default(part: Frozen, keys: tuple[str, ...], prefix: str = "") -> dict[str, str]:
    """Settings that are not left as they are by default, as JSON."""
    told = part.model_dump(mode="json", by_alias=True, include=set(keys))
    changed = [key for key in keys if getattr(part, key) != type(part).model_fields[key].default]
    return {f"{prefix}{key.upper()}": json.dumps(told[key]) for key in changed}
