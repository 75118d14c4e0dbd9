"""Answers of simulated runs against exact ones, and of several runs against each of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.sim.answers.drawings import MEAN_MS, Parts, drawn, queue, simulated
from windtunnel.sim.answers.exact import exact
from windtunnel.sim.answers.forecast import Answer, answer, pooled
from windtunnel.sim.answers.membership import belongs
from windtunnel.sim.compiler import compile_model


def busy() -> Parts:
    """M/M/4 at load 0.7, with objectives, prices and an alert."""
    scenario, architecture, deployment = queue(load=2.8, slots=4)
    said = scenario.model_dump(mode="json", by_alias=True) | {
        "windows": {"warm_up_s": 1, "before_s": 10, "during_s": 10},
        "scrape_s": 0.05,
        "objectives": {"before": {"latency_ms_p90": {"max": 20}}},
        "alerts": {"long": {"metric": "queue", "of": "db", "above": 0.5}},
    }
    priced = deployment.model_dump(mode="json") | {"costs": {"replica_hour": {"db": 3.6}}}
    return type(scenario).model_validate(said), architecture, type(deployment).model_validate(priced)


@pytest.fixture(scope="module")
def answers() -> list[Answer]:
    return [answer(simulated(busy(), seed)) for seed in range(1, 5)]


def test_each_window_is_answered(answers: list[Answer]) -> None:
    scenario, architecture, deployment = busy()
    truth = exact(scenario, compile_model(scenario, architecture, deployment, None))
    before, during = answers[0].windows
    assert (before.window.name, during.window.name) == ("before", "during")
    assert (before.goodput_limit_ms, during.goodput_limit_ms) == (20, math.inf)
    assert before.goodput_per_s < before.throughput_per_s
    assert during.goodput_per_s == during.throughput_per_s
    for window in (before, during):
        assert window.errors == {}
        assert window.saturated is None
        assert window.throughput_per_s == pytest.approx(280, rel=0.06)
        assert window.mean_ms
        assert window.mean_ms.mean == pytest.approx(truth.mean_ms, rel=0.15)
        shown = {quantile.share: quantile.interval for quantile in window.quantiles}
        assert shown[0.999] is None, "2,800 requests are too few"
        for share in (0.5, 0.9, 0.95, 0.99):
            interval = shown[share]
            assert interval
            assert interval.low < truth.quantiles_ms[share] * 1.05
            assert interval.high > truth.quantiles_ms[share] * 0.95
        (use,) = window.uses
        assert use.utilisation == pytest.approx(0.7, rel=0.1)
        assert window.bottleneck
        assert window.bottleneck.use is use
        assert window.amplification == {"client->db": 1}
        assert window.cost
        assert window.cost.per_month == pytest.approx(3.6 * 730)
        assert window.cost.per_1000 == pytest.approx(3.6 / 3600 / window.throughput_per_s * 1000)
    assert answers[0].alerts[0].firings
    assert answers[0].recovered is None, "nothing went wrong"


def test_a_window_knows_its_own_requests() -> None:
    run = simulated(busy())
    windows = run.record.scenario.windows
    counts = [int(belongs(run, window).sum()) for window in windows.spans()[1:]]
    assert [window.requests for window in answer(run).windows] == counts


def test_several_runs_together_know_more(answers: list[Answer]) -> None:
    scenario, architecture, deployment = busy()
    truth = exact(scenario, compile_model(scenario, architecture, deployment, None))
    whole = pooled(answers)
    assert whole.runs == 4
    for index, window in enumerate(whole.windows):
        same = [each.windows[index] for each in answers]
        assert window.requests == pytest.approx(np.mean([each.requests for each in same]))
        assert window.mean_ms
        assert (window.mean_ms.n, window.mean_ms.method) == (4, "replications")
        assert window.mean_ms.low < truth.mean_ms < window.mean_ms.high
        p99 = window.quantiles[3].interval
        assert p99
        assert p99.low < truth.quantiles_ms[0.99] < p99.high
        assert window.uses[0].busy == pytest.approx(np.mean([each.uses[0].busy for each in same]))
        assert window.bottleneck
        assert window.bottleneck.use == window.uses[0]
        assert window.cost
        assert window.cost.per_month == pytest.approx(3.6 * 730)
    assert whole.alerts == answers[0].alerts
    assert pooled(answers[:1]) is answers[0]
    with pytest.raises(ValueError, match="found no answers"):
        pooled([])


def test_saturated_in_half_of_the_runs_is_saturated(answers: list[Answer]) -> None:
    scenario, architecture, deployment = busy()
    load = scenario.load.model_copy(update={"rate_per_s": 1.3 * 4 * 1000 / MEAN_MS})
    over = answer(simulated((scenario.model_copy(update={"load": load}), architecture, deployment)))
    assert over.saturated
    mixed = pooled([over, answers[0]])
    assert mixed.windows[0].saturated
    assert mixed.windows[0].saturated.startswith("in 1 of 2 runs; ")
    assert mixed.windows[0].mean_ms is None
    rare = pooled([over, *answers])
    assert rare.windows[0].saturated is None
    assert any("1 of 5 runs are saturated" in doubt for doubt in rare.windows[0].doubts)


def test_recovery_counts_slow_answers_as_bad() -> None:
    """A database that is twenty times as slow for 4 s leaves a queue that lasts for seconds."""
    parts = drawn(
        {"db": {"kind": "database", "max_concurrency": 1}},
        {"ask": {"steps": [{"call": "db", "service_ms": 5}]}},
        [{"from": "client", "to": "db"}],
        load={"arrivals": "constant", "rate_per_s": 100},
        windows={"warm_up_s": 0, "before_s": 4, "during_s": 4, "after_s": 12},
        faults=[{"brownout": "db", "factor": 20}],
        objectives={"after": {"latency_ms_p95": {"max": 50}}},
    )
    found = answer(simulated(parts)).recovered
    assert found
    assert found.healed_at_s == 8
    # 360 are left behind (40 of 400 were served, at 10 a second), worked off at 200 - 100 a second
    assert found.seconds == pytest.approx(3.6, abs=0.2)
