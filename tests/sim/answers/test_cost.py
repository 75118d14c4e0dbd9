"""Bills by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness import worlds
from windtunnel.sim.answers.cost import Cost, cost
from windtunnel.sim.answers.readings import Readings
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.run import Run
from windtunnel.spec.scenario import Window

AT_S = [1.0, 2.0, 3.0, 4.0]
WINDOW = Window("during", 0.0, 4.0)
PRICES = {
    "currency": "EUR",
    "replica_hour": {"app": 0.9, "db": 3.6},
    "input_tokens_million": 3,
    "output_tokens_million": 15,
    "gigabyte": 100,
}


def billed(costs: dict[str, Any] | None) -> Run:
    deployment = Deployment.model_validate({"name": "cloud", "hosts": {"one": {"cores": 2}}, "costs": costs})
    return worlds.run(
        kind="forecast",
        deployment=deployment,
        gauges=[
            worlds.series("app", AT_S, [1, 1, 3, 3], "replicas"),
            worlds.series("db", AT_S, [1, 1, 1, 1], "replicas"),
            worlds.series("llm", AT_S, [1000, 2000, 3000, 4000], "tokens_in"),
            worlds.series("llm", AT_S, [100, 200, 300, 400], "tokens_out"),
        ],
    )


def bill(costs: dict[str, Any] | None, answered: int = 500) -> Cost | None:
    run = billed(costs)
    return cost(run.record, WINDOW, {"chat": answered}, Readings(run.series))


def test_every_part() -> None:
    found = bill(PRICES)
    assert found
    assert found.replicas == pytest.approx((2 * 0.9 + 3.6) * 4 / 3600), "two of the app on average"
    assert found.input_tokens == pytest.approx(4000 * 3 / 1e6)
    assert found.output_tokens == pytest.approx(400 * 15 / 1e6)
    assert found.traffic == pytest.approx(500 * 1000 * 100 / 1e9), "1,000 bytes of each answer"
    assert found.whole == pytest.approx(found.replicas + 0.012 + 0.006 + 0.05)
    assert found.per_1000 == pytest.approx(found.whole * 2)
    assert found.per_month == pytest.approx(found.whole / 4 * 730 * 3600)
    assert found.currency == "EUR"


def test_nobody_was_served() -> None:
    found = bill(PRICES, answered=0)
    assert found
    assert found.per_1000 is None
    assert found.per_month > 0, "it costs all the same"


def test_no_prices_no_cost() -> None:
    assert bill(None) is None


def test_a_measured_run_does_not_count_replicas() -> None:
    run = worlds.run(
        deployment=Deployment.model_validate({"name": "c", "hosts": {"one": {"cores": 2}}, "costs": PRICES})
    )
    assert cost(run.record, WINDOW, {"chat": 5}, Readings(run.series)) is None
