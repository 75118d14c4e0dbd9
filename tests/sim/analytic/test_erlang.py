"""Erlang's queues: the published truths, brute force over states and integrals, and what one queue is in the limit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windtunnel.sim.analytic.erlang import ErlangA, MMc, MMcK, MMcWithDeadline, erlang_b, erlang_c

SERVERS = st.integers(1, 60)
LOAD = st.floats(0.01, 0.99)
"""Of one server."""
TIME = st.floats(1e-3, 1e3)


def test_truths_of_m_m_1() -> None:
    queue = MMc(1, 0.8, 1)
    assert queue.mean_wait == pytest.approx(4, abs=1e-12)
    assert queue.mean_sojourn == pytest.approx(5, abs=1e-12)
    assert round(queue.sojourn_quantile(0.99), 4) == 23.0259


def test_truths_of_m_m_8() -> None:
    queue = MMc(8, 6.4, 1)
    assert round(erlang_c(8, 6.4), 6) == 0.457645
    assert round(queue.mean_wait, 6) == 0.286028
    assert round(queue.wait_quantile(0.99), 5) == 2.38969
    assert round(erlang_b(8, 6.4), 6) == 0.144394
    assert queue.utilisation == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("queue", "blocking", "wait"),
    [(MMcK(2, 5, 1.6, 1), 0.102744, 0.505451), (MMcK(8, 16, 9.6, 1), 0.187507, 0.600436)],
    ids=["M/M/2/5", "M/M/8/16"],
)
def test_truths_of_m_m_c_k(queue: MMcK, blocking: float, wait: float) -> None:
    assert round(queue.blocking, 6) == blocking
    assert round(queue.mean_wait, 6) == wait


def test_truths_of_impatience() -> None:
    erlang_a = ErlangA(10, 10, 1, 1 / 0.5)
    assert round(erlang_a.abandon_probability, 6) == 0.103913
    assert round(erlang_a.mean_wait, 6) == 0.207826
    deadline = MMcWithDeadline(8, 9.6, 1, 0.5)
    assert round(deadline.abandon_probability, 6) == 0.212242
    assert round(deadline.mean_wait_served, 6) == 0.209923


@given(SERVERS, st.floats(0.01, 100))
@settings(max_examples=100, deadline=None)
def test_erlang_b_is_the_ratio_of_its_sum(servers: int, offered: float) -> None:
    terms = [offered**n / math.factorial(n) for n in range(servers + 1)]
    assert erlang_b(servers, offered) == pytest.approx(terms[-1] / math.fsum(terms), rel=1e-12)


def test_erlang_b_at_its_ends() -> None:
    assert erlang_b(0, 3.0) == 1.0
    assert erlang_b(0, 0.0) == 1.0
    assert erlang_b(5, 0.0) == 0.0
    assert erlang_b(1000, 1e-3) == 0.0
    assert erlang_c(5, 0.0) == 0.0


@given(SERVERS, LOAD, TIME, st.floats(0.001, 0.999))
@settings(max_examples=150, deadline=None)
def test_a_quantile_is_where_the_tail_is_what_is_left(servers: int, load: float, service: float, p: float) -> None:
    queue = MMc(servers, load * servers / service, service)
    assert queue.sojourn_tail(queue.sojourn_quantile(p)) == pytest.approx(1 - p, rel=1e-9)
    waited = queue.wait_quantile(p)
    assert (waited == 0) == (queue.wait_probability <= 1 - p)
    if waited > 0:
        left = queue.wait_probability * math.exp(-(servers / service - queue.arrival_rate) * waited)
        assert left == pytest.approx(1 - p, rel=1e-9)


@pytest.mark.parametrize(
    ("servers", "load"),
    [(1, 0.3), (2, 0.5), (3, 2 / 3), (3, 2 / 3 + 1e-9), (8, 0.8), (4, 0.99)],
    ids=["M/M/1", "equal rates", "about equal", "nearly equal", "slow service", "slow wait"],
)
def test_the_tail_of_the_sojourn_sums_up_to_its_mean(servers: int, load: float) -> None:
    """E[T] is the integral of P(T > t), here by the trapezoidal rule."""
    queue = MMc(servers, load * servers, 1)
    times = np.linspace(0, queue.sojourn_quantile(1 - 1e-12), 200_001)
    tail = np.array([queue.sojourn_tail(float(t)) for t in times])
    assert queue.sojourn_tail(0) == pytest.approx(1)
    assert np.trapezoid(tail, times) == pytest.approx(queue.mean_sojourn, rel=1e-6)


def test_a_sojourn_of_one_server_is_exponential() -> None:
    queue = MMc(1, 99, 0.01)
    for p in (0.0, 0.01, 0.5, 0.99, 0.999999):
        assert queue.sojourn_quantile(p) == pytest.approx(-math.log1p(-p), rel=1e-9)


@given(SERVERS, st.integers(0, 60), st.floats(0.01, 3), TIME)
@settings(max_examples=100, deadline=None)
def test_a_full_system_is_its_states_by_brute_force(servers: int, more: int, load: float, service: float) -> None:
    offered = load * servers
    weights = [math.prod(offered / min(n, servers) for n in range(1, top + 1)) for top in range(servers + more + 1)]
    p = np.array(weights) / math.fsum(weights)
    queue = MMcK(servers, servers + more, offered / service, service)
    assert queue.blocking == pytest.approx(p[-1], rel=1e-9)
    assert queue.throughput == pytest.approx(queue.arrival_rate * (1 - p[-1]), rel=1e-9)
    assert queue.utilisation == pytest.approx(queue.throughput * service / servers, rel=1e-12)
    waiting = float(p @ np.maximum(np.arange(len(p)) - servers, 0))
    assert queue.mean_wait * queue.throughput == pytest.approx(waiting, rel=1e-9, abs=1e-12)
    assert queue.mean_sojourn == queue.mean_wait + service


@given(SERVERS, st.floats(0.01, 3))
@settings(max_examples=50, deadline=None)
def test_without_places_to_wait_a_full_system_is_erlang_b(servers: int, load: float) -> None:
    queue = MMcK(servers, servers, load * servers, 1)
    assert queue.blocking == pytest.approx(erlang_b(servers, load * servers), rel=1e-10)
    assert queue.mean_wait == 0


@given(SERVERS, st.floats(0.05, 0.95))
@settings(max_examples=50, deadline=None)
def test_with_ever_more_places_a_full_system_is_endless(servers: int, load: float) -> None:
    endless = MMc(servers, load * servers, 1)
    errors = [
        endless.mean_wait - MMcK(servers, servers + room, load * servers, 1).mean_wait for room in (1, 10, 100, 1000)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] == pytest.approx(0, abs=1e-9 * endless.mean_wait)


@given(SERVERS, st.floats(0.05, 0.95))
@settings(max_examples=30, deadline=None)
def test_with_endless_patience_nobody_leaves(servers: int, load: float) -> None:
    endless = MMc(servers, load * servers, 1)
    assert MMcWithDeadline(servers, load * servers, 1, 2000).mean_wait_served == pytest.approx(endless.mean_wait)
    assert MMcWithDeadline(servers, load * servers, 1, 2000).abandon_probability == pytest.approx(0, abs=1e-12)
    patient = ErlangA(servers, load * servers, 1, 1e9)
    assert patient.mean_wait == pytest.approx(endless.mean_wait, rel=1e-5)
    assert patient.mean_wait_served == pytest.approx(endless.mean_wait, rel=1e-5)


@given(SERVERS, st.floats(0.05, 3))
@settings(max_examples=30, deadline=None)
def test_without_patience_impatience_is_erlang_b(servers: int, load: float) -> None:
    lost = erlang_b(servers, load * servers)
    assert ErlangA(servers, load * servers, 1, 1e-9).abandon_probability == pytest.approx(lost, rel=1e-5)
    assert MMcWithDeadline(servers, load * servers, 1, 1e-9).abandon_probability == pytest.approx(lost, rel=1e-5)


@given(SERVERS, st.floats(0.05, 3), st.floats(0.01, 20))
@settings(max_examples=60, deadline=None)
def test_a_patience_as_long_as_a_service_is_an_infinite_server(servers: int, load: float, service: float) -> None:
    """With theta = mu everybody ends at the same rate, waiting or not: the number present is Poisson(a)."""
    offered = load * servers
    queue = ErlangA(servers, offered / service, service, service)
    logs = [n * math.log(offered) - offered - math.lgamma(n + 1) for n in range(servers, servers + 2000)]
    waiting = math.fsum(ahead * math.exp(log) for ahead, log in enumerate(logs))
    assert queue.mean_wait == pytest.approx(waiting * service / offered, rel=1e-8, abs=0)
    assert queue.throughput + queue.arrival_rate * queue.abandon_probability == pytest.approx(queue.arrival_rate)


def test_a_rare_wait_keeps_its_digits() -> None:
    """Hardly one of 10^55 arrivals waits: patience as long as a service, the first states behind the servers tell."""
    offered = 3.0
    p = [math.exp(n * math.log(offered) - offered - math.lgamma(n + 1)) for n in (61, 62, 63, 64, 65, 66)]
    waiting = math.fsum(ahead * each for ahead, each in enumerate(p, start=1))
    queue = ErlangA(60, offered, 1, 1)
    assert queue.mean_wait == pytest.approx(waiting / offered, rel=1e-7, abs=0)
    assert 0 < queue.mean_wait_served < queue.mean_wait


@given(st.integers(1, 20), st.floats(0.2, 3), st.floats(0.05, 20))
@settings(max_examples=60, deadline=None)
def test_the_waits_of_served_and_lost_are_those_of_all(servers: int, load: float, patience: float) -> None:
    """The wait of all is that of the served and that of the lost, the latter from another path: E[min(V, patience)].

    With exponential patience and r_k = c mu + k theta, E[V exp(-theta V)] belongs to the served; who leaves after x has
    x < V, so that his part is E[integral of x theta exp(-theta x) up to V].
    """
    queue = ErlangA(servers, load * servers, 1, patience)
    theta = 1 / patience
    weights = [1.0]
    for n in range(1, 3000):
        weights.append(weights[-1] * load * servers / (min(n, servers) + max(0, n - servers) * theta))
        if weights[-1] < 1e-18 * sum(weights):
            break
    p = np.array(weights) / math.fsum(weights)
    lost = 0.0
    for ahead, probability in enumerate(p[servers:]):
        rates = servers + theta * np.arange(ahead + 1)
        survived = float(np.prod(rates / (rates + theta)))  # E[exp(-theta V)]
        slope = survived * float(np.sum(1 / (rates + theta)))  # E[V exp(-theta V)]
        lost += probability * ((1 - survived) * patience - slope)
    served = queue.mean_wait_served * (1 - queue.abandon_probability)
    assert served + lost == pytest.approx(queue.mean_wait, rel=1e-8)


@given(st.integers(1, 30), st.floats(0.2, 3), st.floats(0.01, 10))
@settings(max_examples=60, deadline=None)
def test_a_deadline_is_the_integral_of_the_wait_before_it(servers: int, load: float, patience: float) -> None:
    """By Simpson's rule over the density of the offered wait, up to the patience and far beyond it."""
    arrivals = load * servers
    queue = MMcWithDeadline(servers, arrivals, 1, patience)
    x = np.linspace(0, patience, 4001)
    simpson = np.array([1, *([4, 2] * 1999), 4, 1]) * patience / 12000
    density = arrivals * np.exp((arrivals - servers) * x)
    idle = math.fsum(
        math.exp(math.lgamma(servers) - math.lgamma(n + 1)) * arrivals ** (n + 1 - servers) for n in range(servers)
    )
    beyond = float(density[-1]) / servers
    whole = idle + float(simpson @ density) + beyond
    assert queue.abandon_probability == pytest.approx(beyond / whole, rel=1e-6)
    within = idle + float(simpson @ density)
    assert queue.mean_wait_served == pytest.approx(float(simpson @ (x * density)) / within, rel=1e-6)
    wait_of_all = queue.mean_wait_served * (1 - queue.abandon_probability) + patience * queue.abandon_probability
    assert queue.mean_wait == pytest.approx(wait_of_all, rel=1e-9)
    assert queue.utilisation == pytest.approx(load * (1 - queue.abandon_probability), rel=1e-9)


def test_far_above_capacity_the_servers_work_all_the_time() -> None:
    for queue in (MMcK(8, 16, 5e9, 1), ErlangA(8, 5e4, 1, 0.5), MMcWithDeadline(8, 5e4, 1, 5)):
        assert queue.throughput == pytest.approx(8)
        assert queue.utilisation == pytest.approx(1)
