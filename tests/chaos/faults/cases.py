"""One fault or more of every kind, small enough to be seen in a test. Used by the tests of faults and of inject."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from windtunnel.spec.fault import AnyFault, Fault

LINK = "app->db"


def fault(kind: str, *, target: str = LINK, **settings: Any) -> AnyFault:
    """As a scenario's file would say it."""
    made: AnyFault = TypeAdapter(Fault).validate_python({kind: target, **settings})
    return made


CASES: dict[str, AnyFault] = {
    "latency": fault("latency", latency_ms=80),
    "latency up": fault("latency", latency_ms=80, stream="upstream"),
    "latency with jitter": fault("latency", latency_ms=80, jitter_ms=40),
    "latency with wide jitter": fault("latency", latency_ms=80, jitter_ms=80),
    "bandwidth": fault("bandwidth", rate_kb_per_s=20),
    "bandwidth up": fault("bandwidth", rate_kb_per_s=20, stream="upstream"),
    "blackhole": fault("blackhole"),
    "blackhole up": fault("blackhole", stream="upstream"),
    "blackhole that closes": fault("blackhole", close_after_ms=150),
    "blackhole that closes up": fault("blackhole", close_after_ms=150, stream="upstream"),
    "reset": fault("reset"),
    "reset up": fault("reset", stream="upstream"),
    "reset later": fault("reset", after_ms=150),
    "outage": fault("outage"),
    "slow_close": fault("slow_close", delay_ms=150),
    "slow_close up": fault("slow_close", delay_ms=150, stream="upstream"),
    "fragmentation": fault("fragmentation", size_bytes=20),
    "fragmentation with delays": fault("fragmentation", size_bytes=100, variation_bytes=20, delay_us=5000),
    "fragmentation up": fault("fragmentation", size_bytes=100, delay_us=5000, stream="upstream"),
    "truncation": fault("truncation", bytes=50),
    "truncation up": fault("truncation", bytes=50, stream="upstream"),
    "toxic latency": fault("toxic", type="latency", attributes={"latency": 80}),
    "toxic bandwidth": fault("toxic", type="bandwidth", attributes={"rate": 20}),
    "toxic slow_close": fault("toxic", type="slow_close", attributes={"delay": 150}),
    "toxic timeout": fault("toxic", type="timeout", attributes={"timeout": 150}),
    "toxic reset_peer": fault("toxic", type="reset_peer", attributes={"timeout": 150}),
    "toxic slicer": fault("toxic", type="slicer", attributes={"average_size": 20}),
    "toxic limit_data": fault("toxic", type="limit_data", attributes={"bytes": 50}),
    "toxic on half": fault("toxic", type="latency", attributes={"latency": 80}, toxicity=0.5),
}
