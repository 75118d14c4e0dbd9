"""How many reads were answered by a standby that lacked a write by then. Used by objectives of stale_read_ratio."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from windtunnel.sim.answers.readings import Readings
from windtunnel.spec.architecture import SUCCESSES, Architecture
from windtunnel.spec.run import Run
from windtunnel.spec.scenario import Window


def counts_stale_reads(run: Run) -> bool:
    """Whether it is observed: a forecast of a database with standbys that lag."""
    return "spans" in run.record.observes and "stale_reads" in run.series["name"].unique().to_pylist()


def stale_read_ratio(run: Run, window: Window) -> tuple[float | None, int]:
    """Share of the reads that ended in the window, and how many these were; None where there were none."""
    readings = Readings(run.series)
    databases = [name for name in run.record.architecture.components if readings.has("stale_reads", name)]
    reads = 0
    for callee, op in _reading(run.record.architecture):
        if callee in databases:
            reads += _ended_well(run, callee, op, window)
    return (readings.total("stale_reads", databases, window) / reads if reads else None), reads


def _reading(architecture: Architecture) -> set[tuple[str, str]]:
    """(database, operation) of the calls that change nothing."""
    return {(call.call, call.op) for flow in architecture.flows for _, call in architecture.calls(flow) if call.reads}


def _ended_well(run: Run, callee: str, op: str, window: Window) -> int:
    spans = run.spans
    chosen = pc.and_(
        pc.and_(pc.equal(spans["callee"], callee), pc.equal(spans["op"], op)), pc.equal(spans["kind"], "client")
    )
    rows = spans.filter(pc.and_(chosen, pc.is_in(spans["outcome"], pa.array(sorted(SUCCESSES)))))
    end_s = rows["start_s"].to_numpy() + rows["duration_ms"].to_numpy() / 1000
    return int(((end_s > window.start_s) & (end_s <= window.end_s)).sum())
