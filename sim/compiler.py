"""A specification becomes a Model: the only reader of architecture, deployment, parameters and scenario.

An engine executes the Model and knows nothing else. What the translation assumes beyond what ``model`` says:

- A component does its own work (service_ms) first and then takes its steps, one after the other.
- Times that were measured win over those that a flow says of its calls, and measured processor time over what a
  component says of its own. Measured is the processor time of a request; all visits share it evenly.
- Processor time that no visit carries is burnt beside: by the load generator, by Toxiproxy.
- A replica is a single thread, and so uses one core at most, as an event loop does; a database has a process per
  connection.
- A cached answer is found by its prompt alone: each request opens a new conversation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from windtunnel.sim.model import OUTSIDE, Hop, Invoke, Model, Reign
from windtunnel.sim.parts.closed_loop import asked, closed_loop
from windtunnel.sim.parts.effort import too_much
from windtunnel.sim.parts.fault_windows import fault_windows, slow_spells, unmodelled
from windtunnel.sim.parts.outages import Outage, outages, too_many
from windtunnel.sim.parts.programs import Programs
from windtunnel.sim.parts.readiness import sick_spells
from windtunnel.sim.parts.reigns import Spell, reigns
from windtunnel.sim.parts.stations import cache_policy, compile_station, most_copies_of
from windtunnel.sim.parts.visits import MOST_REQUESTS, count_visits
from windtunnel.sim.parts.wires import compile_wire
from windtunnel.spec.architecture import CLIENT, Architecture, Database
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.load import chunks
from windtunnel.spec.parameters import Parameters
from windtunnel.spec.problem import Problem, SpecError
from windtunnel.spec.scenario import Scenario, misfits
from windtunnel.spec.trace import read_trace


def compile_model(
    scenario: Scenario, architecture: Architecture, deployment: Deployment, parameters: Parameters | None
) -> Model:
    """The scenario as data. ``parameters`` None: every call says its own times.

    Raises SpecError with a sentence for everything that is missing or does not fit.
    """
    places = {name: place for place, name in enumerate(architecture.components)}
    ends = places | {CLIENT: OUTSIDE}
    numbers = {link.name: number for number, link in enumerate(architecture.links)}
    programs = Programs(architecture, parameters, ends, numbers)
    entries = tuple(programs.entry(flow) for flow in scenario.load.flows if flow in architecture.flows)
    copies = {name: most_copies_of(name, architecture, deployment) for name in places}
    problems = [*_misfits(scenario, architecture, deployment, parameters, copies), *programs.problems]
    if problems:
        raise SpecError(dict.fromkeys(problems))

    gone = outages(scenario, deployment, copies)
    visits = _visits(scenario, architecture, entries, programs.hops) if parameters and parameters.cpu_ms else {}
    stations = tuple(
        compile_station(
            name,
            architecture,
            deployment,
            parameters,
            visits.get(place, 0.0),
            _reigns(name, architecture, copies[name], gone),
            places,
        )
        for name, place in places.items()
    )
    wires = tuple(compile_wire(link, architecture, ends) for link in architecture.links)
    faults = tuple(fault_windows(scenario, gone, wires, places))
    slow = tuple(slow_spells(scenario, places))
    load, duration_s, seed = scenario.load, scenario.windows.total_s, scenario.seed
    closed = closed_loop(load)
    return Model(
        seed=seed,
        duration_s=duration_s,
        hosts=tuple(deployment.hosts),
        cores=tuple(host.cores for host in deployment.hosts.values()),
        stations=stations,
        wires=wires,
        hops=tuple(programs.hops),
        flows=tuple(load.flows),
        entries=entries,
        priorities=tuple(architecture.flows[flow].priority for flow in load.flows),
        beside_s=tuple(_beside(parameters, deployment, places, visits)),
        faults=faults,
        sick=tuple(sick_spells(faults, wires, stations)),
        slow=slow,
        scrape_s=scenario.scrape_s,
        prompts=load.prompts.distinct,
        tenants=load.tenants.distinct,
        closed=closed,
        arrivals=(lambda: iter(())) if closed else (lambda: chunks(load, duration_s, seed)),
        unmodelled=unmodelled(scenario, faults, gone, slow, stations, wires, programs.hops),
    )


def _misfits(
    scenario: Scenario,
    architecture: Architecture,
    deployment: Deployment,
    parameters: Parameters | None,
    copies: Mapping[str, int],
) -> Iterator[Problem]:
    """What the parts say about each other that is not so."""
    if parameters is not None and parameters.architecture != architecture.name:
        yield Problem(
            "parameters.architecture",
            f"parameters of {parameters.architecture!r}",
            f"those of {architecture.name!r}: run `windtunnel calibrate {architecture.name}`",
        )
    beside = {f"place.{who}" for who in (parameters.cpu_ms if parameters else ())}
    strange = [problem for problem in misfits(scenario, architecture, deployment) if problem.path not in beside]
    yield from strange
    try:
        if scenario.load.trace is not None:
            read_trace(scenario.load.trace)
        if not strange:
            yield from too_many(scenario, deployment, copies)
            yield from too_much(scenario, architecture, deployment)
    except SpecError as error:
        yield from error.problems


def _visits(
    scenario: Scenario, architecture: Architecture, entries: Sequence[Invoke], hops: Sequence[Hop]
) -> dict[int, float]:
    """How often the average request calls each station."""
    load = scenario.load
    closed = closed_loop(load)
    if closed is not None:
        every = asked(closed, scenario.seed)
    else:
        pieces = chunks(load, scenario.windows.total_s, scenario.seed)
        every = (each for piece in pieces for each in zip(piece.flow.tolist(), piece.prompt.tolist(), strict=True))
    requests = list(islice(every, MOST_REQUESTS))
    policies = ((place, cache_policy(component)) for place, component in enumerate(architecture.components.values()))
    caches = {place: policy for place, policy in policies if policy is not None}
    counted = count_visits(scenario.seed, requests, entries, hops, caches, load.prompts.distinct)
    return {place: count / len(requests) for place, count in counted.items()}


def _reigns(name: str, architecture: Architecture, copies: int, gone: Sequence[Outage]) -> tuple[Reign, ...]:
    """Who leads a database with standbys; nobody is told apart in any other component."""
    database = architecture.components[name]
    if not isinstance(database, Database) or not database.standbys:
        return ()
    spells: defaultdict[int, list[Spell]] = defaultdict(list)
    for outage in gone:
        if outage.component == name:
            for replica in range(copies) if outage.replica is None else (outage.replica,):
                spells[replica].append((outage.begin_s, outage.end_s))
    return reigns(spells, copies, database.failover)


def _beside(
    parameters: Parameters | None, deployment: Deployment, places: Mapping[str, int], visits: Mapping[int, float]
) -> Iterator[tuple[int, str, float]]:
    """Processor time that no visit carries.

    The load generator, Toxiproxy and the like stand on the host that the deployment names for them, or on the only
    host there is; beside a cluster they take nothing from it.
    """
    hosts = list(deployment.hosts)
    for who, cpu_ms in sorted(parameters.cpu_ms.items()) if parameters else ():
        carried = who in places and visits.get(places[who], 0.0) > 0
        if not carried and (who in places or who in deployment.place or len(hosts) == 1):
            yield hosts.index(deployment.host(who)), who, cpu_ms / 1000
