"""A scenario compiled for simulation: flat tables of stations, wires, calls, arrivals and faults. Data, no behaviour.

``compile_model`` is the only reader of architecture, deployment, parameters and scenario; an engine executes the
Model and knows nothing else. What the model assumes:

- A call's link_ms is half spent on the way there and half on the way back.
- A component does its own work (service_ms) first and then makes its calls, one after the other.
- Of its own work, as much is processor work as its processor time per visit allows; it slows down when the host is
  busy. Processor time beyond that (of an LLM that mostly sleeps, of Toxiproxy) runs beside and delays only by
  taking its share of the cores. A replica is a single thread, and so uses one core at most, as an event loop does; a
  database has a process per connection.
- Whoever is no longer waited for is cancelled at once, with all calls it makes; calls to a database alone run to
  their end (``Wire.to_database``) and hold their connection until then, as the reference service has it.
- A cached answer is found by its prompt alone: each request opens a new conversation.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from windtunnel.sim.faults.passage import Facts, Imagined, Leg
from windtunnel.sim.faults.registry import imagined
from windtunnel.spec.architecture import CLIENT, LLM, Architecture, Cache, Call, Gateway, Link, Service
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.distribution import Distribution
from windtunnel.spec.fault import AnyFault
from windtunnel.spec.load import schedule
from windtunnel.spec.parameters import Parameters, Warmth
from windtunnel.spec.problem import Problem, SpecError, did_you_mean
from windtunnel.spec.scenario import Scenario

PROBE_BYTES = 200
PROBE_TIMEOUT_S = 1.0
"""A readiness check: about so many bytes each way, and failed when it takes longer."""

Role = Literal["work", "lookup", "store"]


@dataclass(frozen=True)
class Station:
    """A component and how much of it there is."""

    name: str
    replicas: int
    host: str
    slots: int | None
    """Requests that one replica works on at once; None: any number."""
    queue_limit: int | None
    """Requests that may wait for a slot; the next is rejected. None: any number."""
    traced: bool
    """It writes spans of its own."""
    balances: bool
    """It leaves out replicas whose readiness check failed."""
    cpu_s: float
    """Processor time of one visit."""
    single_threaded: bool
    """A replica uses one core at most."""
    turn_s: float
    """How long an event loop is at one thing before it takes up the next: as long as its own work on a request."""
    ttl_s: float
    """Of a cache: how long it keeps an answer."""
    warmth: tuple[Warmth, ...]
    """How its service times depend on how long it has been idle; empty: not at all."""


@dataclass(frozen=True)
class Wire:
    """A link."""

    name: str
    caller: str
    callee: str
    timeout_s: float
    deadline_s: float
    retries: int
    backoff_s: float
    pool: int | None
    pool_timeout_s: float
    to_database: bool
    """Its calls run to their end even when their caller is cancelled, and its pool is one of living connections."""


@dataclass(frozen=True)
class Hop:
    """One call of a flow, at its place in the flow's tree. Its index is part of the address of its draws."""

    index: int
    wire: str
    caller: str
    callee: str
    op: str
    role: Role
    round_trips: int
    request_bytes: int
    response_bytes: int
    streams: bool
    optional: bool
    steps: tuple[int, ...]
    """What the callee does next: indexes of hops."""
    on: dict[str, tuple[int, ...]]
    """What the caller does next, by outcome."""
    link_ms: Distribution | None
    service_ms: Distribution
    first_token_ms: Distribution | None
    token_ms: Distribution | None
    output_tokens: Distribution | None


@dataclass(frozen=True)
class FaultWindow:
    """A fault on a wire, for a while. Replica None: all of them."""

    index: int
    begin_s: float
    end_s: float
    wire: str
    caller_replica: int | None
    callee_replica: int | None
    fault: AnyFault
    imagined: Imagined

    def hits(self, wire: str, caller_replica: int, callee_replica: int) -> bool:
        """Whether a connection between these two suffers from it."""
        return (
            wire == self.wire
            and self.caller_replica in (None, caller_replica)
            and self.callee_replica in (None, callee_replica)
        )


@dataclass(frozen=True)
class Sick:
    """A replica that one balancer leaves out for a while, since its readiness check fails."""

    wire: str
    replica: int
    begin_s: float
    end_s: float


@dataclass(frozen=True)
class Model:
    """All that an engine needs."""

    seed: int
    duration_s: float
    cores: dict[str, float]
    """By host."""
    stations: dict[str, Station]
    wires: dict[str, Wire]
    hops: tuple[Hop, ...]
    flows: tuple[str, ...]
    entries: tuple[int, ...]
    """By flow: the client's call."""
    at_s: NDArray[np.float64]
    flow: NDArray[np.int64]
    prompt: NDArray[np.int64]
    """Of every request: when, which flow, what it asks."""
    beside_s: tuple[tuple[str, str, float], ...]
    """(host, who, processor time) that every request costs outside of the components: load generator, proxy."""
    faults: tuple[FaultWindow, ...]
    sick: tuple[Sick, ...]
    unmodelled: tuple[str, ...]
    """Faults or parts of them that no engine will show, in words."""


def compile_model(
    scenario: Scenario, architecture: Architecture, deployment: Deployment, parameters: Parameters
) -> Model:
    """The scenario as data. Raises SpecError with a sentence for everything that is missing or does not fit."""
    problems = list(_misfits(scenario, architecture, deployment, parameters))
    hops: list[Hop] = []
    entries = tuple(
        _compile_call(CLIENT, architecture.flows[flow].steps[0], architecture, parameters, hops, problems)
        for flow in scenario.load.flows
        if flow in architecture.flows
    )
    if problems:
        raise SpecError(dict.fromkeys(problems))
    plan = schedule(scenario.load, scenario.windows.total_s, scenario.seed)
    visits = _visits(hops, entries, plan.flow, plan.prompt, architecture) if parameters.cpu_ms else Counter[str]()
    stations = {
        name: _station(name, architecture, deployment, parameters, visits[name] / max(1, len(plan)))
        for name in architecture.components
    }
    faults = tuple(_windows(scenario))
    return Model(
        seed=scenario.seed,
        duration_s=scenario.windows.total_s,
        cores={name: host.cores for name, host in deployment.hosts.items()},
        stations=stations,
        wires={link.name: _wire(link, architecture) for link in architecture.links},
        hops=tuple(hops),
        flows=plan.flows,
        entries=entries,
        at_s=plan.at_s,
        flow=plan.flow,
        prompt=plan.prompt,
        beside_s=tuple(_beside(parameters, deployment, stations, visits)),
        faults=faults,
        sick=tuple(_sick(faults, architecture, deployment)),
        unmodelled=tuple(dict.fromkeys(_unmodelled(faults, hops))),
    )


def _misfits(
    scenario: Scenario, architecture: Architecture, deployment: Deployment, parameters: Parameters
) -> list[Problem]:
    """What the parts say about each other that is not so."""
    found = []
    if parameters.architecture != architecture.name:
        found.append(
            Problem(
                "parameters.architecture",
                f"parameters of {parameters.architecture!r}",
                f"those of {architecture.name!r}: run `windtunnel calibrate {architecture.name}`",
            )
        )
    for flow in scenario.load.flows:
        if flow not in architecture.flows:
            known = ", ".join(architecture.flows)
            hint = did_you_mean(flow, architecture.flows)
            found.append(
                Problem(f"load.flows.{flow}", f"{flow!r}", f"a flow of the architecture ({known})", "", None, hint)
            )
    links = {link.name for link in architecture.links}
    for index, fault in enumerate(scenario.faults):
        sides = [side.partition(".") for side in fault.target.split("->")]
        link = "->".join(name for name, _, _ in sides)
        if link not in links:
            known = ", ".join(sorted(links))
            hint = did_you_mean(link, links)
            found.append(Problem(f"faults[{index}]", link, f"a link of the architecture ({known})", "", None, hint))
            continue
        for name, _, replica in sides:
            copies = 1 if name == CLIENT else deployment.replicas(name)
            if replica and int(replica) >= copies:
                found.append(
                    Problem(f"faults[{index}]", f"{name}.{replica}", f"one of the {copies} replicas of {name}")
                )
    return found


def _compile_call(
    caller: str,
    call: Call,
    architecture: Architecture,
    parameters: Parameters,
    hops: list[Hop],
    problems: list[Problem],
) -> int:
    """Append a call and all below it; its index."""
    index = len(hops)
    hops.append(None)  # type: ignore[arg-type]  # keeps the place: a caller stands before its calls
    key = f"{caller}->{call.call}:{call.op}"
    known = parameters.calls.get(key)
    component = architecture.components[call.call]
    remedy = f"run `windtunnel calibrate {architecture.name}` with a load that makes this call"
    if known is None:
        problems.append(Problem(f"parameters.calls.{key}", "nothing", f"times of this call: {remedy}"))
    elif (
        isinstance(component, LLM)
        and call.streams
        and None in (known.first_token_ms, known.token_ms, known.output_tokens)
    ):
        problems.append(
            Problem(
                f"parameters.calls.{key}", "no pace of its tokens", f"first_token_ms, token_ms, output_tokens: {remedy}"
            )
        )

    def compiled(who: str, calls: Sequence[Call]) -> tuple[int, ...]:
        return tuple(_compile_call(who, each, architecture, parameters, hops, problems) for each in calls)

    role: Role = "work"
    if isinstance(component, Cache):
        role = {"get": "lookup", "set": "store"}.get(call.op, "work")  # type: ignore[assignment]
    steps = compiled(call.call, call.steps)
    on = {str(outcome): compiled(caller, then) for outcome, then in call.on.items()}
    if known is not None:
        hops[index] = Hop(
            index=index,
            wire=f"{caller}->{call.call}",
            caller=caller,
            callee=call.call,
            op=call.op,
            role=role,
            round_trips=call.round_trips,
            request_bytes=call.request_bytes,
            response_bytes=call.response_bytes,
            streams=call.streams,
            optional=call.optional,
            steps=steps,
            on=on,
            link_ms=known.link_ms.distribution if known.link_ms else None,
            service_ms=known.service_ms.distribution,
            first_token_ms=known.first_token_ms.distribution if known.first_token_ms else None,
            token_ms=known.token_ms.distribution if known.token_ms else None,
            output_tokens=known.output_tokens.distribution if known.output_tokens else None,
        )
    return index


def _station(
    name: str, architecture: Architecture, deployment: Deployment, parameters: Parameters, visits: float
) -> Station:
    component = architecture.components[name]
    slots, queue_limit = None, None
    if isinstance(component, LLM):
        slots, queue_limit = component.slots, component.queue_limit
    elif isinstance(component, Service) and component.max_concurrency is not None:
        slots, queue_limit = component.max_concurrency, 0
    return Station(
        name=name,
        replicas=deployment.replicas(name),
        host=deployment.host(name),
        slots=slots,
        queue_limit=queue_limit,
        traced=component.kind in ("gateway", "service", "llm"),
        balances=isinstance(component, Gateway),
        cpu_s=parameters.cpu_ms.get(name, 0.0) / visits / 1000 if visits else 0.0,
        single_threaded=component.kind != "database",
        turn_s=max(
            (known.service_ms.distribution.at(0.5) for key, known in parameters.calls.items() if f"->{name}:" in key),
            default=0.0,
        )
        / 1000,
        ttl_s=component.ttl_s if isinstance(component, Cache) else 0.0,
        warmth=parameters.warmth.get(name, ()),
    )


def _wire(link: Link, architecture: Architecture) -> Wire:
    return Wire(
        name=link.name,
        caller=link.caller,
        callee=link.callee,
        timeout_s=link.timeout_ms / 1000,
        deadline_s=link.deadline_ms / 1000 if link.deadline_ms else math.inf,
        retries=link.retries.max if link.retries else 0,
        backoff_s=link.retries.backoff_ms / 1000 if link.retries else 0.0,
        pool=link.pool,
        pool_timeout_s=link.pool_timeout_ms / 1000 if link.pool_timeout_ms else math.inf,
        to_database=architecture.components[link.callee].kind == "database",
    )


def _visits(
    hops: Sequence[Hop],
    entries: Sequence[int],
    flow: NDArray[np.int64],
    prompt: NDArray[np.int64],
    architecture: Architecture,
) -> Counter[str]:
    """How often each component is called when nothing fails and nothing takes time.

    Processor time is known per request; this says how many visits share it.
    """
    stored: dict[str, set[int]] = {name: set() for name in architecture.components}
    visits: Counter[str] = Counter()

    def make(index: int, asked: int) -> None:
        hop = hops[index]
        visits[hop.callee] += 1
        for step in hop.steps:
            make(step, asked)
        outcome = "ok"
        if hop.role == "lookup":
            outcome = "hit" if asked in stored[hop.callee] else "miss"
        elif hop.role == "store":
            stored[hop.callee].add(asked)
        for then in hop.on.get(outcome, ()):
            make(then, asked)

    for kind, asked in zip(flow.tolist(), prompt.tolist(), strict=True):
        make(entries[kind], asked)
    return visits


def _beside(
    parameters: Parameters, deployment: Deployment, stations: dict[str, Station], visits: Counter[str]
) -> list[tuple[str, str, float]]:
    """Processor time that no visit carries.

    The load generator, Toxiproxy and the like stand on the host that the deployment names for them, or on the only
    host there is; beside a cluster they take nothing from it.
    """
    found = []
    for who, cpu_ms in sorted(parameters.cpu_ms.items()):
        inside = who in stations and visits[who]
        if not inside and (who in stations or who in deployment.place or len(deployment.hosts) == 1):
            found.append((deployment.host(who), who, cpu_ms / 1000))
    return found


def _windows(scenario: Scenario) -> list[FaultWindow]:
    found = []
    for index, said in enumerate(scenario.faults):
        window = scenario.windows.named(said.at)
        assert window is not None, "a scenario's faults lie in windows that have a length"
        fault, imagination = imagined(said)
        (caller, _, caller_replica), (callee, _, callee_replica) = (
            side.partition(".") for side in said.target.split("->")
        )
        found.append(
            FaultWindow(
                index=index,
                begin_s=window.start_s,
                end_s=window.end_s,
                wire=f"{caller}->{callee}",
                caller_replica=int(caller_replica) if caller_replica else None,
                callee_replica=int(callee_replica) if callee_replica else None,
                fault=fault,
                imagined=imagination,
            )
        )
    return found


def _unmodelled(faults: Sequence[FaultWindow], hops: Sequence[Hop]) -> list[str]:
    said = []
    for window in faults:
        calls = [
            Facts(f"{hop.wire}:{hop.op}", hop.request_bytes, hop.response_bytes)
            for hop in hops
            if hop.wire == window.wire
        ]
        words = window.imagined.unmodelled(window.fault, calls)
        if words:
            said.append(words)
    return said


def _sick(faults: Sequence[FaultWindow], architecture: Architecture, deployment: Deployment) -> list[Sick]:
    """When a balancer leaves which replica out: from the first readiness check that a fault makes fail, which tells
    at once or at its time-out, to the first check after the fault.

    A service is ready when its databases answer it: the check crosses the balancer's link and theirs.
    """
    found = []
    for link in architecture.links:
        balancer = architecture.components.get(link.caller)
        if not isinstance(balancer, Gateway):
            continue
        every_s = balancer.health_interval_ms / 1000
        behind = [
            other.name
            for other in architecture.links
            if other.caller == link.callee and architecture.components[other.callee].kind == "database"
        ]
        for replica in range(deployment.replicas(link.callee)):
            for window in faults:
                touched = window.hits(link.name, 0, replica) or any(window.hits(name, replica, 0) for name in behind)
                silent = _check_fails(window) if touched else None
                if silent is not None:
                    told_s = math.ceil(window.begin_s / every_s) * every_s + (PROBE_TIMEOUT_S if silent else 0.0)
                    healed_s = math.ceil(window.end_s / every_s) * every_s
                    if told_s < healed_s:
                        found.append(Sick(link.name, replica, told_s, healed_s))
    return found


def _check_fails(window: FaultWindow) -> bool | None:
    """Whether a readiness check through this fault fails; True: by its time-out, False: at once, None: it passes."""
    legs = (Leg("upstream", PROBE_BYTES), Leg("downstream", PROBE_BYTES))
    passages = [window.imagined.passage(window.fault, leg, lambda _: 0.5) for leg in legs]
    late_ms = sum(passage.last_ms for passage in passages)
    if any(passage.lost or passage.broken_off for passage in passages):
        late_ms = min((p.cut_after_ms for p in passages if p.cut_after_ms is not None), default=math.inf)
        return late_ms >= PROBE_TIMEOUT_S * 1000
    return True if late_ms > PROBE_TIMEOUT_S * 1000 else None
