"""Which requests a window is about, and what became of them."""

from __future__ import annotations

from tests.harness import worlds
from windtunnel.sim.answers.membership import answered, belongs, failures


def test_a_request_in_flight_when_a_fault_begins_is_the_faults() -> None:
    scenario = worlds.scenario(faults=[{"outage": "app->db", "at": "during"}])  # 11 s to 21 s
    run = worlds.run(scenario, worlds.samples([9.0, 10.5, 20.5], latency_ms=1000))
    inside = {window.name: belongs(run, window).tolist() for window in scenario.windows.spans()}
    assert inside["before"] == [True, False, False]
    assert inside["during"] == [False, True, True]
    assert inside["after"] == [False, False, False]


def test_what_became_of_them() -> None:
    outcomes = ["ok", "timeout", "error", "timeout", "ok", "rejected"]
    run = worlds.run(table=worlds.samples([12, 13, 14, 15, 16, 25], outcome=outcomes))
    during = run.record.scenario.windows.named("during")
    assert during
    inside = belongs(run, during)
    assert answered(run, inside) == {"chat": 2}
    assert list(failures(run, inside).items()) == [("timeout", 2), ("error", 1)], "the most frequent first"
