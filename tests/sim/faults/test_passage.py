"""Each kind of fault as a pure function of one leg, and the registry of them all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from windtunnel.sim.faults.passage import CLEAR, Leg, Passage, backlog
from windtunnel.sim.faults.registry import IMAGINED, imagined
from windtunnel.spec.fault import LINK_KINDS, Fault, Toxic

DOWN = Leg("downstream", 1000)
STREAM = Leg("downstream", 1000, pieces=10, spread_ms=90)
UP = Leg("upstream", 500)


def said(**settings: Any) -> Any:
    return TypeAdapter(Fault).validate_python(settings)


def half(_: int) -> float:
    return 0.5


def test_every_kind_of_fault_on_a_link_is_imagined() -> None:
    assert set(IMAGINED) == set(LINK_KINDS)


@pytest.mark.parametrize(
    ("fault", "leg", "expected"),
    [
        (said(latency="a->b", latency_ms=100), DOWN, Passage(100, 100)),
        (said(latency="a->b", latency_ms=100), UP, CLEAR),
        (said(latency="a->b", latency_ms=100), Leg("downstream", 9, round_trips=3), Passage(300, 300)),
        (said(bandwidth="a->b", rate_kb_per_s=10), DOWN, Passage(100, 100)),
        (said(bandwidth="a->b", rate_kb_per_s=50), STREAM, Passage(2, 2)),
        (said(bandwidth="a->b", rate_kb_per_s=5), STREAM, Passage(20, 110)),
        (said(blackhole="a->b"), DOWN, Passage(lost=True, rearmed=True)),
        (said(blackhole="a->b"), UP, CLEAR),
        (said(blackhole="a->b", close_after_ms=7), UP, Passage(cut_after_ms=7, rearmed=True)),
        (said(blackhole="a->b", close_after_ms=7), STREAM, Passage(lost=True, cut_after_ms=97, rearmed=True)),
        (said(reset="a->b", after_ms=5), DOWN, Passage(lost=True, cut_after_ms=5)),
        (said(reset="a->b", after_ms=5, stream="upstream"), DOWN, CLEAR),
        (said(outage="a->b"), UP, Passage(lost=True, cut_after_ms=0)),
        (said(slow_close="a->b", delay_ms=5), DOWN, CLEAR),
        (said(fragmentation="a->b", size_bytes=250, delay_us=1000), DOWN, Passage(3, 3)),
        (said(fragmentation="a->b", size_bytes=2000, delay_us=1000), DOWN, CLEAR),
        (said(fragmentation="a->b", size_bytes=50, delay_us=10_000), STREAM, Passage(10, 100)),
        (said(truncation="a->b", bytes=1000), DOWN, CLEAR),
        (said(truncation="a->b", bytes=999), DOWN, Passage(lost=True, broken_off=True, cut_after_ms=0)),
        (said(truncation="a->b", bytes=500), STREAM, Passage(broken_off=True, cut_after_ms=45)),
        (said(truncation="a->b", bytes=50), STREAM, Passage(lost=True, broken_off=True, cut_after_ms=4.5)),
        (said(toxic="a->b", type="noop"), DOWN, CLEAR),
        (said(toxic="a->b", type="latency", attributes={"latency": 100}), DOWN, Passage(100, 100)),
        (said(toxic="a->b", type="latency", attributes={"latency": 100}, toxicity=0.9), DOWN, CLEAR),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_passage(fault: Any, leg: Leg, expected: Passage) -> None:
    assert IMAGINED[fault.kind].passage(fault, leg, half) == expected


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_jitter_is_even_around_the_latency_and_never_early(u: float) -> None:
    fault = said(latency="a->b", latency_ms=10, jitter_ms=30)
    late_ms = IMAGINED["latency"].passage(fault, DOWN, lambda _: u).last_ms
    assert late_ms == pytest.approx(max(0.0, -20 + 60 * u))


@given(st.integers(1, 60), st.floats(0, 1000), st.floats(0, 50))
def test_backlog_is_that_of_a_queue_served_piece_by_piece(pieces: int, spread_ms: float, piece_ms: float) -> None:
    gap_ms = spread_ms / (pieces - 1) if pieces > 1 else 0.0
    leaves_ms = 0.0
    for n in range(pieces):
        leaves_ms = max(leaves_ms, n * gap_ms) + piece_ms
    leg = Leg("downstream", 1, pieces=pieces, spread_ms=spread_ms if pieces > 1 else 0.0)
    assert backlog(leg, piece_ms) == pytest.approx(leaves_ms - (pieces - 1) * gap_ms, abs=1e-6)


@pytest.mark.parametrize(
    ("type_", "attributes", "kind"),
    [
        ("latency", {"latency": 5, "jitter": 1}, "latency"),
        ("bandwidth", {"rate": 5}, "bandwidth"),
        ("timeout", {"timeout": 0}, "blackhole"),
        ("timeout", {}, "blackhole"),
        ("reset_peer", {"timeout": 3}, "reset"),
        ("slow_close", {"delay": 3}, "slow_close"),
        ("slicer", {"average_size": 10, "size_variation": 2, "delay": 5}, "fragmentation"),
        ("limit_data", {"bytes": 10}, "truncation"),
        ("latency", {"latancy": 5}, "toxic"),
        ("latency", {}, "toxic"),
        ("latency", {"latency": "long"}, "toxic"),
        ("custom", {}, "toxic"),
    ],
)
def test_a_toxic_becomes_the_kind_that_it_is(type_: str, attributes: dict[str, Any], kind: str) -> None:
    fault, imagination = imagined(
        Toxic.model_validate(
            {
                "kind": "toxic",
                "target": "a.0->b",
                "at": "after",
                "type": type_,
                "attributes": attributes,
                "stream": "upstream",
            }
        )
    )
    assert (fault.kind, fault.target, fault.at) == (kind, "a.0->b", "after")
    assert imagination is IMAGINED[kind]
    assert getattr(fault, "stream", "") == "upstream"
    assert (imagination.unmodelled(fault, []) is not None) == (kind == "toxic")
