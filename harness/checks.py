"""Whether a measured run can be trusted at all: asked of every run, and a no makes it inconclusive.

The load was delivered as it was configured; the machine was not saturated; the spans agree with the
declared flow; nobody went around a proxy; nothing died that should have lived.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from windtunnel.harness.declared import declared
from windtunnel.spec.architecture import SUCCESSES, Architecture
from windtunnel.spec.load import Schedule
from windtunnel.spec.run import Check

LAG_MS_P99 = 50.0
"""A generator later than this at its 99th percentile did not deliver the load that was asked for."""
HOST_BUSY_SHARE = 0.6
"""Above it a latency says as much about the machine as about the service."""
SPANS_MISSING_SHARE = 0.01


def load_delivered(planned: Schedule, samples: pa.Table) -> Check:
    """Every planned request was sent, and on time."""
    intended = samples["intended_s"].to_numpy()
    lag_ms = (samples["sent_s"].to_numpy() - intended) * 1000
    if len(samples) != len(planned):
        return Check(name="load delivered", ok=False, detail=f"{len(samples)} of {len(planned)} requests were sent")
    if not len(samples):
        return Check(name="load delivered", ok=False, detail="the load has no request in this time")
    if not np.allclose(intended, planned.at_s, atol=1e-6):
        return Check(name="load delivered", ok=False, detail="the requests were sent at other times than planned")
    late = float(np.quantile(lag_ms, 0.99))
    detail = f"{len(samples)} requests, sent {np.median(lag_ms):.1f} ms (p50), {late:.1f} ms (p99) after their time"
    return Check(name="load delivered", ok=late <= LAG_MS_P99, detail=f"{detail}; at most {LAG_MS_P99:g} ms is on time")


def host_not_saturated(busy_shares: Sequence[float]) -> Check:
    """The machine's processors were idle enough, over the judged time."""
    if not busy_shares:
        return Check(name="host not saturated", ok=False, detail="the processor was never looked at")
    mean = float(np.mean(busy_shares))
    detail = (
        f"{mean:.0%} of all cores busy on average, {max(busy_shares):.0%} at most; trusted up to {HOST_BUSY_SHARE:.0%}"
    )
    return Check(name="host not saturated", ok=mean <= HOST_BUSY_SHARE, detail=detail)


def no_strays(strays: Sequence[str]) -> Check:
    """Everybody's connections went through their own proxies, whenever we looked."""
    words = "; ".join(sorted(set(strays))) or "every connection seen leads to the caller's own proxy"
    return Check(name="nobody around a proxy", ok=not strays, detail=words)


def all_alive(deaths: Sequence[str]) -> Check:
    """Nothing died that no fault had killed."""
    return Check(
        name="everything alive", ok=not deaths, detail="; ".join(sorted(set(deaths))) or "every instance still runs"
    )


def spans_agree(architecture: Architecture, samples: pa.Table, spans: pa.Table) -> Check:
    """The calls that were seen are the calls that the flow declares, as often as it declares them.

    Only requests that succeeded are held against the flow: a failed one may stop anywhere.
    """
    name = "spans agree with the flow"
    succeeded = {
        request: flow
        for request, flow, outcome in zip(
            *(samples[c].to_pylist() for c in ("request", "flow", "outcome")), strict=True
        )
        if outcome in SUCCESSES
    }
    seen: dict[int, Counter[str]] = defaultdict(Counter)
    columns = ("request", "kind", "caller", "callee", "op", "attempt")
    for request, kind, caller, callee, op, attempt in zip(*(spans[c].to_pylist() for c in columns), strict=True):
        if kind == "client" and attempt == 0 and request in succeeded:
            seen[request][f"{caller}->{callee}:{op}"] += 1
    counts = {flow: declared(architecture, flow) for flow in set(succeeded.values())}
    undeclared: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    missing = 0
    for request, flow in succeeded.items():
        absent = False
        for call, times in seen[request].items():
            if call not in counts[flow]:
                undeclared[f"{call} in {flow}"] += 1
            elif times > counts[flow][call][1]:
                wrong[f"{call} {times} times in {flow}, at most {counts[flow][call][1]}"] += 1
        for call, (least, _) in counts[flow].items():
            absent |= seen[request][call] < least
        missing += absent
    words = [f"undeclared: {call} ({n} requests)" for call, n in undeclared.most_common(5)]
    words += [f"too often: {call} ({n} requests)" for call, n in wrong.most_common(5)]
    if missing > SPANS_MISSING_SHARE * len(succeeded):
        words.append(f"{missing} of {len(succeeded)} successful requests lack a span that their flow declares")
    if not succeeded:
        return Check(name=name, ok=True, detail="no request succeeded, so there is no path to hold against the flow")
    detail = "; ".join(words) or f"the paths of {len(succeeded)} successful requests are the declared ones"
    return Check(name=name, ok=not words, detail=detail)


def flow_of(architecture: Architecture, method: str, path: str) -> str:
    """The flow whose request has this method and path; ``call`` where none has."""
    bare = path.partition("?")[0]
    for name, flow in architecture.flows.items():
        pattern = re.sub(r"\\\{[a-z_]+\\\}", "[^/]+", re.escape(flow.sent.path.partition("?")[0]))
        if flow.sent.method == method and re.fullmatch(pattern, bare):
            return name
    return "call"
