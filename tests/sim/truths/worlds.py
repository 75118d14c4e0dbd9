"""Queues of the textbooks as specifications: what the engines are given to find the truths in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.sim.analytic.networks import Hop, RandomNetwork
from tests.sim.worlds import scenario
from windtunnel.sim.compiler import compile_model
from windtunnel.sim.model import Model
from windtunnel.spec.architecture import Architecture
from windtunnel.spec.deployment import Deployment

ENDLESS_MS = 1e9
"""Nobody's patience."""
Steps = list[dict[str, Any]]


def exponential(mean_ms: float) -> dict[str, Any]:
    return {"kind": "exponential", "mean": mean_ms}


def constant(value: float) -> dict[str, Any]:
    return {"kind": "constant", "value": value}


def call(component: str, service_ms: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A step; the link takes no time."""
    return {"call": component, "service_ms": service_ms or constant(0), **more}


def servers(count: int, **more: Any) -> dict[str, Any]:
    """Those who find ``count`` at work wait in line, any number of them."""
    return {"kind": "gateway", "max_concurrency": count, **more}


DELAY = {"kind": "service"}
"""Nobody waits."""
PROCESSOR = {"kind": "service", "processor_bound": True}
"""All who are there share a core, on a host of its own."""


@dataclass(frozen=True)
class Flow:
    """A class of requests: what the client calls, how often compared to others, how urgent."""

    steps: Steps
    weight: float = 1
    priority: int = 0


@dataclass(frozen=True)
class World:
    """A drawing, and who comes."""

    components: Mapping[str, dict[str, Any]]
    flows: Mapping[str, Flow]
    rate_per_s: float
    """Requests that come; of a closed loop, about how many there will be."""
    links: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """``a->b``, what is special about it. The client calls the first component."""
    closed: Mapping[str, Any] | None = None
    """Users and their thinking; None: Poisson arrivals."""

    def model(self, requests: float, seed: int, *, warm_up_requests: float = 0) -> Model:
        """So many requests, about, after a warm-up of so many others."""
        first = next(iter(self.components))
        links: dict[str, Mapping[str, Any]] = {f"client->{first}": {}} | dict(self.links)
        ends = {name: name.split("->") for name in links}
        built = Architecture.model_validate(
            {
                "name": "tiny",
                "components": dict(self.components),
                "links": [
                    {"from": ends[name][0], "to": ends[name][1], "timeout_ms": ENDLESS_MS, **more}
                    for name, more in links.items()
                ],
                "flows": {name: {"steps": flow.steps, "priority": flow.priority} for name, flow in self.flows.items()},
            }
        )
        placed = Deployment.model_validate(
            {
                "name": "apart",
                "hosts": {name: {"cores": 1} for name in self.components},
                "place": {name: {"host": name} for name in self.components},
            }
        )
        said = scenario(
            seed=seed,
            load={
                "flows": {name: flow.weight for name, flow in self.flows.items()},
                "prompts": {"distinct": 1},
                **(self.closed or {"arrivals": "poisson", "rate_per_s": self.rate_per_s}),
            },
            windows={"warm_up_s": warm_up_requests / self.rate_per_s, "during_s": requests / self.rate_per_s},
            scrape_s=1e6,  # nobody looks
        )
        return compile_model(said, built, placed, None)


def queue(service_ms: dict[str, Any], arrivals_per_ms: float, **station: Any) -> World:
    """One line, called by the client."""
    component = servers(**({"count": 1} | station))
    return World({"queue": component}, {"ask": Flow([call("queue", service_ms)])}, arrivals_per_ms * 1000)


def classes(discipline: str, urgent_per_ms: float, patient_per_ms: float) -> World:
    """Two classes of a server that takes 1 ms, exponentially, with either."""
    steps = [call("queue", exponential(1))]
    flows = {"urgent": Flow(steps, urgent_per_ms, 0), "patient": Flow(steps, patient_per_ms, 1)}
    return World({"queue": servers(1, discipline=discipline)}, flows, (urgent_per_ms + patient_per_ms) * 1000)


def sizes(arrivals_per_ms: float, shares: Mapping[float, float]) -> World:
    """A shared processor with jobs of known sizes (ms): a flow for each, with these weights."""
    flows = {
        f"size_{number}": Flow([call("queue", constant(size), op=f"size_{number}")], weight)
        for number, (size, weight) in enumerate(shares.items())
    }
    return World({"queue": PROCESSOR}, flows, arrivals_per_ms * 1000)


def behind_an_edge(components: Mapping[str, dict[str, Any]], steps: Steps, rate_per_s: float, **more: Any) -> World:
    """The client's call is an edge's program, which makes all the calls and holds nobody up itself."""
    links = {f"edge->{name}": more.pop(name, {}) for name in components}
    flow = Flow([call("edge", steps=steps)])
    return World({"edge": DELAY, **components}, {"ask": flow}, rate_per_s, links, **more)


def impatient(count: int, arrivals_per_ms: float, patience_ms: float) -> World:
    """A pool of ``count`` connections; who has waited so long for one leaves."""
    return behind_an_edge(
        {"queue": DELAY},
        [call("queue", exponential(1))],
        arrivals_per_ms * 1000,
        queue={"pool": count, "pool_timeout_ms": patience_ms},
    )


def racing(count: int, arrivals_per_ms: float, leave_per_ms: float) -> World:
    """Exponential patience: a race of the call with the patience, where the first to end cancels the other.

    Patience that runs on during the service changes nothing for those who wait, as long as a place becomes free at
    the rate 1: by a service that ends (1 - leave_per_ms), or by one that is given up (leave_per_ms).
    """
    race = [[call("queue", exponential(1 / (1 - leave_per_ms)))], [call("patience", exponential(1 / leave_per_ms))]]
    parts = {"queue": servers(count), "patience": DELAY}
    return behind_an_edge(parts, [{"parallel": race, "join": 1}], arrivals_per_ms * 1000)


def fork_join(arrivals_per_ms: float) -> World:
    """Two lines at once, and wait for both."""
    both = [[call(name, exponential(1))] for name in ("left", "right")]
    parts = {"left": servers(1), "right": servers(1)}
    return behind_an_edge(parts, [{"parallel": both}], arrivals_per_ms * 1000)


def in_a_row(stations: Mapping[str, tuple[int, float]], rate_per_s: float, **more: Any) -> World:
    """Lines one after the other: servers and mean service (ms) of each."""
    parts = {name: servers(count) for name, (count, _) in stations.items()}
    steps = [call(name, exponential(mean_ms)) for name, (_, mean_ms) in stations.items()]
    return behind_an_edge(parts, steps, rate_per_s, **more)


def users(count: int, think_ms: float) -> dict[str, Any]:
    """The load of a closed loop."""
    return {"arrivals": "closed", "rate_per_s": None, "users": count, "think_ms": exponential(think_ms)}


def tree(network: RandomNetwork) -> World:
    """A random network: calls one after the other, so that nobody holds a place while further down."""
    hops = {hop.name: hop for hop in network.hops}

    def kind(hop: Hop) -> dict[str, Any]:
        return servers(hop.servers) if hop.discipline == "fcfs" else PROCESSOR if hop.discipline == "ps" else DELAY

    def visit(hop: Hop) -> Steps:
        here = call(hop.name, exponential(hop.mean_ms))
        if not hop.then:
            return [here]
        branches = [{"probability": share, "steps": visit(hops[name])} for share, name in hop.then]
        home = max(0.0, 1 - sum(share for share, _ in hop.then))
        return [here, {"choose": [*branches, {"probability": home, "steps": []}]}]

    return behind_an_edge(
        {name: kind(hop) for name, hop in hops.items()},
        visit(network.hops[0]),
        network.throughput_per_s,
        closed=None if network.rate_per_s else users(network.population or 0, network.think_ms or 0),
    )
