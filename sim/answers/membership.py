"""Which requests a window is about, and what became of them: one rule wherever a run is read."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from windtunnel.spec.run import Run
from windtunnel.spec.scenario import Window


def belongs(run: Run, window: Window) -> NDArray[np.bool_]:
    """For each row of the samples, whether its intended start lies in the window, however late it ended.

    With one exception: a request that is still in flight when a fault begins belongs to the fault's window, since the
    fault may be what it fails of.
    """
    intended_s = run.samples["intended_s"].to_numpy()
    scenario = run.record.scenario
    owned_s = intended_s.copy()
    for begins_s in {w.start_s for w in scenario.windows.spans() for f in scenario.faults if f.at == w.name}:
        owned_s[(intended_s < begins_s) & (run.samples["done_s"].to_numpy() > begins_s)] = begins_s
    inside: NDArray[np.bool_] = (owned_s >= window.start_s) & (owned_s < window.end_s)
    return inside


def answered(run: Run, inside: NDArray[np.bool_]) -> dict[str, int]:
    """How many of these requests (a flag for each row of the samples) succeeded, by flow."""
    return _counts(run, "flow", inside & _ok(run))


def failures(run: Run, inside: NDArray[np.bool_]) -> dict[str, float]:
    """How many of them failed, by outcome, the most frequent first."""
    found = _counts(run, "outcome", inside & ~_ok(run))
    return {outcome: float(count) for outcome, count in sorted(found.items(), key=lambda each: -each[1])}


def _ok(run: Run) -> NDArray[np.bool_]:
    flags: NDArray[np.bool_] = pc.equal(run.samples["outcome"], "ok").to_numpy()
    return flags


def _counts(run: Run, column: str, chosen: NDArray[np.bool_]) -> dict[str, int]:
    rows = pc.value_counts(run.samples[column].filter(pa.array(chosen))).to_pylist()
    return {row["values"]: row["counts"] for row in rows}
