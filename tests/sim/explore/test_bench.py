"""Objectives over several seeds: held or missed, by how much, how surely."""

from __future__ import annotations

import math

import pytest

from tests.sim.explore.worlds import SERVICE_S, here, station
from windtunnel.sim.analytic.erlang import MMc
from windtunnel.sim.answers.interval import Interval
from windtunnel.sim.explore.bench import ENOUGH_BEYOND, Bench, Held, settings_of
from windtunnel.spec.objective import Bound
from windtunnel.spec.problem import SpecError


def held(value: float | None, half_width: float | None = None, **bound: float) -> Held:
    interval = None if half_width is None or value is None else Interval(value, half_width, 5, 0.95, "replications")
    return Held("during", "latency_ms_p99", Bound(**bound), value, interval, True)


def test_margin_and_sureness_of_one_objective() -> None:
    assert held(90, max=100).holds is True
    assert held(90, max=100).margin == pytest.approx(0.1)
    assert held(110, max=100).holds is False
    assert held(110, max=100).margin == pytest.approx(-0.1)
    assert held(5, min=10, max=20).holds is False
    assert held(5, min=10, max=20).margin == pytest.approx(-0.5)
    assert held(0.25, max=0).margin == pytest.approx(-0.25)
    assert held(None, max=1).holds is False
    assert held(None, max=1).margin == -math.inf
    # the bound at the end of a 95 % interval: one side of it has 97.5 %
    assert held(90, 10, max=100).sure == pytest.approx(0.975)
    assert held(110, 10, max=100).sure == pytest.approx(0.975)
    assert held(100, 10, max=100).sure == pytest.approx(0.5)
    assert held(90, 0, max=100).sure == 1.0
    assert held(90, max=100).sure is None


def test_quantiles_are_those_of_all_trials_together() -> None:
    subject = station(slots=8, objectives={"latency_ms_p99": {"max": 600}, "answer_ms_max": {"max": 1e6}})
    with here() as where:
        bench = Bench(subject, where, 4)
        found = bench.assess(settings_of({"components.app.max_concurrency": 8}))
    truth = MMc(servers=8, arrival_rate=40, mean_service=SERVICE_S).sojourn_quantile(0.99) * 1000
    quantile, most = found.held
    assert quantile.value == pytest.approx(truth, rel=0.05)
    assert quantile.interval is not None
    assert quantile.interval.n == 4
    assert most.value == max(one.seen("during").figures["answer_ms_max"] for one in found.trials)
    assert most.interval is None
    assert found.holds
    assert found.tightest is quantile
    assert [one.seed for one in found.trials] == [1, 2, 3, 4]
    assert (bench.tried, bench.configurations) == (4, 1)


def test_few_trials_are_enough_where_the_answer_is_clear() -> None:
    told: list[int] = []
    with here() as where:
        bench = Bench(station(objectives={"latency_ms_p90": {"max": 300}}), where, 6, told.append)
        assert bench.holds((("components.app.max_concurrency", 20),))
        assert not bench.holds((("components.app.max_concurrency", 2),))
        assert bench.tried == 4
        assert bench.holds_all([(("components.app.max_concurrency", 20),)])
        assert bench.tried == 4
        near = bench.assess((("components.app.max_concurrency", 6),)).held[0]
        value = near.value
        assert value is not None
    assert told == list(range(1, 11))
    with here() as where:  # the same figure within a tenth of its bound needs all seeds
        bench = Bench(station(objectives={"latency_ms_p90": {"max": value * 1.02}}), where, 6)
        bench.holds((("components.app.max_concurrency", 6),))
        assert bench.tried == 6


def test_as_many_seeds_as_a_quantile_needs() -> None:
    with here() as where:
        bench = Bench(station(rate_per_s=20, during_s=10, slots=20), where, 2)
        bench.enough_runs(bench.look([()], 1)[0])
        assert bench.runs >= 8  # 200 requests have two beyond their p99
        found = bench.assess(())
    assert found.held[0].enough
    count = sum(one.seen("during").requests for one in found.trials)
    assert count * 0.01 >= ENOUGH_BEYOND - 2


def test_objectives_that_no_forecast_observes_alone_are_a_sentence() -> None:
    with pytest.raises(SpecError, match="acknowledged_writes_lost, which no forecast observes"), here() as where:
        Bench(station(objectives={"acknowledged_writes_lost": {"max": 0}}), where, 2)


def test_what_does_not_keep_up_does_not_hold_whatever_its_objectives() -> None:
    with here() as where:
        found = Bench(station(slots=3, objectives={"error_ratio": {"max": 0.1}}), where, 3).assess(())
    assert found.held[0].holds
    assert found.saturated is not None
    assert not found.holds
