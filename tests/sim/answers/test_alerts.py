"""Alert rules on readings and answers whose times are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.harness import worlds
from windtunnel.sim.answers.alerts import Alerted, Firing, alerts, firings
from windtunnel.sim.answers.readings import Readings
from windtunnel.spec.run import Run

LOOKS = np.arange(1, 63) * 0.5
"""Every half second of the 31 s."""


def alerted(rule: dict[str, Any], run: Run | None = None, **more: Any) -> Alerted:
    asked = worlds.scenario(alerts={"it": rule})
    run = worlds.run(asked, **more) if run is None else run
    (found,) = alerts(run, Readings(run.series))
    return found


@pytest.mark.parametrize(
    ("for_s", "expected"),
    [
        (0, [Firing(1.0, 2.0), Firing(3.0, None)]),
        (0.5, [Firing(1.5, 2.0), Firing(3.5, None)]),
        (1.0, [Firing(4.0, None)]),
        (9, []),
    ],
)
def test_a_rule_fires_when_it_has_held_for_so_long(for_s: float, expected: list[Firing]) -> None:
    at_s = np.arange(1, 9) * 0.5
    holds = np.array([False, True, True, False, False, True, True, True])
    assert firings(at_s, holds, for_s) == tuple(expected)


def test_a_gauge() -> None:
    depth = np.where((LOOKS >= 10) & (LOOKS < 12), 30.0, 3.0)
    found = alerted(
        {"metric": "queue", "of": "llm", "above": 20},
        gauges=[worlds.series("llm", LOOKS.tolist(), depth.tolist(), "queue")],
    )
    assert found.firings == (Firing(10.0, 12.0),)
    assert found.worst == 30
    quiet = alerted(
        {"metric": "queue", "of": "llm", "below": 3},
        gauges=[worlds.series("llm", LOOKS.tolist(), depth.tolist(), "queue")],
    )
    assert (quiet.firings, quiet.worst) == ((), 3)


def test_the_share_of_a_processor_is_of_its_host() -> None:
    half = worlds.series("app", LOOKS.tolist(), [1.0] * len(LOOKS))  # of two cores
    assert alerted({"metric": "cpu_share", "of": "app", "above": 0.6}, gauges=[half]).worst == 0.5
    host = worlds.series("host", LOOKS.tolist(), [1.0] * len(LOOKS))
    assert alerted({"metric": "cpu_share", "of": "app", "above": 0.6}, gauges=[host]).worst == 0, "it has used none"


def test_tokens_a_second_are_what_counters_grow() -> None:
    said = worlds.series("llm", LOOKS.tolist(), (LOOKS * 100).tolist(), "tokens_out")
    heard = worlds.series("llm", LOOKS.tolist(), (LOOKS * 7).tolist(), "tokens_in")
    assert alerted({"metric": "tokens_per_s", "above": 500}, gauges=[said, heard]).worst == pytest.approx(107)
    assert alerted({"metric": "tokens_per_s", "of": "db", "above": 500}, gauges=[said]).unobserved == "tokens"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"metric": "error_ratio", "above": 0.2}, [Firing(10.5, 12.5)]),
        ({"metric": "error_ratio", "above": 0.2, "for_s": 1}, [Firing(11.5, 12.5)]),
        ({"metric": "error_ratio", "above": 0.2, "for_s": 5}, []),
        ({"metric": "latency_ms_p99", "above": 250}, [Firing(10.5, 12.5)]),
        ({"metric": "latency_ms_p50", "above": 250}, []),
        ({"metric": "rate_per_s", "above": 10}, []),
        ({"metric": "rate_per_s", "below": 10}, [Firing(20.5, None)]),
    ],
)
def test_of_all_answers(rule: dict[str, Any], expected: list[Firing]) -> None:
    """Ten a second until 20 s, each after 50 ms; from 10 s to 12 s two of five take 300 ms and fail."""
    at_s = np.arange(0.05, 20, 0.1)
    bad = (at_s > 10) & (at_s < 12) & (np.arange(len(at_s)) % 5 < 2)
    table = worlds.samples(at_s, np.where(bad, 300.0, 50.0), np.where(bad, "error", "ok").tolist())
    found = alerted(rule, worlds.run(worlds.scenario(alerts={"it": rule}), table))
    assert [firing.fires_s for firing in found.firings] == pytest.approx(
        [firing.fires_s for firing in expected], abs=0.51
    )
    assert len(found.firings) == len(expected)


def test_an_answer_at_a_look_is_of_that_look() -> None:
    table = worlds.samples([0.4, 0.9], latency_ms=100)
    rule = {"metric": "rate_per_s", "above": 1.5}
    found = alerted(rule, worlds.run(worlds.scenario(alerts={"it": rule}), table))
    assert found.firings == (Firing(0.5, 1.5),)


def test_of_the_calls_to_one_component() -> None:
    rule = {"metric": "latency_ms_p95", "of": "db", "above": 100}
    calls = worlds.spans(range(400), "app->db", np.where(np.arange(400) < 200, 10.0, 500.0))  # 40 a second
    run = worlds.run(worlds.scenario(alerts={"it": rule}), calls=[calls])
    found = alerted(rule, run)
    assert found.worst == 500
    assert found.firings[0].fires_s == pytest.approx(5.5, abs=0.51)
    assert alerted(rule).unobserved == "spans"


def test_what_is_not_observed_is_neither_quiet_nor_firing() -> None:
    found = alerted({"metric": "in_use", "of": "llm", "above": 1})
    assert (found.unobserved, found.firings, found.worst) == ("in_use of llm", (), None)
