"""Beyond exponential service: the published truths, second derivations, and conservation laws."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windtunnel.sim.analytic.erlang import MMc
from windtunnel.sim.analytic.single_server import (
    PriorityClass,
    fork_join_mean_sojourn,
    head_of_line_mean_waits,
    mdc_mean_wait,
    mg1_mean_wait,
    preemptive_resume_mean_sojourns,
    processor_sharing_mean_sojourn,
    processor_sharing_mean_sojourn_given,
)

CLASSES = st.lists(st.tuples(st.floats(0.01, 1), st.floats(0.01, 10), st.floats(1, 5)), min_size=1, max_size=5)
"""Shares of a load, mean services, and E[S^2] / E[S]^2."""


def priorities(drawn: list[tuple[float, float, float]], load: float) -> list[PriorityClass]:
    whole = sum(share for share, _, _ in drawn)
    return [PriorityClass(load * share / whole / mean, mean, mean**2 * ratio) for share, mean, ratio in drawn]


@pytest.mark.parametrize(
    ("second_moment", "wait"),
    [(1.0, 2), (1.5, 3), (2.0, 4), (math.e, 5.436564), (5.0, 10)],
    ids=["constant", "Erlang-2", "exponential", "lognormal, sigma 1", "H2, cv^2 = 4"],
)
def test_truths_of_pollaczek_and_khinchine(second_moment: float, wait: float) -> None:
    assert round(mg1_mean_wait(0.8, 1, second_moment), 6) == wait


@pytest.mark.parametrize(("servers", "wait"), [(1, 2), (2, 0.903284), (8, 0.151954)])
def test_truths_of_constant_service(servers: int, wait: float) -> None:
    assert round(mdc_mean_wait(servers, 0.8 * servers, 1), 6) == wait


def test_truths_of_processor_sharing() -> None:
    assert processor_sharing_mean_sojourn(0.8, 1) == pytest.approx(5, abs=1e-12)
    assert processor_sharing_mean_sojourn_given(2, 0.8, 1) == pytest.approx(10, abs=1e-12)


def test_truths_of_two_priorities() -> None:
    classes = [PriorityClass(0.3, 1, 2), PriorityClass(0.5, 1, 2)]
    assert [round(wait, 6) for wait in head_of_line_mean_waits(classes)] == [1.142857, 5.714286]
    assert [round(sojourn, 6) for sojourn in preemptive_resume_mean_sojourns(classes)] == [1.428571, 7.142857]


def test_truth_of_fork_join() -> None:
    assert fork_join_mean_sojourn(0.8, 1) == pytest.approx(7.0, abs=1e-12)


@given(st.integers(1, 50), st.floats(0.3, 0.97), st.floats(1e-3, 1e3))
@settings(max_examples=80, deadline=None)
def test_constant_service_is_a_random_walk(servers: int, load: float, service: float) -> None:
    """F. Spitzer's identity (1956): who waits is a walk with steps Poisson(a) - c that never falls below 0.

    Its mean is the sum of E[(Poisson(m a) - m c)+] / m over m: no roots, and no subtraction.
    """
    offered = load * servers
    waiting = 0.0
    for steps in range(1, 100_000):
        mean, floor = steps * offered, steps * servers
        p = math.exp(floor * math.log(mean) - mean - math.lgamma(floor + 1))
        term, above = 0.0, 0
        while p * above > 1e-18 * term or above < 2:
            above += 1
            p *= mean / (floor + above)
            term += above * p
        waiting += term / steps
        if term < 1e-14 * waiting:
            break
    assert mdc_mean_wait(servers, offered / service, service) / service == pytest.approx(
        waiting / offered, rel=1e-9, abs=1e-14 * servers**2
    )


@pytest.mark.parametrize(("servers", "load"), [(2, 1 - 1e-9), (100, 1 - 1e-6), (1000, 0.9999), (2000, 0.5)])
def test_constant_service_in_heavy_traffic_and_in_large_pools(servers: int, load: float) -> None:
    """Towards saturation the wait tends to half of that of exponential service; in a large idle pool it is nothing."""
    exponential = MMc(servers, load * servers, 1).mean_wait
    assert mdc_mean_wait(servers, load * servers, 1) == pytest.approx(exponential / 2, rel=1e-3, abs=1e-9)


@given(CLASSES, st.floats(0.05, 0.95))
@settings(max_examples=80, deadline=None)
def test_without_interruption_priorities_move_the_waits_and_conserve_the_work(
    drawn: list[tuple[float, float, float]], load: float
) -> None:
    """Kleinrock's conservation law: the waits weighted with the loads are those of first come first served."""
    classes = priorities(drawn, load)
    waits = head_of_line_mean_waits(classes)
    assert list(waits) == sorted(waits)
    rate = sum(each.arrival_rate for each in classes)
    mean = sum(each.load for each in classes) / rate
    second_moment = sum(each.arrival_rate * each.second_moment for each in classes) / rate
    plain = mg1_mean_wait(rate, mean, second_moment)
    weighted = sum(each.load * wait for each, wait in zip(classes, waits, strict=True))
    assert weighted == pytest.approx(load * plain, rel=1e-9)


@given(CLASSES, st.floats(0.05, 0.95))
@settings(max_examples=80, deadline=None)
def test_interruption_hides_the_lower_classes_and_conserves_exponential_work(
    drawn: list[tuple[float, float, float]], load: float
) -> None:
    classes = priorities(drawn, load)
    first = classes[0]
    top = first.mean_service + mg1_mean_wait(first.arrival_rate, first.mean_service, first.second_moment)
    sojourns = preemptive_resume_mean_sojourns(classes)
    assert sojourns[0] == pytest.approx(top)
    assert preemptive_resume_mean_sojourns(classes[:1]) == pytest.approx((top,))
    # With one exponential service for all, who is in service does not matter: as many are present as in M/M/1.
    alike = [PriorityClass(each.load, 1, 2) for each in classes]
    present = sum(
        each.arrival_rate * sojourn for each, sojourn in zip(alike, preemptive_resume_mean_sojourns(alike), strict=True)
    )
    assert present == pytest.approx(load / (1 - load), rel=1e-9)


@given(st.floats(0.01, 0.99), st.floats(1e-3, 1e3))
@settings(max_examples=50, deadline=None)
def test_processor_sharing_is_m_m_1_in_the_mean(load: float, service: float) -> None:
    rate = load / service
    assert processor_sharing_mean_sojourn(rate, service) == pytest.approx(MMc(1, rate, service).mean_sojourn)


@given(st.floats(0.01, 0.99), st.floats(1e-3, 1e3))
@settings(max_examples=50, deadline=None)
def test_a_fork_join_lies_between_one_half_and_two_that_know_nothing_of_each_other(load: float, service: float) -> None:
    """Longer than either queue; shorter than the larger of two independent exponential sojourns, 3/2 of one's mean."""
    one = service / (1 - load)
    assert one < fork_join_mean_sojourn(load / service, service) < 1.5 * one
    assert fork_join_mean_sojourn(1e-9 / service, service) == pytest.approx(1.5 * service)
