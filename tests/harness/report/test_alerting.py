"""What alert rules would have done, in words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness import worlds
from windtunnel.harness.report.alerting import as_data, outcome, rule, told
from windtunnel.harness.report.pair import Pair
from windtunnel.sim.answers.alerts import Alerted, Firing
from windtunnel.spec.alert import Alert

QUEUE = Alert.model_validate({"metric": "queue", "of": "llm", "above": 20, "for_s": 2})


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"metric": "queue", "of": "llm", "above": 20, "for_s": 2}, "queue of llm above 20 for 2 s"),
        ({"metric": "error_ratio", "above": 0.05}, "error ratio above 5 %"),
        ({"metric": "latency_ms_p99", "above": 900}, "latency p99 above 900 ms"),
        ({"metric": "rate_per_s", "below": 5}, "rate below 5 /s"),
    ],
)
def test_rules(said: dict[str, Any], words: str) -> None:
    assert rule(Alert.model_validate(said)) == words


@pytest.mark.parametrize(
    ("firings", "worst", "unobserved", "words"),
    [
        ((), 12.0, None, "quiet, at most 12"),
        ((), None, None, "quiet"),
        ((), None, "queue of llm", "not observed: queue of llm"),
        ((Firing(15.5, 27.0),), 40.0, None, "fires at 15.5 s, resolves at 27 s"),
        ((Firing(15.5, None),), 40.0, None, "fires at 15.5 s, until the end"),
        (
            tuple(Firing(float(at), at + 0.5) for at in range(5)),
            40.0,
            None,
            "fires at 0 s, resolves at 0.5 s; fires at 1 s, resolves at 1.5 s; and 3 times more",
        ),
    ],
)
def test_outcomes(firings: tuple[Firing, ...], worst: float | None, unobserved: str | None, words: str) -> None:
    assert outcome(Alerted("it", QUEUE, firings, worst, unobserved)) == words


def test_of_both_runs_of_a_pair() -> None:
    asked = worlds.scenario(alerts={"slow": {"metric": "latency_ms_p50", "above": 150}, "deep": QUEUE.model_dump()})
    table = worlds.samples([1.0, 2.0, 3.0], latency_ms=[100, 200, 100])
    pair = Pair.of(worlds.run(asked, table), worlds.run(asked, table, kind="forecast"))
    slow, deep = told(pair)
    assert slow.outcomes == ("fires at 2.5 s, resolves at 3 s",) * 2
    assert deep.outcomes == ("not observed: queue of llm",) * 2
    assert as_data(pair)[0]["measured"] == {
        "firings": [{"fires_s": 2.5, "resolves_s": 3.0}],
        "worst": pytest.approx(200),
        "unobserved": None,
    }
    assert told(Pair.of(worlds.run())) == []
