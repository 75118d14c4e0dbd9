"""Models built by hand, everything in them constant and idle unless it is said: their times are known exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from windtunnel.sim.model import OUTSIDE, SUCCESSFUL, Hop, Invoke, Model, Outcome, Program, Station, Wire
from windtunnel.sim.reference.component import Component
from windtunnel.sim.reference.engine import execute
from windtunnel.sim.reference.recorder import Tables
from windtunnel.spec.distribution import Constant
from windtunnel.spec.load import Schedule

FAILURES = frozenset(Outcome) - SUCCESSFUL
STATION: dict[str, Any] = {
    "host": 0,
    "slots": None,
    "queue_limit": None,
    "discipline": "fifo",
    "shed": None,
    "rate_limit": None,
    "traced": True,
    "cpu_s": 0.0,
    "single_threaded": False,
    "turn_s": 0.0,
    "warmth": (),
    "cache": None,
    "llm": None,
    "queue": None,
    "consumes": None,
    "workers": 0,
    "reigns": (),
    "lag_ms": None,
    "autoscale": None,
    "crash_above": None,
    "crash_restart_s": 0.0,
}
WIRE: dict[str, Any] = {
    "timeout_s": math.inf,
    "deadline_s": math.inf,
    "survives_cancel": False,
    "survives_timeout": False,
    "to_database": False,
    "retries": 0,
    "backoff_s": 0.0,
    "jitter": "none",
    "max_backoff_s": math.inf,
    "retry_on": FAILURES,
    "budget": None,
    "breaker": None,
    "hedge_after_s": None,
    "balance": "round_robin",
    "ejection": None,
    "health_interval_s": None,
    "propagates_deadline": False,
    "pool": None,
    "pool_timeout_s": math.inf,
}
HOP: dict[str, Any] = {
    "op": "call",
    "role": "work",
    "round_trips": 1,
    "request_bytes": 100,
    "response_bytes": 100,
    "streams": False,
    "reads": False,
    "link_ms": None,
    "first_token_ms": None,
    "token_ms": None,
    "output_tokens": None,
    "input_tokens": None,
}


@dataclass
class World:
    """Stations, wires and hops, one after the other."""

    stations: list[Station] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    hops: list[Hop] = field(default_factory=list)

    def station(self, name: str, *, replicas: int = 1, initial: int | None = None, **more: Any) -> int:
        """A component; its index."""
        running = replicas if initial is None else initial
        self.stations.append(Station(name=name, replicas=replicas, initial=running, **(STATION | more)))
        return len(self.stations) - 1

    def wire(self, caller: int, callee: int, **more: Any) -> int:
        """A link; its index."""
        names = ["client" if end == OUTSIDE else self.stations[end].name for end in (caller, callee)]
        self.wires.append(Wire(name="->".join(names), caller=caller, callee=callee, **(WIRE | more)))
        return len(self.wires) - 1

    def hop(self, wire: int, service_ms: Any = 0.0, program: Program = (), **more: Any) -> int:
        """A call at its place; its index. Bare numbers are constants."""
        said = HOP | {"service_ms": service_ms} | more
        for name in ("service_ms", "link_ms", "first_token_ms", "token_ms", "output_tokens", "input_tokens"):
            if isinstance(said[name], int | float):
                said[name] = Constant(value=said[name])
        link = self.wires[wire]
        made = Hop(index=len(self.hops), wire=wire, caller=link.caller, callee=link.callee, program=program, **said)
        self.hops.append(made)
        return made.index

    def call(self, wire: int, service_ms: Any = 0.0, program: Program = (), **more: Any) -> Invoke:
        """A step of a program: a call, with what follows from it in ``on`` and whether it is ``optional``."""
        on, optional = more.pop("on", {}), more.pop("optional", False)
        return Invoke(self.hop(wire, service_ms, program, **more), optional, on)

    def asks(self, *program: Any, **link: Any) -> Invoke:
        """The client's call of an app that takes no time of its own; ``link``: what is special about the wire."""
        app = self.station("app")
        return self.call(self.wire(OUTSIDE, app, **link), program=tuple(program))

    def model(self, *entries: Invoke, at_s: Sequence[float] = (0.0,), **more: Any) -> Model:
        """One flow per entry; requests at those times. ``flow``, ``prompt``, ``tenant``: one for each request."""
        n = len(at_s)
        columns = {
            name: np.array(more.pop(name, [default] * n), dtype=np.int64)
            for name, default in (
                ("flow", 0),
                ("prompt", 0),
                ("tenant", 0),
                ("input_tokens", -1),
                ("output_tokens", -1),
            )
        }
        flows = tuple(f"flow-{n}" for n in range(len(entries)))
        schedule = Schedule(at_s=np.array(at_s, dtype=np.float64), flows=flows, **columns)
        said: dict[str, Any] = {
            "seed": 1,
            "duration_s": 10.0,
            "hosts": ("host",),
            "cores": (64.0,),
            "priorities": (0,) * len(entries),
            "beside_s": (),
            "faults": (),
            "sick": (),
            "slow": (),
            "scrape_s": 1.0,
            "prompts": 10,
            "tenants": 2,
            "closed": None,
        } | more
        return Model(
            stations=tuple(self.stations),
            wires=tuple(self.wires),
            hops=tuple(self.hops),
            flows=flows,
            entries=entries,
            arrivals=lambda: iter([schedule]),
            **said,
        )


def run(model: Model, components: Mapping[str, Component] | None = None) -> Tables:
    """Execute it."""
    return execute(model, components)


def outcomes(tables: Tables) -> list[str]:
    """Of every request."""
    return list(tables.samples["outcome"].to_pylist())


def answer_ms(tables: Tables) -> list[float]:
    """From start to end, of every request, to the microsecond."""
    return [round((row["done_s"] - row["intended_s"]) * 1000, 3) for row in tables.samples.to_pylist()]


def spans(tables: Tables, column: str, **where: Any) -> list[Any]:
    """A column of the spans that match; numbers to the microsecond."""
    return _column(tables.spans, column, where)


def series(tables: Tables, name: str, component: str = "") -> list[float]:
    """What was read, look by look."""
    return _column(tables.series, "value", {"name": name, "component": component})


def _column(table: pa.Table, column: str, where: Mapping[str, Any]) -> list[Any]:
    rows = [row for row in table.to_pylist() if all(row[key] == value for key, value in where.items())]
    return [round(row[column], 6) if isinstance(row[column], float) else row[column] for row in rows]
