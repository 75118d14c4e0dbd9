"""Every fault on a link that can be said can be done, and imagined; those that only the model knows are listed here."""

from __future__ import annotations

from windtunnel.chaos.faults.registry import REAL
from windtunnel.sim.faults.registry import IMAGINED
from windtunnel.spec.fault import KINDS, LINK_KINDS, MODEL_KINDS

from .cases import CASES


def test_every_kind_of_fault_on_a_link_has_a_real_and_a_simulated_side() -> None:
    assert set(REAL) == set(LINK_KINDS)
    assert set(IMAGINED) == set(LINK_KINDS)


def test_no_other_kind_than_these_is_known_to_the_model_only() -> None:
    assert set(MODEL_KINDS) == {"kill", "brownout", "random_outages", "zone_outage"}
    assert {*LINK_KINDS, *MODEL_KINDS} == set(KINDS)


def test_every_kind_of_fault_on_a_link_is_tried_here() -> None:
    assert {fault.kind for fault in CASES.values()} == set(LINK_KINDS)
