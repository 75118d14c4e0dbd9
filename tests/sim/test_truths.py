"""Forecasts with calibrated parameters against queueing theory: an exact recursion, and a shared processor's mean.

The closed forms, with both engines, are in ``truths``.
"""

from __future__ import annotations

import heapq

import numpy as np
import pytest

from tests.sim.worlds import architecture, column, forecast, llm, parameters, scenario, service, times
from windtunnel.sim.answers.interval import batch_means
from windtunnel.sim.draws import Draws, Purpose
from windtunnel.spec.distribution import Exponential
from windtunnel.spec.run import Run

MEAN_MS = 10.0
"""The unit of all times below; short, so that the half-second gauges cost little."""
EXPONENTIAL = Exponential(mean_=MEAN_MS)
FOREVER = {"from": "client", "to": "llm", "timeout_ms": 1e9}


def queue(slots: int, *, load: float, requests: int) -> Run:
    """Poisson arrivals, ``load`` in the mean time of a service, at an LLM whose whole work is exponential."""
    arrivals_per_s = load * 1000 / MEAN_MS
    built = architecture({"llm": llm(slots)}, [FOREVER], [{"call": "llm"}])
    said = scenario(
        load={"arrivals": "poisson", "rate_per_s": arrivals_per_s},
        windows={"during_s": requests / arrivals_per_s},
    )
    return forecast(said, built, parameters({"client->llm:call": times(service_ms=EXPONENTIAL)}))


@pytest.mark.parametrize(("slots", "load"), [(1, 0.8), (3, 2.4), (8, 6.4)])
def test_every_wait_is_kiefers_and_wolfowitzs(slots: int, load: float) -> None:
    """G/G/c, exactly: a request waits until the slot that frees first is free (J. Kiefer, J. Wolfowitz, 1955)."""
    run = queue(slots, load=load, requests=2000)
    draws = Draws(run.record.scenario.seed)
    free_at_s = [0.0] * slots
    expected = []
    for request, at_s in enumerate(run.samples["intended_s"].to_pylist()):
        starts_s = max(at_s, heapq.heappop(free_at_s))
        expected.append(starts_s - at_s)
        served_s = EXPONENTIAL.at(draws.uniform(request, 0, 0, Purpose.SERVICE)) / 1000
        heapq.heappush(free_at_s, starts_s + served_s)
    waits_ms = column(run.spans, "wait_ms", kind="server")
    assert np.array(waits_ms) / 1000 == pytest.approx(np.array(expected), abs=1e-9)
    assert max(expected) > MEAN_MS / 1000


def test_a_shared_processor_slows_all_alike() -> None:
    """M/G/1 processor sharing: the mean sojourn is service / (1 - load), whatever the distribution (here constant)."""
    built = architecture({"app": service()}, [{"from": "client", "to": "app", "timeout_ms": 1e9}], [{"call": "app"}])
    said = scenario(
        seed=3, load={"arrivals": "poisson", "rate_per_s": 800 / MEAN_MS}, windows={"during_s": 20 * MEAN_MS}
    )
    known = parameters({"client->app:call": times(service_ms=MEAN_MS)}, app=MEAN_MS)
    run = forecast(said, built, known, {"name": "one", "hosts": {"one": {"cores": 1}}})
    sojourn = np.array(column(run.spans, "duration_ms", kind="server")) / MEAN_MS
    interval = batch_means(sojourn[len(sojourn) // 20 :], 0.999)
    assert interval.low <= 5.0 <= interval.high
    assert interval.relative_half_width < 0.5
