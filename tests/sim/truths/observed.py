"""What a run of either engine has to say about its requests, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tests.sim.truths.worlds import World
from windtunnel.sim.compiled.execute import Compiled
from windtunnel.sim.model import OUTSIDE, Model, Outcome
from windtunnel.sim.reference.engine import execute

Engine = Literal["compiled", "simpy"]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Observed:
    """By request, in the order of their starts, those of the warm-up left out."""

    begin_s: Values
    sojourn_ms: Values
    ok: NDArray[np.bool_]
    flow: Values
    """Its number in the order of the world's flows."""
    wait_ms: Values
    """For a place at ``queue``, or for a connection to it; nan: it was never admitted. Nobody asked: all nan."""
    there_ms: Values
    """Until it left ``queue`` or gave up the line."""
    warm_up_s: float
    end_s: float

    @property
    def done_s(self) -> Values:
        return self.begin_s + self.sojourn_ms / 1000


def observe(
    engine: Engine, world: World, requests: float, seed: int, *, warm_up_requests: float = 0, waits: bool = False
) -> Observed:
    """Run the world. ``waits``: look into the queue, too."""
    model = world.model(requests, seed, warm_up_requests=warm_up_requests)
    match engine:
        case "simpy":
            columns = _simpy(model)
        case "compiled":
            columns = _compiled_spans(model) if waits else _compiled_samples(model)
    warm_up_s = warm_up_requests / world.rate_per_s
    kept = columns["begin_s"] >= warm_up_s  # nor is nan: a number that no request has, as users share them out
    return Observed(
        **{name: column[kept] for name, column in columns.items()}, warm_up_s=warm_up_s, end_s=model.duration_s
    )


def _compiled_samples(model: Model) -> dict[str, Any]:
    run = Compiled(model, spans=False)
    run.run()
    rows = run.samples()
    nothing = np.full(len(rows), np.nan)
    return {
        "begin_s": rows["intended"],
        "sojourn_ms": (rows["done"] - rows["intended"]) * 1000,
        "ok": rows["outcome"] == Outcome.OK,
        "flow": rows["flow"],
        "wait_ms": nothing,
        "there_ms": nothing,
    }


def _compiled_spans(model: Model) -> dict[str, Any]:
    """The client's own calls are the requests."""
    run = Compiled(model, samples=False)
    run.run()
    spans = run.spans()
    outer = np.array([hop.caller == OUTSIDE for hop in model.hops])
    flows = np.zeros(len(model.hops), dtype=np.int64)
    flows[[entry.hop for entry in model.entries]] = np.arange(len(model.entries))
    server, inner = _line(model)
    is_server = spans["server"] == 1
    asked = spans[~is_server & outer[spans["hop"]]]
    lined = spans[(is_server == server) & inner[spans["hop"]]]
    count, request = int(asked["request"].max()) + 1, asked["request"]
    return {
        "begin_s": _placed(count, request, asked["start"]),
        "sojourn_ms": _placed(count, request, asked["duration"]),
        "ok": _placed(count, request, asked["outcome"]) == Outcome.OK,
        "flow": _placed(count, request, flows[asked["hop"]]),
        "wait_ms": _placed(count, lined["request"], lined["wait"]),
        "there_ms": _placed(count, lined["request"], lined["duration"]),
    }


def _simpy(model: Model) -> dict[str, Any]:
    tables = execute(model)
    asked, begin_s, done_s, outcome, flow = (
        tables.samples[name].to_numpy() for name in ("request", "intended_s", "done_s", "outcome", "flow")
    )
    kind = "server" if _line(model)[0] else "client"
    lined = tables.spans.filter(pc.and_(_equal(tables.spans, "kind", kind), _equal(tables.spans, "callee", "queue")))
    count, request = int(asked.max()) + 1, lined["request"].to_numpy()
    return {
        "begin_s": begin_s,
        "sojourn_ms": (done_s - begin_s) * 1000,
        "ok": outcome == "ok",
        "flow": np.array([model.flows.index(name) for name in flow], dtype=np.float64),
        "wait_ms": _placed(count, request, lined["wait_ms"].to_numpy())[asked],
        "there_ms": _placed(count, request, lined["duration_ms"].to_numpy())[asked],
    }


def _equal(table: pa.Table, column: str, value: str) -> pa.Array:
    return pc.equal(table[column], value)


def _line(model: Model) -> tuple[bool, NDArray[np.bool_]]:
    """Whose span tells how long a request waited for ``queue`` (the callee's; with a pool the caller's), which hops."""
    hops = np.array([model.stations[hop.callee].name == "queue" for hop in model.hops])
    pooled = any(model.wires[hop.wire].pool is not None for hop in model.hops)
    return not pooled, hops


def _placed(count: int, request: NDArray[np.int64], values: Any) -> Values:
    """By request; nan where there was nothing."""
    found = np.full(count, np.nan)
    found[request] = values
    return found
