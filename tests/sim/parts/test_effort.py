"""What would be looked at without end is refused before anything is simulated."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.worlds import ONE_HOST, architecture, scenario, service
from windtunnel.sim.compiler import compile_model
from windtunnel.sim.parts.effort import MOST_LOOKS, too_much
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.problem import SpecError

BUILT = architecture(
    {"app": service()}, [{"from": "client", "to": "app", "timeout_ms": 100}], [{"call": "app", "service_ms": 1}]
)

USERS = {"arrivals": "closed", "users": 10**6, "think_ms": 0.001, "rate_per_s": None}


def scaled(**more: Any) -> Deployment:
    rule = {"kind": "target", "metric": "cpu", "value": 0.5}
    return Deployment.model_validate(
        ONE_HOST | {"place": {"app": {"autoscale": {"min": 1, "max": 2, "rule": rule} | more}}}
    )


@pytest.mark.parametrize(
    ("deployment", "more", "sentence"),
    [
        (
            scaled(),
            {"scrape_s": 1e-9},
            "scrape_s: found about 1,000,000,000 looks in this run, expected at most 10,000,",
        ),
        (
            scaled(),
            {"rate_per_s": 1e5, "during_s": 1e10, "scrape_s": 1e6},
            "load: found about 1,000,000,000,000,000 requests at its highest rate, expected at most",
        ),
        (
            scaled(),
            {"load": USERS, "during_s": 1e6, "scrape_s": 1e3},
            "load: found about 1,000,000,000,000,000,000 requests at its highest rate",
        ),
        (scaled(interval_s=1e-8), {}, "place.app.autoscale.interval_s: found about 100,000,000 looks in this run"),
        (
            scaled(interval_s=0.001, metrics_delay_s=1e6),
            {},
            "place.app.autoscale.metrics_delay_s: found 1,000,000,000 intervals of 0.001 s, expected at most 1,000,000",
        ),
    ],
)
def test_out_of_all_proportion(deployment: Deployment, more: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SpecError) as caught:
        compile_model(scenario(**more), BUILT, deployment, None)
    assert str(caught.value).startswith(sentence)


def test_a_month_is_in_proportion() -> None:
    month = scenario(during_s=30 * 86_400, scrape_s=0.5)
    assert month.windows.total_s / month.scrape_s < MOST_LOOKS
    assert list(too_much(month, BUILT, scaled())) == []


def test_workers_have_places_of_their_own() -> None:
    consumes = {"queue": "jobs", "concurrency": 10_000}
    components = {"app": service(), "jobs": {"kind": "queue"}, "worker": service(consumes=consumes)}
    built = architecture(
        components, [{"from": "client", "to": "app", "timeout_ms": 100}], [{"call": "app", "service_ms": 1}]
    )
    deployment = Deployment.model_validate(ONE_HOST | {"place": {"worker": {"replicas": 101}}})
    with pytest.raises(SpecError) as caught:
        compile_model(scenario(), built, deployment, None)
    assert str(caught.value) == (
        "components.worker.consumes.concurrency: found 1,010,000 messages at once on all replicas, "
        "expected at most 1,000,000"
    )
