"""Hysteresis against what the drawings say: a database with ten places and 50 ms of work serves 200 queries/s."""

from __future__ import annotations

import pytest

from tests.sim.metastable import subject
from windtunnel.sim.hysteresis import Hysteresis, Step, hysteresis, undisturbed
from windtunnel.spec.problem import SpecError

CAPACITY_PER_S = 10 / 0.050
ATTEMPTS = 4


def test_with_retries_it_recovers_only_where_four_times_the_load_is_still_no_overload() -> None:
    found = hysteresis(subject("drop_retries", defended=False), [40, 60, 180, 210])
    assert [step.quiet > 0.99 for step in found.steps] == [True, True, True, False]
    assert [step.shaken > 0.99 for step in found.steps] == [True, False, False, False]
    assert found.recovers_per_s == 40 < CAPACITY_PER_S / ATTEMPTS < 60
    assert found.holds_per_s == 180 < CAPACITY_PER_S < 210


def test_with_the_defence_there_is_no_load_that_it_holds_and_does_not_recover_at() -> None:
    found = hysteresis(subject("drop_retries", defended=True), [60, 180])
    assert found.recovers_per_s == found.holds_per_s == 180


def test_the_crowd_is_the_same_at_every_rate() -> None:
    found = hysteresis(subject("spike_retries", defended=False), [120, 20])
    assert [step.rate_per_s for step in found.steps] == [20, 120]
    assert found.recovers_per_s == 20
    assert found.holds_per_s == 120


def test_the_lowest_rates_count_however_it_goes_on_above_a_bad_one() -> None:
    found = Hysteresis((Step(1, 1.0, 0.5), Step(2, 0.5, 1.0), Step(3, 1.0, 1.0)))
    assert (found.holds_per_s, found.recovers_per_s) == (1, 0)


def test_undisturbed_means_the_usual_load_and_no_faults() -> None:
    crowd, faults = (subject(kind, defended=False).scenario for kind in ("spike_cache", "drop_cache"))
    calm = undisturbed(crowd)
    assert calm.load == undisturbed(faults).load == faults.load
    assert calm.objectives == crowd.objectives
    assert not undisturbed(faults).faults
    assert set(undisturbed(faults).objectives) == {"before"}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [({"windows.after_s": 0}, "windows.after_s: found 0"), ({"faults": []}, "neither a flash crowd nor faults")],
)
def test_what_has_no_way_down_is_told(changed: dict[str, object], sentence: str) -> None:
    asked = subject("drop_retries", defended=False)
    bare = asked.changed({"objectives": {"before": {"error_ratio": {"max": 0.01}}}}).changed(changed)
    with pytest.raises(SpecError, match=sentence):
        hysteresis(bare, [1])
