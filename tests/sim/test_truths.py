"""The engine against queueing theory: exact recursions request by request, and closed forms within honest intervals."""

from __future__ import annotations

import heapq
import math

import numpy as np
import pytest

from tests.sim.worlds import architecture, column, forecast, llm, outcomes, parameters, scenario, service, times
from windtunnel.sim.draws import Draws, Purpose
from windtunnel.spec.distribution import Constant, Distribution, Exponential
from windtunnel.spec.run import Run

BATCHES = 20
T_999 = 3.883
"""Student's quantile for 99.9 %, 19 degrees of freedom: a false alarm once in a thousand changes of the engine."""
MEAN_MS = 10.0
"""The unit of all times below; short, so that the half-second gauges cost little."""
EXPONENTIAL = Exponential(mean_=MEAN_MS)
FOREVER = {"from": "client", "to": "llm", "timeout_ms": 1e9}


def queue(
    slots: int,
    service_ms: Distribution,
    *,
    load: float,
    requests: int,
    seed: int = 1,
    queue_limit: int | None = None,
) -> Run:
    """Poisson arrivals, ``load`` in the mean time of a service, at an LLM whose whole work is ``service_ms``."""
    arrivals_per_s = load * 1000 / MEAN_MS
    component = llm(slots) | ({} if queue_limit is None else {"queue_limit": queue_limit})
    built = architecture({"llm": component}, [FOREVER], [{"call": "llm"}])
    said = scenario(
        seed=seed,
        load={"arrivals": "poisson", "rate_per_s": arrivals_per_s},
        windows={"during_s": requests / arrivals_per_s},
    )
    return forecast(said, built, parameters({"client->llm:call": times(service_ms=service_ms)}))


def waits(run: Run) -> np.ndarray:
    """In mean service times, in the order of arrival, of those that were admitted."""
    return np.array([wait for wait in column(run.spans, "wait_ms", kind="server") if wait is not None]) / MEAN_MS


def assert_mean(values: np.ndarray, truth: float, *, widest: float) -> None:
    """The truth lies in the interval of batch means (first twentieth dropped), and the interval says something."""
    steady = values[len(values) // 20 :]
    batches = [float(batch.mean()) for batch in np.array_split(steady, BATCHES)]
    half = T_999 * float(np.std(batches, ddof=1)) / math.sqrt(BATCHES)
    low, high = float(np.mean(batches)) - half, float(np.mean(batches)) + half
    assert low <= truth <= high
    assert (high - low) / truth < widest


def erlang_c(servers: int, offered: float) -> float:
    """Probability of waiting in M/M/c. Source: L. Kleinrock, Queueing Systems I, section 3.5."""
    terms = [offered**k / math.factorial(k) for k in range(servers)]
    last = offered**servers / math.factorial(servers) / (1 - offered / servers)
    return last / (sum(terms) + last)


@pytest.mark.parametrize(("slots", "load"), [(1, 0.8), (3, 2.4), (8, 6.4)])
def test_every_wait_is_kiefers_and_wolfowitzs(slots: int, load: float) -> None:
    """G/G/c, exactly: a request waits until the slot that frees first is free (J. Kiefer, J. Wolfowitz, 1955)."""
    run = queue(slots, EXPONENTIAL, load=load, requests=2000)
    draws = Draws(run.record.scenario.seed)
    free_at_s = [0.0] * slots
    expected = []
    for request, at_s in enumerate(run.samples["intended_s"].to_pylist()):
        starts_s = max(at_s, heapq.heappop(free_at_s))
        expected.append(starts_s - at_s)
        served_s = EXPONENTIAL.at(draws.uniform(request, 0, 0, Purpose.SERVICE)) / 1000
        heapq.heappush(free_at_s, starts_s + served_s)
    assert waits(run) * MEAN_MS / 1000 == pytest.approx(np.array(expected), abs=1e-9)
    assert max(expected) > MEAN_MS / 1000


@pytest.mark.parametrize(
    ("slots", "service_ms", "load", "truth", "widest"),
    [
        (1, EXPONENTIAL, 0.6, 1.5, 0.6),
        (1, Constant(value=MEAN_MS), 0.8, 2.0, 0.6),
        (8, Constant(value=MEAN_MS), 6.4, 0.151954, 1.0),
    ],
    ids=["M/M/1", "M/D/1", "M/D/8"],
)
def test_mean_wait(slots: int, service_ms: Distribution, load: float, truth: float, widest: float) -> None:
    run = queue(slots, service_ms, load=load, requests=16_000, seed=2)
    assert_mean(waits(run), truth, widest=widest)


def test_share_and_length_of_waits_with_many_slots_are_erlangs() -> None:
    """M/M/8."""
    assert erlang_c(8, 6.4) == pytest.approx(0.457645, abs=1e-6)
    run = queue(8, EXPONENTIAL, load=6.4, requests=30_000, seed=2)
    assert_mean((waits(run) > 0).astype(float), erlang_c(8, 6.4), widest=0.3)
    assert_mean(waits(run), 0.286028, widest=1.3)


def test_a_full_queue_turns_away_as_many_as_theory_says() -> None:
    """M/M/2/5 at 1.6: two slots and three places to wait."""
    run = queue(2, EXPONENTIAL, load=1.6, requests=16_000, seed=2, queue_limit=3)
    rejected = np.array([outcome == "rejected" for outcome in outcomes(run)], dtype=float)
    assert_mean(rejected, 0.102744, widest=0.6)
    assert_mean(waits(run), 0.505451, widest=0.5)


def test_a_shared_processor_slows_all_alike() -> None:
    """M/G/1 processor sharing: the mean sojourn is service / (1 - load), whatever the distribution (here constant)."""
    built = architecture({"app": service()}, [{"from": "client", "to": "app", "timeout_ms": 1e9}], [{"call": "app"}])
    said = scenario(
        seed=3, load={"arrivals": "poisson", "rate_per_s": 800 / MEAN_MS}, windows={"during_s": 20 * MEAN_MS}
    )
    known = parameters({"client->app:call": times(service_ms=MEAN_MS)}, app=MEAN_MS)
    run = forecast(said, built, known, {"name": "one", "hosts": {"one": {"cores": 1}}})
    sojourn = np.array(column(run.spans, "duration_ms", kind="server")) / MEAN_MS
    assert_mean(sojourn, 5.0, widest=1.0)
