"""Whether a system keeps up: simulated queues below and above their capacity, and what only looks like it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.answers.drawings import Parts, drawn, queue, simulated
from windtunnel.sim.answers.forecast import WindowAnswer, answer


def window(parts: Parts, **load: Any) -> WindowAnswer:
    scenario, architecture, deployment = parts
    longer = scenario.windows.model_copy(update={"during_s": 40.0})
    changed = scenario.model_copy(update={"windows": longer, "load": scenario.load.model_copy(update=load)})
    (found,) = answer(simulated((changed, architecture, deployment))).windows
    return found


def test_a_queue_that_grows_has_no_mean() -> None:
    found = window(queue(load=1.3))
    assert found.saturated
    assert "requests in the system grow by" in found.saturated
    assert found.saturated.endswith("a second, and db has no room left")
    assert found.mean_ms is None
    assert all(quantile.interval is None for quantile in found.quantiles)
    assert found.bottleneck
    assert found.bottleneck.scarce
    assert found.throughput_per_s > 0


def test_one_that_keeps_up_has() -> None:
    found = window(queue(load=0.6))
    assert found.saturated is None
    assert found.mean_ms
    assert found.mean_ms.mean == pytest.approx(25, rel=0.25)


def test_what_is_turned_away_was_asked_for() -> None:
    found = window(queue(load=1.4, queue_limit=5))
    assert found.saturated
    assert "of the requests are turned away or time out, and db has no room for them" in found.saturated


def test_a_few_that_are_turned_away_by_chance_are_no_saturation() -> None:
    """M/M/1/4 at load 0.7 refuses some; there is room for all of them on average."""
    found = window(queue(load=0.7, queue_limit=3))
    assert found.error_ratio
    assert found.error_ratio > 0.02
    assert found.saturated is None
    assert found.mean_ms


def test_those_who_give_up_in_time_hide_nothing() -> None:
    found = window(queue(load=1.5, link={"timeout_ms": 100}))
    assert found.errors["timeout"] > 100
    assert found.saturated
    assert "time out" in found.saturated


def test_users_who_wait_for_their_answers_are_never_too_many() -> None:
    parts = drawn(
        {"db": {"kind": "database", "max_concurrency": 1}},
        {"ask": {"steps": [{"call": "db", "service_ms": 10}]}},
        [{"from": "client", "to": "db"}],
        load={"arrivals": "closed", "users": 30, "think_ms": 10},
    )
    found = window(parts)
    assert found.saturated is None
    assert found.bottleneck
    assert found.bottleneck.use.utilisation == pytest.approx(1, abs=0.02)
    assert found.mean_ms
    assert found.mean_ms.mean == pytest.approx(290, rel=0.02), "N / X - think"


def test_messages_that_pile_up() -> None:
    parts = drawn(
        {
            "app": {"kind": "service"},
            "jobs": {"kind": "queue"},
            "worker": {"kind": "service", "consumes": {"queue": "jobs"}},
            "db": {"kind": "database"},
        },
        {
            "ask": {
                "steps": [
                    {
                        "call": "app",
                        "service_ms": 1,
                        "steps": [{"enqueue": "jobs", "steps": [{"call": "db", "service_ms": 20}]}],
                    }
                ]
            }
        },
        [{"from": "client", "to": "app"}, {"from": "worker", "to": "db"}],
        load={"rate_per_s": 60},
        scrape_s=0.1,
    )
    found = window(parts)
    assert found.saturated
    assert found.saturated.startswith("messages in jobs grow by "), "60 come a second, 50 are done"
    assert window(parts, rate_per_s=30.0).saturated is None


def test_a_load_that_rises_is_no_saturation() -> None:
    """Without any limit the number in the system follows the load."""
    parts = drawn(
        {"app": {"kind": "service"}},
        {"ask": {"steps": [{"call": "app", "service_ms": 100}]}},
        [{"from": "client", "to": "app"}],
        load={"rate_per_s": 30},
    )
    found = window(parts, arrivals="diurnal", rate_per_s=100.0, amplitude=0.9, period_s=160.0, peak_at_s=80.0)
    assert found.requests > 1000
    assert found.saturated is None


def test_near_the_limit_it_says_that_it_cannot_tell() -> None:
    found = window(queue(load=0.93))
    if found.saturated is None:
        assert found.doubts
    assert found.bottleneck
    assert found.bottleneck.use.utilisation > 0.85
