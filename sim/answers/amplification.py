"""How many exchanges a call comes to, by link: retries and hedges are load that nobody asked for. Used by answers and
by objectives of retry_amplification."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from windtunnel.spec.run import Run


def amplification(run: Run, requests: NDArray[np.int64]) -> dict[str, float]:
    """Exchanges per call on each link, of the calls that were made for these requests, in the order of the drawing.

    1 where nothing was tried again. Links without a call are left out. From the spans: {} where none were observed.
    """
    spans = run.spans
    mine = spans.filter(pc.and_(pc.equal(spans["kind"], "client"), pc.is_in(spans["request"], pa.array(requests))))
    found = mine.group_by(["caller", "callee"]).aggregate([("attempt", "count")])
    exchanges = {f"{row['caller']}->{row['callee']}": row["attempt_count"] for row in found.to_pylist()}
    first = mine.filter(pc.equal(mine["attempt"], 0)).group_by(["caller", "callee"]).aggregate([("attempt", "count")])
    calls = {f"{row['caller']}->{row['callee']}": row["attempt_count"] for row in first.to_pylist()}
    drawn = [link.name for link in run.record.architecture.links]
    order = sorted(calls, key=lambda name: (drawn.index(name) if name in drawn else len(drawn), name))
    return {name: exchanges[name] / calls[name] for name in order}
