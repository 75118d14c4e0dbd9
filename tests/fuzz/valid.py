"""Specs that are valid by construction, over all words of ``spec``; as files, with the words of a command line.

``Wider`` is the pencil of the equality drawings with everything beside it that changes no engine's answer: objectives,
alerts, costs, requests of flows, names, and links from anything to anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import yaml
from hypothesis import strategies as st

from tests.fuzz.dice import Thrown
from tests.sim.equality.dice import Dice
from tests.sim.equality.drawings import FAILURES, HERE, TRACE, Pencil, Said
from windtunnel.spec.alert import OF_COMPONENTS, AlertMetric
from windtunnel.spec.objective import Metric

SCENARIO, ARCHITECTURE, DEPLOYMENT, PARAMETERS = "asked.yaml", "drawn.yaml", "placed.yaml", "times.json"
METRICS: tuple[str, ...] = get_args(Metric)
ALERTS: tuple[str, ...] = get_args(AlertMetric)
AFTER_FAULTS = "recovery_s"
"""The metric that is asked for in the window after, where there are faults."""
NAMES = ("total", "host", "a", "x9", "warm_up", "latency", "on", "null", "kind", "z" * 40, "none_1", "call")
"""Of components and flows: words that mean something elsewhere."""
WRITTEN_COSTS = {"currency": "EUR", "input_tokens_million": 3, "output_tokens_million": 15.5, "gigabyte": 0.09}
SKETCHED = 10
"""Requests from which on they are counted in sketches, where that is tried."""


@dataclass(frozen=True)
class Case:
    """Files in an empty folder, and what is asked of them there."""

    files: Mapping[str, bytes]
    options: tuple[str, ...]
    """Behind ``windtunnel simulate asked.yaml``."""
    many_requests: int | None = None
    """From how many requests on they are counted; None: as usual."""
    broken: str = ""
    """What was done to it; empty: it is valid."""


class Wider(Pencil):
    """Also the words that no engine sees."""

    def drawing(self) -> Said:
        said = super().drawing()
        if self._likely(0.3):
            said["architecture"]["description"] = self._one(("", "Drawn: by chance.", "Gezeichnet – ü 🎲"))
        parts, flows = list(said["architecture"]["components"]), list(said["architecture"]["flows"])
        if self._likely(0.3):
            names = iter(self._dice.shuffled(NAMES))
            said = renamed(said, {name: next(names) for name in (*parts, *flows) if self._likely(0.5)})
        return said

    # Components and links

    def _draw_components(self) -> None:
        super()._draw_components()
        extra = self._one(("", "", "gateway", "service", "database", "cache", "llm"))
        match extra:
            case "gateway" | "service":
                self._components["extra"] = {"kind": extra, **self._station(0.4)}
            case "database":
                self._components["extra"] = self._database()
            case "cache":
                self._components["extra"] = self._cache()
            case "llm":
                self._components["extra"] = self._llm()
        for part in self._components.values():
            if self._likely(0.2):
                self._tell_the_stack(part)

    def _tell_the_stack(self, part: Said) -> None:
        """What only the real service is told."""
        match part["kind"]:
            case "service":
                part |= {"module": "none.such", "environment": {"MODE": "fast", "lower": "ü"}}
            case "database":
                part["max_connections"] = self._whole(1, 500)
            case "cache":
                part["max_memory_mb"] = self._whole(1, 64)

    def _draw_links(self) -> None:
        super()._draw_links()
        works = [name for name, part in self._components.items() if part["kind"] != "queue"]
        for _ in range(self._one((0, 0, 1, 2, 3))):
            caller, callee = self._one(["client", *works]), self._one(works)
            self._links.setdefault((caller, callee), self._link(caller, callee))

    def _link(self, caller: str, callee: str) -> Said:
        said = {**({"balance": "round_robin"} if self._likely(0.2) else {}), **super()._link(caller, callee)}
        return {**said, "timeout_ms": "never"} if self._likely(0.1) else said

    def _retries(self) -> Said:
        return {**super()._retries(), **({"max": 0} if self._likely(0.1) else {})}

    def _station(self, limited: float, key: str = "max_concurrency") -> Said:
        said = super()._station(limited, key)
        if said.get("shed", {}).get("kind") == "adaptive" and self._likely(0.5):
            said["shed"]["minimum"] = 1
        return said

    # Flows

    def _flow(self) -> Said:
        said = super()._flow()
        if self._likely(0.3):
            said["request"] = {"method": self._one(("GET", "POST", "PUT", "DELETE")), "path": "/v1/{prompt}"}
            said["request"] |= {"response": self._one(("json", "sse")), "remembers": ["id"]}
            if self._likely(0.5):
                said["request"]["json"] = {"message": "{prompt}", "more": [1, None, {"deep": True}]}
        if self._likely(0.2):
            said["acknowledges"] = {"written": ["id"], "read_back": {"path": "/{id}", "list": "all", "id": "id"}}
        return said

    def _call(self, caller: str, depth: int, loops: int) -> Said:
        said = super()._call(caller, depth, loops)
        if self._likely(0.1):
            said["request_bytes"] = self._one((1, 20_000))
        if "op" not in said and self._likely(0.1):
            said["op"] = self._one(("look", "set", "get"))
        return said

    def _often(self) -> Said:
        said = super()._often()
        if "until" in said and self._likely(0.4):
            said["until"] = [*said["until"], self._one(FAILURES)]
        return said

    # Deployment

    def _deployment(self) -> Said:
        said = super()._deployment()
        for name in list(said["place"]):
            if self._likely(0.15):
                del said["place"][name]["host"]
            if said["place"][name].get("replicas", 1) == 1 and self._likely(0.1):
                said["place"][name] = {}
        if len(said["hosts"]) > 1 and self._likely(0.2):
            said["place"]["client"] = {"host": "two"}
        if "queue" in self._components and self._likely(0.2):
            said["place"]["queue"] = {"replicas": 1, "zones": ["a"]}
        if self._likely(0.5):
            prices = {name: self._one((0, 0.25)) for name in self._components if self._likely(0.5)}
            said["costs"] = {**(WRITTEN_COSTS if self._likely(0.7) else {}), "replica_hour": prices}
        return said

    def _placement(self, hosts: list[str], *, whole: bool) -> Said:
        said = super()._placement(hosts, whole=whole)
        if whole and self._likely(0.3):
            said["replicas"] = 1
        return said

    # Scenario

    def _scenario(self, flows: list[str], deployment: Said) -> Said:
        said = super()._scenario(flows, deployment)
        if self._likely(0.5):
            said["windows"]["warm_up_s"] = self._one((0.125, 0.25))
        if not said["faults"] and self._likely(0.5):
            said["windows"] |= {name: 0 for name in ("before_s", "after_s") if self._likely(0.5)}
        windows = [name for name in ("before", "during", "after") if said["windows"][f"{name}_s"]]
        asked = {window: self._objectives(window, bool(said["faults"])) for window in windows if self._likely(0.7)}
        said["objectives"] = asked or said["objectives"]
        if self._likely(0.4):
            said["alerts"] = {f"alert_{n}": self._alert() for n in range(self._whole(1, 3))}
        if self._likely(0.1):
            said["requires"] = self._one((["root"], ["containers", "root"]))
        if self._likely(0.3):
            del said["name"]
        return said

    def _objectives(self, window: str, faulty: bool) -> Said:
        known = [metric for metric in METRICS if metric != AFTER_FAULTS or (window == "after" and faulty)]
        return {self._one(known): self._bound() for _ in range(self._whole(1, 4))}

    def _bound(self) -> Said:
        limit = self._one((0, 0.5, 20, 1000.0, -1))
        return self._one(({"max": limit}, {"min": limit}, {"min": limit, "max": limit + 10}))

    def _alert(self) -> Said:
        metric = self._one(ALERTS)
        said: Said = {"metric": metric, self._one(("above", "below")): self._one((0, 0.5, 20))}
        if metric in OF_COMPONENTS or self._likely(0.4):
            said["of"] = self._one(list(self._components))
        if self._likely(0.5):
            said["for_s"] = self._one((0, 0.125, 0.3))
        return said

    def _load(self, flows: list[str], duration_s: float) -> Said:
        said = super()._load(flows, duration_s)
        if said["arrivals"] == "diurnal" and self._likely(0.5):
            said["peak_at_s"] = self._real(-1, 1)
        return said

    def _hurt(self, kind: str) -> Said:
        said = super()._hurt(kind)
        if kind == "toxic" and self._likely(0.4):
            strange = {"type": "strange", "attributes": {"a": [1, {"b": None}]}}
            return self._one(({"type": "noop"}, {"type": "timeout"}, strange, {**said, "toxicity": self._real(0, 1)}))
        return said

    # Parameters

    def _parameters(self) -> Said:
        said = super()._parameters()
        for caller, callee in self._links:
            call = f"{caller}->{callee}:call"
            if self._components[callee]["kind"] == "llm" and (call in said["calls"] or self._likely(0.5)):
                tokens = {name: self._estimate(1, 20) for name in ("first_token_ms", "token_ms", "output_tokens")}
                said["calls"][call] = {"service_ms": self._estimate(0.5, 5), **tokens}
        return said


def renamed(said: Said, names: Mapping[str, str]) -> Said:
    """The same drawing with other names for components and flows."""

    def new(name: str) -> str:
        return names.get(name, name)

    def link(target: str) -> str:
        ends = (end.partition(".") for end in target.split("->"))
        return "->".join(f"{new(name)}{dot}{replica}" for name, dot, replica in ends)

    def steps(told: list[Said]) -> list[Said]:
        return [step(each) for each in told]

    def step(told: Said) -> Said:
        changed: Said = {}
        for key, value in told.items():
            match key:
                case "call" | "enqueue":
                    changed[key] = new(value)
                case "steps" | "repeat":
                    changed[key] = steps(value)
                case "on":
                    changed[key] = {outcome: steps(then) for outcome, then in value.items()}
                case "choose":
                    changed[key] = [{**branch, "steps": steps(branch["steps"])} for branch in value]
                case "parallel":
                    changed[key] = [steps(branch) for branch in value]
                case _:
                    changed[key] = value
        return changed

    def component(told: Said) -> Said:
        if "consumes" not in told:
            return told
        return {**told, "consumes": {**told["consumes"], "queue": new(told["consumes"]["queue"])}}

    def fault(told: Said) -> Said:
        kind = next(iter(told))
        return told if kind == "zone_outage" else {**told, kind: link(told[kind])}

    architecture, deployment, scenario = said["architecture"], said["deployment"], said["scenario"]
    flows = {new(name): {**flow, "steps": steps(flow["steps"])} for name, flow in architecture["flows"].items()}
    changed: Said = {
        "architecture": {
            **architecture,
            "components": {new(name): component(part) for name, part in architecture["components"].items()},
            "links": [{**each, "from": new(each["from"]), "to": new(each["to"])} for each in architecture["links"]],
            "flows": flows,
        },
        "deployment": {**deployment, "place": {new(name): place for name, place in deployment["place"].items()}},
        "scenario": {
            **scenario,
            "faults": [fault(each) for each in scenario["faults"]],
            "load": {**scenario["load"], "flows": {new(n): w for n, w in scenario["load"]["flows"].items()}},
        },
    }
    if "costs" in deployment:
        prices = {new(name): price for name, price in deployment["costs"]["replica_hour"].items()}
        changed["deployment"]["costs"] = {**deployment["costs"], "replica_hour": prices}
    if "alerts" in scenario:
        changed["scenario"]["alerts"] = {
            name: {**alert, **({"of": new(alert["of"])} if "of" in alert else {})}
            for name, alert in scenario["alerts"].items()
        }
    if "parameters" in said:
        times = said["parameters"]
        changed["parameters"] = {
            **times,
            "calls": {f"{link(key.partition(':')[0])}:{key.partition(':')[2]}": v for key, v in times["calls"].items()},
            "cpu_ms": {new(name): value for name, value in times["cpu_ms"].items()},
            "warmth": {new(name): value for name, value in times["warmth"].items()},
        }
    return changed


def drawn(dice: Dice) -> Said:
    """A drawing that names the files it will stand in: "files" maps them to its parts."""
    said = Wider(dice, dice.one((1, 7, 0, 2**63 - 1))).drawing()
    said["scenario"]["architecture"] = f"./{ARCHITECTURE}"
    placed = dice.one((DEPLOYMENT, "drawn.laptop.yaml", "drawn.cloud.yaml"))
    if placed == DEPLOYMENT:
        said["scenario"]["deployment"] = f"./{placed}"
    elif placed == "drawn.cloud.yaml":
        said["scenario"]["deployment"] = "cloud"
    parts = {SCENARIO: "scenario", ARCHITECTURE: "architecture", placed: "deployment"}
    parts |= {PARAMETERS: "parameters"} if "parameters" in said else {}
    return {name: shortened(dice, said[part]) for name, part in parts.items()}


def shortened(dice: Dice, value: Any) -> Any:
    """Constants now and then as bare numbers, as people write them."""
    if isinstance(value, dict):
        if value.keys() == {"kind", "value"} and dice.likely(0.3):
            return value["value"]
        return {key: shortened(dice, inner) for key, inner in value.items()}
    return [shortened(dice, inner) for inner in value] if isinstance(value, list) else value


def written(dice: Dice, value: Any) -> str:
    """As a file: YAML in blocks, YAML in one line, or JSON."""
    style = dice.one(("blocks", "blocks", "mixed", "line", "json"))
    if style == "json":
        return json.dumps(value, indent=dice.one((None, 1)))
    flow = {"blocks": False, "mixed": None, "line": True}[style]
    return yaml.safe_dump(value, sort_keys=False, default_flow_style=flow, allow_unicode=dice.likely(0.5), width=120)


def trace() -> bytes:
    """The file that a load of recorded arrivals reads."""
    return (HERE / TRACE).read_bytes()


def options(dice: Dice, files: Said) -> tuple[tuple[str, ...], int | None]:
    """What is asked for behind the scenario, and from how many requests on they are counted."""
    words = ["--parameters", PARAMETERS] if PARAMETERS in files else []
    many = None
    match dice.one(("auto",) * 4 + ("simpy", "compiled", "compiled", "sketches", "analytic", "replications")):
        case "analytic":
            words += ["--analytic"]
        case "replications":
            words += ["--replications", "2"]
        case "sketches":
            words, many = [*words, "--engine", "compiled"], SKETCHED
        case engine:
            words += ["--engine", engine]
    if dice.likely(0.3):
        words += ["--json"]
    if dice.likely(0.05) and "--analytic" not in words:
        words += ["--report", "page.html", "--junit", "page.xml"]
    if dice.likely(0.1):
        words += ["--seed", str(dice.whole(0, 99))]
    if dice.likely(0.05):
        words += ["--set", "scrape_s=0.25"]
    return tuple(words), many


@st.composite
def valid(draw: st.DrawFn) -> Case:
    """A case that has to end in a run."""
    dice = Thrown(draw)
    parts = drawn(dice)
    asked, many = options(dice, parts)
    files = {name: written(dice, part).encode() for name, part in parts.items()}
    return Case({**files, TRACE: trace()}, asked, many)
