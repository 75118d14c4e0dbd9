"""Random services with their load and faults, valid by construction: the worlds in which both engines must agree.

A drawing is decided by its seed alone. It is small (2 to 7 components, some 30 to 300 requests, about a second), and
crowded: places are few, time-outs short, so that much of what can happen does. In about a third of the drawings all
times are multiples of one grid, so that many things are due at the same instant and only their order tells.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.sim.equality.dice import Dice, Seeded
from windtunnel.spec.architecture import Architecture
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.parameters import Parameters
from windtunnel.spec.scenario import Scenario

T = TypeVar("T")
Said = dict[str, Any]
"""A part of a drawing as it stands in a file."""

HERE = Path(__file__).parent
TRACE = "trace.csv"
"""Requests in bursts, with their tokens, on a grid of 1/128 s."""
EXACT_MS = 7.8125
"""1/128 s: sums of it have no rounding, so that what should be due at once is."""
ROUNDED_MS = 8.0
"""Sums of it do: two ways to the same time may miss each other by a bit, in both engines alike."""
GRIDS_MS = (EXACT_MS, ROUNDED_MS)
BACKENDS: tuple[str, ...] = ("other", "db", "cache", "llm")
DEEPEST = 3
MOST_CALLS = 9
"""Calls written into a flow, about."""
KINDS = ("constant", "exponential", "lognormal", "uniform", "empirical", "gamma", "weibull", "pareto")
FAILURES = ("timeout", "error", "rejected", "open")
LINK_FAULTS = (
    "latency",
    "bandwidth",
    "blackhole",
    "reset",
    "outage",
    "slow_close",
    "fragmentation",
    "truncation",
    "toxic",
)
COMPONENT_FAULTS = ("kill", "brownout", "zone_outage", "random_outages")


PROVENANCE = {"runs": ["none"], "rate_per_s": 1, "measured_at": "2026-01-01T00:00:00Z", "host": "none", "cores": 1}
PROVENANCE |= {"backend": "none", "version": "0"}


@dataclass(frozen=True)
class Drawing:
    """What a model is compiled from."""

    architecture: Architecture
    deployment: Deployment
    scenario: Scenario
    parameters: Parameters | None
    """Calibrated times; None: every call says its own."""


def draw(seed: int) -> Drawing:
    """The drawing of a seed."""
    return read(written(seed))


def written(seed: int) -> Said:
    """The same as it would stand in files: architecture, deployment, scenario, and perhaps parameters."""
    return Pencil(Seeded(seed), seed).drawing()


def read(said: Said) -> Drawing:
    """Raises pydantic's ValidationError where it is not valid, KeyError where a part is missing."""
    scenario = Scenario.model_validate(said["scenario"])
    if scenario.load.trace is not None:  # seen from here, as others are seen from their scenario's file
        load = scenario.load.model_copy(update={"trace": HERE / scenario.load.trace})
        scenario = scenario.model_copy(update={"load": load})
    measured = said.get("parameters")
    return Drawing(
        Architecture.model_validate(said["architecture"]),
        Deployment.model_validate(said["deployment"]),
        scenario,
        None if measured is None else Parameters.model_validate(measured),
    )


class Pencil:
    """Draws one part after the other, each fitting to those before."""

    def __init__(self, dice: Dice, seed: int) -> None:
        """``seed`` is the scenario's; the drawing itself is up to the dice."""
        self._dice = dice
        self._seed = seed
        self._grid_ms = self._one((None, None, None, None, *GRIDS_MS))
        self._components: dict[str, Said] = {}
        self._links: dict[tuple[str, str], Said] = {}
        self._place: dict[str, Said] = {}
        self._calls_left = 0

    # Dice

    def _likely(self, probability: float) -> bool:
        return self._dice.likely(probability)

    def _one(self, options: Sequence[T]) -> T:
        return self._dice.one(options)

    def _whole(self, low: int, high: int) -> int:
        return self._dice.whole(low, high)

    def _real(self, low: float, high: float) -> float:
        return round(self._dice.real(low, high), 3)

    def _ms(self, low: float, high: float) -> float:
        """A time above 0; on the grid where there is one."""
        if self._grid_ms is None:
            return self._real(low, high)
        return max(1, round(self._real(low, high) / self._grid_ms)) * self._grid_ms

    def _s(self, low: float, high: float) -> float:
        return self._ms(low * 1000, high * 1000) / 1000

    def _quantity(self, low: float, high: float) -> Said:
        """A time that differs from call to call, as a rule."""
        middle = self._ms(low, high)
        if self._grid_ms is not None and self._likely(0.9):
            return {"kind": "constant", "value": middle}
        return self._spread(middle)

    def _spread(self, middle: float) -> Said:
        kind = self._one((*KINDS, "hyperexponential"))
        match kind:
            case "exponential":
                return {"kind": kind, "mean": middle}
            case "lognormal":
                return {"kind": kind, "median": middle, "sigma": self._real(0.1, 1)}
            case "uniform":
                return {"kind": kind, "low": middle / 2, "high": middle * 2}
            case "empirical":
                return {"kind": kind, "quantiles": [middle * n / 2 for n in range(self._whole(2, 5))]}
            case "gamma":
                return {"kind": kind, "mean": middle, "shape": self._real(0.4, 4)}
            case "weibull":
                return {"kind": kind, "scale": middle, "shape": self._real(0.6, 3)}
            case "pareto":
                return {"kind": kind, "scale": middle / 2, "shape": self._real(1.2, 3)}
            case "hyperexponential":
                return {"kind": kind, "probabilities": [0.75, 0.25], "means": [middle / 2, middle * 2]}
        return {"kind": "constant", "value": middle}

    # The drawing

    def drawing(self) -> Said:
        self._draw_components()
        self._draw_links()
        flows = {name: self._flow() for name in ("ask", "tell", "list")[: self._whole(1, 3)]}
        self._grant_retries(flows)
        deployment = self._deployment()
        return {
            "architecture": {
                "name": "drawn",
                "components": self._components,
                "links": list(self._links.values()),
                "flows": flows,
            },
            "deployment": deployment,
            "scenario": self._scenario(list(flows), deployment),
            **({"parameters": self._parameters()} if self._likely(0.2) else {}),
        }

    # Components

    def _draw_components(self) -> None:
        parts = self._components
        if self._likely(0.3):
            parts["gateway"] = {"kind": "gateway", "health_interval_ms": self._ms(30, 200), **self._station(0.3)}
        parts["app"] = {"kind": "service", **self._station(0.6)}
        groups = self._dice.shuffled(["db", "cache", "llm", "other", "queue"])
        for group in groups[: self._whole(1, 4)]:
            if len(parts) + (2 if group == "queue" else 1) > 7:
                continue
            match group:
                case "db":
                    parts["db"] = self._database()
                case "cache":
                    parts["cache"] = self._cache()
                case "llm":
                    parts["llm"] = self._llm()
                case "other":
                    parts["other"] = {"kind": "service", **self._station(0.6)}
                case "queue":
                    parts["queue"] = self._queue()
                    consumes = {"queue": "queue", "concurrency": self._whole(1, 3)}
                    parts["worker"] = {"kind": "service", "consumes": consumes, **self._station(0.1)}

    def _station(self, limited: float, key: str = "max_concurrency") -> Said:
        """What every kind of component may have; it has places with the probability ``limited``."""
        said: Said = {}
        if key == "slots" or self._likely(limited):
            said[key] = self._whole(1, 4)
            if self._likely(0.8):
                said["queue_limit"] = self._whole(0, 8)
            if self._likely(0.4):
                said["shed"] = self._one(
                    (
                        {"kind": "codel", "target_ms": self._ms(2, 15), "interval_ms": self._ms(5, 40)},
                        {"kind": "deadline", "max_wait_ms": self._ms(2, 30)},
                    )
                )
        elif self._likely(0.25):
            said["shed"] = {"kind": "adaptive", "latency_ms": self._ms(5, 60), "initial": self._real(1, 4)}
            said["shed"] |= {"maximum": self._real(4, 10), "backoff": self._real(0.5, 0.95)}
        if key in said or "shed" in said:
            said["discipline"] = self._one(("fifo", "fifo", "priority", "priority" if key == "slots" else "preemptive"))
        if self._likely(0.12):
            per = self._one(("all", "tenant"))
            said["rate_limit"] = {"per_s": self._real(10, 120), "burst": self._whole(1, 10), "per": per}
        if self._likely(0.25):
            said["processor_bound"] = True
        elif self._likely(0.25):
            said["cpu_ms"] = self._ms(0.2, 6)
        if self._likely(0.07):
            said["crash"] = {"above_in_flight": self._whole(2, 8), "restart_s": self._s(0.03, 0.3)}
        return said

    def _database(self) -> Said:
        said: Said = {"kind": "database", **self._station(0.5)}
        if self._likely(0.6):
            said["standbys"] = self._whole(1, 2)
            if self._likely(0.6):
                said["failover"] = {"lease_ttl_s": self._s(0.02, 0.15), "promotion_s": self._s(0.01, 0.1)}
            if self._likely(0.6):
                said["replication_lag_ms"] = self._quantity(5, 60)
        return said

    def _cache(self) -> Said:
        said: Said = {"kind": "cache", "ttl_s": self._s(0.02, 0.6), **self._station(0.2)}
        said["ttl_resets_on"] = self._one(("fetch", "hit"))
        said["start"] = self._one(("cold", "warm"))
        said["singleflight"] = self._likely(0.5)
        match self._whole(0, 3):
            case 0:
                said["hit_ratio"] = self._real(0.2, 0.9)
            case 1 | 2:
                said["max_entries"] = self._whole(1, 8)
        return said

    def _llm(self) -> Said:
        said: Said = {"kind": "llm", **self._station(1, "slots")}
        said |= {"first_token_ms": self._quantity(2, 25), "token_ms": self._quantity(0.3, 3)}
        said |= {"output_tokens": self._spread(self._whole(1, 15)), "input_tokens": self._spread(self._whole(5, 40))}
        if self._likely(0.5):
            said["batch_slowdown"] = self._one((0.25, 0.5, self._real(0.05, 1)))
        if self._likely(0.4):
            said["prefill_ms_per_token"] = self._real(0.05, 0.5)
        if self._likely(0.3):
            said["requests_per_minute"] = self._whole(10, 80)
        if self._likely(0.3):
            said["tokens_per_minute"] = self._whole(200, 2500)
        if self._likely(0.4):
            said["prefix_cache"] = {"hit_ratio": self._real(0.2, 0.8), "share": self._real(0.2, 0.9)}
        return said

    def _queue(self) -> Said:
        said: Said = {"kind": "queue", "max_receives": self._whole(1, 3)}
        said["visibility_timeout_s"] = self._s(0.02, 0.15)
        if self._likely(0.5):
            said["limit"] = self._whole(1, 10)
        return said

    # Links

    def _draw_links(self) -> None:
        here = [name for name in BACKENDS if name in self._components]
        reached: dict[str, list[str]] = {
            "client": ["gateway" if "gateway" in self._components else "app"],
            "gateway": ["app"],
            "app": here,
            "other": [*(name for name in here if name != "other"), *(["app"] if self._likely(0.2) else [])],
            "worker": here,
        }
        for caller, callees in reached.items():
            if caller == "client" or caller in self._components:
                for callee in callees:
                    self._links[caller, callee] = self._link(caller, callee)

    def _link(self, caller: str, callee: str) -> Said:
        said: Said = {"from": caller, "to": callee, "timeout_ms": self._ms(15, 250)}
        if self._likely(0.25):
            said["deadline_ms"] = self._ms(30, 400)
        if self._likely(0.35):
            said["on_timeout"] = self._one(("cancel", "abandon"))
        if self._likely(0.2):
            rule = self._one(("failures", "ratio"))
            said["breaker"] = {"open_ms": self._ms(10, 150), "probes": self._whole(1, 3)}
            said["breaker"] |= (
                {"failures": self._whole(1, 4)}
                if rule == "failures"
                else {"ratio": self._one((0.3, 0.5)), "calls": self._whole(2, 8)}
            )
        if self._likely(0.12):
            said["hedge"] = {"after_ms": self._ms(4, 40)}
        if self._likely(0.6):
            said["balance"] = self._one(("random", "least_requests", "power_of_two", "hash"))
        if self._likely(0.12):
            said["ejection"] = {"failures": self._whole(1, 3), "for_s": self._s(0.03, 0.3)}
        if self._likely(0.2):
            said["propagates_deadline"] = True
        if self._likely(0.25):
            said["pool"] = self._whole(1, 5)
            if self._likely(0.6):
                said["pool_timeout_ms"] = self._ms(3, 60)
        return said

    def _grant_retries(self, flows: dict[str, Said]) -> None:
        """To some links, never to two on one path."""
        below = {pair for flow in flows.values() for pair in self._nested("client", flow["steps"], ())}
        granted: set[tuple[str, str]] = set()
        for caller, callee in self._dice.shuffled(list(self._links)):
            link = (caller, callee)
            alone = not any((link, other) in below or (other, link) in below for other in (*granted, link))
            if alone and self._likely(0.75):
                granted.add(link)
                self._links[link]["retries"] = self._retries()

    def _retries(self) -> Said:
        said: Said = {"max": self._whole(1, 3), "backoff_ms": self._ms(1, 20)}
        said["jitter"] = self._one(("none", "full", "equal", "decorrelated"))
        if self._likely(0.4):
            said["max_backoff_ms"] = self._ms(5, 40)
        if self._likely(0.3):
            said["on"] = ["timeout", *(outcome for outcome in FAILURES[1:] if self._likely(0.5))]
        if self._likely(0.25):
            said["budget"] = {"ratio": self._real(0.05, 0.5), "burst": self._whole(1, 4)}
        return said

    def _nested(
        self, caller: str, steps: list[Said], above: tuple[tuple[str, str], ...]
    ) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
        """Every pair of links of which one is called while the other waits."""
        for step in steps:
            if "call" in step:
                link = (caller, step["call"])
                yield from ((outer, link) for outer in above)
                yield from self._nested(step["call"], step.get("steps", []), (*above, link))
                for then in step.get("on", {}).values():
                    yield from self._nested(caller, then, above)
            for branch in step.get("choose", ()):
                yield from self._nested(caller, branch["steps"], above)
            for branch in step.get("parallel", ()):
                yield from self._nested(caller, branch, above)
            yield from self._nested(caller, step.get("repeat", []), above)
            if "enqueue" in step:
                yield from self._nested("worker", step["steps"], ())

    # Flows

    def _flow(self) -> Said:
        self._calls_left = MOST_CALLS
        return {"priority": self._whole(0, 3), "steps": [self._call("client", 0, 0)]}

    def _steps(self, caller: str, depth: int, loops: int, least: int = 0) -> list[Said]:
        count = max(least, self._one((0, 1, 1, 1, 2, 2, 3)))
        found = [self._step(caller, depth, loops) for _ in range(count)]
        return [step for step in found if step is not None]

    def _step(self, caller: str, depth: int, loops: int) -> Said | None:
        """A step of what ``caller`` does; ``loops``: repeats around it in the same strand. None: enough is said."""
        if depth > DEEPEST or self._calls_left <= 0:
            return None
        kind = self._one(("call",) * 12 + ("choose", "choose", "parallel", "parallel", "repeat", "repeat", "enqueue"))
        if "queue" in self._components and self._likely(0.15):
            kind = "enqueue"
        match kind:
            case "choose":
                share = self._real(0, 1)
                branches = [self._steps(caller, depth + 1, loops) for _ in range(2)]
                shares = (share, 1 - share)
                return {
                    "choose": [{"probability": p, "steps": steps} for p, steps in zip(shares, branches, strict=True)]
                }
            case "parallel":
                some = [self._steps(caller, depth + 1, 0, least=1) for _ in range(self._whole(2, 3))]
                branches = [steps for steps in some if steps]
                if branches:
                    return {"parallel": branches, "join": self._one(("all", self._whole(1, len(branches))))}
            case "repeat":
                body = self._steps(caller, depth + 1, loops + 1, least=1) if loops < 2 else []
                if body:
                    return {"repeat": body, **self._often()}
            case "enqueue":
                if "queue" in self._components:
                    steps = self._steps("worker", depth + 1, 0, least=1)
                    return {"enqueue": "queue", "optional": self._likely(0.5), "steps": steps}
        return self._call(caller, depth, loops) if self._callees(caller) else None

    def _often(self) -> Said:
        if self._likely(0.5):
            times = self._one(({"kind": "constant", "value": self._whole(1, 3)}, {"kind": "exponential", "mean": 1.5}))
            return {"times": times, "at_most": 4}
        return {"until": [self._one(("ok", "hit", "miss"))], "at_most": self._whole(1, 3)}

    def _callees(self, caller: str) -> list[str]:
        return [callee for one, callee in self._links if one == caller]

    def _call(self, caller: str, depth: int, loops: int) -> Said:
        self._calls_left -= 1
        callee = self._one(self._callees(caller))
        kind = self._components[callee]["kind"]
        said: Said = {"call": callee, "service_ms": self._quantity(0.5, 15)}
        if self._likely(0.1):
            said["service_ms"] = {"kind": "constant", "value": 0}
        if self._likely(0.4):
            said["link_ms"] = self._quantity(0.5, 8)
        if self._likely(0.15):
            said["optional"] = True
        if self._likely(0.15):
            said |= {"round_trips": self._whole(2, 3), "response_bytes": self._whole(100, 5000)}
        if kind == "database":
            said["reads"] = self._likely(0.5)
        if kind in ("llm", "service", "gateway"):
            said["streams"] = self._likely(0.75 if kind == "llm" else 0.5)
        if kind == "cache":
            said["op"] = self._one(("get", "get", "get", "set", "call"))
        said["steps"] = self._steps(callee, depth + 1, 0) if depth else self._steps(callee, 1, 0, least=1)
        if depth:
            said["on"] = self._follows(caller, depth, loops, callee if said.get("op") == "get" else None)
        return said

    def _follows(self, caller: str, depth: int, loops: int, cache: str | None) -> dict[str, list[Said]]:
        """What happens next, by outcome; after a miss in ``cache`` the answer is fetched and stored."""
        link_breaks = [*FAILURES, "ok"]
        found = {outcome: self._steps(caller, depth + 1, loops) for outcome in link_breaks if self._likely(0.1)}
        if cache and self._likely(0.8):
            store = {"call": cache, "op": "set", "service_ms": self._quantity(0.5, 3), "optional": True}
            found["miss"] = [*self._steps(caller, depth + 1, loops), store]
        if cache and self._likely(0.3):
            found["hit"] = self._steps(caller, depth + 1, loops)
        return found

    # Deployment

    def _deployment(self) -> Said:
        hosts = {name: {"cores": self._one((0.5, 1, 2, 4))} for name in ("one", "two")[: self._whole(1, 2)]}
        for name, component in self._components.items():
            if component["kind"] != "queue":
                self._place[name] = self._placement(list(hosts), whole="standbys" in component)
        return {"name": "drawn", "hosts": hosts, "place": self._place}

    def _placement(self, hosts: list[str], *, whole: bool) -> Said:
        said: Said = {"host": self._one(hosts)}
        if self._likely(0.4):
            said["zones"] = self._one((["a", "b"], ["b"], ["a", "b", "c"]))
        if whole:
            return said
        said["replicas"] = self._one((1, 1, 2, 3))
        if self._likely(0.2):
            said["autoscale"] = {
                "min": self._whole(1, said["replicas"]),
                "max": self._whole(said["replicas"], 4),
                "rule": self._rule(),
                "interval_s": self._s(0.03, 0.2),
                "metrics_delay_s": self._one((0, self._s(0.02, 0.1))),
                "cold_start_s": self._one((0, self._s(0.01, 0.1))),
                "cooldown_up_s": self._one((0, self._s(0.05, 0.2))),
                "cooldown_down_s": self._s(0.03, 0.2),
            }
        return said

    def _rule(self) -> Said:
        metric = self._one(("concurrency", "cpu", "queue"))
        if self._likely(0.5):
            return {"kind": "target", "metric": metric, "value": self._real(0.2, 2)}
        low = self._real(0.1, 0.8)
        rises = [{"above": low, "add": 1}, {"above": low * 3, "add": 2}]
        return {"kind": "steps", "metric": metric, "steps": rises, "below": low / 2, "remove": 1}

    # Scenario

    def _scenario(self, flows: list[str], deployment: Said) -> Said:
        windows = {name: self._whole(2, 6) / 16 for name in ("before_s", "during_s", "after_s")}
        return {
            "name": "drawn",
            "question": "Do both engines say the same?",
            "architecture": "drawn",
            "seed": self._seed,
            "load": self._load(flows, sum(windows.values())),
            "windows": {"warm_up_s": 0, **windows},
            "faults": [self._fault(deployment) for _ in range(self._one((0, 1, 1, 2, 2, 3)))],
            "objectives": {"during": {"error_ratio": {"max": 1}}},
            "scrape_s": self._one((0.125, self._s(0.05, 0.2))),
        }

    def _load(self, flows: list[str], duration_s: float) -> Said:
        said: Said = {"flows": {name: self._whole(1, 4) for name in flows}}
        said["prompts"] = {"distinct": self._whole(1, 20), "zipf": self._real(0, 1.5)}
        said["tenants"] = {"distinct": self._whole(1, 3), "zipf": self._real(0, 1)}
        rate = 30 * math.exp(self._dice.real(0, math.log(6))) / duration_s
        kind = self._one(("poisson", "constant", "gamma", "mmpp", "diurnal", "flash", "trace", "closed"))
        if self._grid_ms is not None and self._likely(0.5):
            kind = self._one(("constant", "closed", "trace"))
        said |= {"arrivals": kind}
        match kind:
            case "closed":
                users = self._whole(2, 12)
                least_ms = users * duration_s * 1000 / 250  # those who are rejected at once come again after that
                return said | {"users": users, "think_ms": self._quantity(least_ms, 4 * least_ms)}
            case "trace":
                speed = 1 if self._grid_ms is not None else self._real(0.5, 1.5)
                return said | {"trace": TRACE, "speed": speed}
            case "mmpp":
                rates = (rate / 2, rate * 2)
                return said | {"states": [{"rate_per_s": r, "mean_s": self._real(0.05, 0.3)} for r in rates]}
            case "constant":
                step_s = (self._grid_ms or self._real(2, 9)) / 1000
                return said | {"rate_per_s": 1 / (step_s * max(1, round(1 / rate / step_s)))}
        said["rate_per_s"] = rate
        match kind:
            case "gamma":
                return said | {"cv": self._real(0.3, 3)}
            case "diurnal":
                return said | {"amplitude": self._real(0.2, 1), "period_s": self._real(0.2, 1)}
            case "flash":
                crowd = {"peak_per_s": rate * 3, "at_s": self._real(0, 0.3), "ramp_s": self._real(0, 0.1)}
                return said | crowd | {"hold_s": self._real(0.05, 0.2)}
        return said

    def _fault(self, deployment: Said) -> Said:
        at = self._one(("during", "during", "during", "before", "after"))
        kind = self._one((*LINK_FAULTS, *COMPONENT_FAULTS))
        zones = sorted({zone for place in deployment["place"].values() for zone in place.get("zones", ())})
        if kind == "zone_outage" and not zones:
            kind = "kill"
        if kind == "zone_outage":
            return {"zone_outage": self._one(zones), "at": at}
        if kind in COMPONENT_FAULTS:
            return {kind: self._target(), "at": at, **self._hurt(kind)}
        caller, callee = self._one(list(self._links))
        narrow = self._likely(0.3)
        target = f"{self._replica(caller) if narrow else caller}->{self._replica(callee) if narrow else callee}"
        stream = {} if kind == "outage" else {"stream": self._one(("downstream", "downstream", "upstream"))}
        return {kind: target, "at": at, **stream, **self._hurt(kind)}

    def _target(self) -> str:
        if self._components.get("db", {}).get("failover") and self._likely(0.6):
            return "db.0"
        name = self._one([name for name, part in self._components.items() if part["kind"] != "queue"])
        return self._one((name, self._replica(name)))

    def _replica(self, name: str) -> str:
        """One of a component's replicas; the client is only one."""
        if name == "client":
            return name
        place, part = self._place[name], self._components[name]
        most = 1 + part["standbys"] if "standbys" in part else place.get("replicas", 1)
        return f"{name}.{self._whole(0, most - 1)}"

    def _hurt(self, kind: str) -> Said:
        """The settings of a fault."""
        match kind:
            case "latency":
                return {"latency_ms": self._ms(2, 60), "jitter_ms": self._one((0, self._ms(1, 20)))}
            case "bandwidth":
                return {"rate_kb_per_s": self._one((125, self._whole(20, 300)))}
            case "blackhole":
                return {"close_after_ms": self._one((0, self._ms(5, 60)))}
            case "reset":
                return {"after_ms": self._one((0, self._ms(5, 60)))}
            case "slow_close":
                return {"delay_ms": self._ms(5, 60)}
            case "fragmentation":
                return {"size_bytes": self._whole(50, 600), "variation_bytes": self._whole(0, 50), "delay_us": 1000}
            case "truncation":
                return {"bytes": self._whole(50, 4000)}
            case "brownout":
                return {"factor": self._one((2, self._real(1.2, 5)))}
            case "random_outages":
                return {"mtbf_s": self._real(0.03, 0.2), "mttr_s": self._real(0.02, 0.1)}
            case "toxic":
                return self._one(
                    (
                        {"type": "latency", "attributes": {"latency": self._whole(5, 50), "jitter": 3}},
                        {"type": "limit_data", "attributes": {"bytes": self._whole(50, 2000)}},
                        {"type": "reset_peer", "attributes": {"timeout": self._whole(0, 40)}},
                    )
                )
        return {}

    # Parameters

    def _parameters(self) -> Said:
        """Of some calls and components: the others say their own times."""
        calls: dict[str, Said] = {}
        for caller, callee in self._links:
            kind = self._components[callee]["kind"]
            for op in ("get", "set", "call") if kind == "cache" else ("call",):
                if caller == "client" or (kind != "llm" and self._likely(0.5)):
                    link = {"link_ms": self._estimate(0.5, 8)} if self._likely(0.4) else {}
                    calls[f"{caller}->{callee}:{op}"] = {"service_ms": self._estimate(0.5, 15), **link}
        works = [name for name, part in self._components.items() if part["kind"] != "queue"]
        return {
            "architecture": "drawn",
            "calls": calls,
            "cpu_ms": {who: self._ms(0.2, 5) for who in (*works, "client", "proxy") if self._likely(0.4)},
            "warmth": {name: self._warmth() for name in works if self._likely(0.4)},
            "provenance": PROVENANCE,
        }

    def _estimate(self, low: float, high: float) -> Said:
        return {"distribution": self._quantity(low, high), "n": 1, "median_low": 0, "median_high": 0}

    def _warmth(self) -> list[Said]:
        bounds_ms = (self._ms(2, 10), self._ms(20, 40), None)
        return [{"idle_up_to_ms": bound_ms, "factor": self._real(0.5, 2), "n": 1} for bound_ms in bounds_ms]
