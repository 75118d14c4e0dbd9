"""What a closed loop knows of its users."""

from __future__ import annotations

from itertools import islice

import pytest

from windtunnel.sim.parts.closed_loop import asked, closed_loop
from windtunnel.spec.load import Load

THINK = {"kind": "exponential", "mean": 500}


def test_an_open_load_is_none() -> None:
    assert closed_loop(Load(rate_per_s=5, flows={"ask": 1})) is None


def test_weights_are_cumulated() -> None:
    load = Load.model_validate(
        {
            "arrivals": "closed",
            "users": 20,
            "think_ms": THINK,
            "flows": {"ask": 3, "look": 1},
            "prompts": {"distinct": 3, "zipf": 1},
            "tenants": {"distinct": 2},
        }
    )
    closed = closed_loop(load)
    assert closed is not None
    assert (closed.users, closed.think_ms.mean()) == (20, 500)
    assert closed.flows.tolist() == [0.75, 1]
    assert closed.prompts == pytest.approx([6 / 11, 9 / 11, 1])
    assert closed.tenants.tolist() == [0.5, 1]
    some = list(islice(asked(closed, 1), 2000))
    assert sum(flow == 0 for flow, _ in some) / 2000 == pytest.approx(0.75, abs=0.04)
    assert sum(prompt == 0 for _, prompt in some) / 2000 == pytest.approx(6 / 11, abs=0.05)
    assert some == list(islice(asked(closed, 1), 2000))
