"""Every fault that can be said can be done, and imagined."""

from __future__ import annotations

from windtunnel.chaos.faults.registry import REAL
from windtunnel.sim.faults.registry import IMAGINED
from windtunnel.spec.fault import KINDS

from .cases import CASES


def test_every_kind_of_fault_has_a_real_and_a_simulated_side() -> None:
    assert set(REAL) == set(KINDS)
    assert set(IMAGINED) == set(KINDS)


def test_every_kind_of_fault_is_tried_here() -> None:
    assert {fault.kind for fault in CASES.values()} == set(KINDS)
