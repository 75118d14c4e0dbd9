"""What is refused, and in which words."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from windtunnel.sim.analytic.demand import Saturated, at_least, below_capacity
from windtunnel.sim.analytic.erlang import ErlangA, MMc, MMcK, MMcWithDeadline, erlang_b, erlang_c
from windtunnel.sim.analytic.network import Station, closed_network, convolution, open_network, visits
from windtunnel.sim.analytic.single_server import (
    PriorityClass,
    fork_join_mean_sojourn,
    head_of_line_mean_waits,
    mdc_mean_wait,
    mg1_mean_wait,
    preemptive_resume_mean_sojourns,
    processor_sharing_mean_sojourn,
)

LLM = Station("llm", "fcfs", (0.04,), (1.0,), servers=16)
APP = Station("app", "ps", (0.01,), (2.0,))


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (lambda: erlang_b(-1, 1.0), "servers: found -1, expected a whole number, 0 or above"),
        (lambda: erlang_b(2, -1.0), "offered: found -1.0, expected a finite number, 0 or above"),
        (lambda: erlang_c(0, 0.5), "servers: found 0, expected a whole number, 1 or above"),
        (lambda: MMc(1, 0.0, 1.0), "arrival_rate: found 0.0, expected a finite number above 0"),
        (lambda: MMc(1, 0.5, math.nan), "mean_service: found nan, expected a finite number above 0"),
        (lambda: MMc(1, 0.5, 1.0).wait_quantile(1.0), "p: found 1.0, expected 0 <= p < 1"),
        (lambda: MMc(1, 0.5, 1.0).sojourn_quantile(-0.1), "p: found -0.1, expected 0 <= p < 1"),
        (lambda: MMcK(3, 2, 1.0, 1.0), "places: found 2, expected a whole number, 3 or above"),
        (lambda: ErlangA(3, 1.0, 1.0, 0.0), "mean_patience: found 0.0, expected a finite number above 0"),
        (lambda: MMcWithDeadline(3, 1.0, 1.0, math.inf), "patience: found inf, expected a finite number above 0"),
        (lambda: mg1_mean_wait(0.5, 2.0, 3.0), "second_moment: found 3.0, expected at least the square of the mean, 4"),
        (lambda: head_of_line_mean_waits([]), "classes: found none, expected at least one"),
        (lambda: Station("x", "lifo", (1.0,), (1.0,)), "x.discipline: found 'lifo', expected fcfs, ps or delay"),  # type: ignore[arg-type]
        (lambda: Station("x", "ps", (1.0,), (1.0, 2.0)), "expected one of each for every class"),
        (lambda: Station("x", "ps", (-1.0,), (1.0,)), "x.mean_service: found -1.0"),
        (lambda: Station("x", "ps", (1.0,), (-1.0,)), "x.visits: found -1.0"),
        (lambda: Station("x", "fcfs", (1.0, 2.0), (1.0, 1.0)), "expected one mean for all classes at a fcfs station"),
        (lambda: open_network([], [1.0]), "stations: found none"),
        (lambda: open_network([LLM, LLM], [1.0]), "expected different ones"),
        (lambda: open_network([LLM], [1.0, 1.0]), "arrival_rates: found 2, expected 1, as llm has classes"),
        (lambda: open_network([LLM], [-1.0]), "arrival_rates: found -1.0"),
        (lambda: closed_network([LLM], [0], [1.0]), "population: found nobody"),
        (lambda: closed_network([LLM], [-1], [1.0]), "population: found -1"),
        (lambda: closed_network([LLM], [1], [-1.0]), "think: found -1.0"),
        (lambda: closed_network([LLM], [1], [1.0, 1.0]), "think: found 2 values, expected 1"),
        (lambda: closed_network([Station("x", "ps", (0.0,), (1.0,))], [1], [0.0]), "class 0 without any work"),
        (
            lambda: closed_network([Station(f"s{i}", "ps", (1.0,), (1.0,), servers=2) for i in range(13)], [3], [1.0]),
            "stations: found 13 with several servers, expected at most 12",
        ),
        (lambda: convolution([Station("x", "ps", (1.0, 1.0), (1.0, 1.0))], 1, 1.0), "population: found 1, expected 2"),
        (lambda: convolution([LLM], 0, 1.0), "population: found 0"),
        (lambda: convolution([Station("x", "ps", (0.0,), (1.0,))], 1, 0.0), "found neither work nor think time"),
        (
            lambda: visits([[0.5, 0.6], [0.0, 0.0]], [1.0, 0.0]),
            "routing: found .* probabilities whose sum is at most 1",
        ),
        (lambda: visits([[0.0]], [-0.5]), "entry: found .* probabilities"),
        (lambda: visits([[0.0]], [1.0, 0.0]), "expected 2 by 2, as entry has 2"),
        (lambda: visits([[0.0, 1.0], [1.0, 0.0]], [1.0, 0.0]), r"no way out of the stations \[0, 1\]"),
    ],
)
def test_an_impossible_number_is_named(ask: Callable[[], object], expected: str) -> None:
    with pytest.raises(ValueError, match=expected) as caught:
        ask()
    assert not isinstance(caught.value, Saturated)


@pytest.mark.parametrize(
    ("ask", "station", "offered", "servers"),
    [
        (lambda: erlang_c(8, 8.0, station="llm"), "llm", 8.0, 8),
        (lambda: MMc(2, 3.0, 1.0), "M/M/c", 3.0, 2),
        (lambda: mg1_mean_wait(1.25, 1.0, 1.0), "M/G/1", 1.25, 1),
        (lambda: head_of_line_mean_waits([PriorityClass(0.6, 1, 2)] * 3), "M/G/1 with priorities 1 to 2", 1.2, 1),
        (lambda: preemptive_resume_mean_sojourns([PriorityClass(1, 1, 2)] * 2), "M/G/1 with priorities 1 to 1", 1.0, 1),
        (lambda: processor_sharing_mean_sojourn(2.0, 1.0), "M/G/1-PS", 2.0, 1),
        (lambda: mdc_mean_wait(2, 2.0, 1.0), "M/D/c", 2.0, 2),
        (lambda: fork_join_mean_sojourn(1.0, 1.0), "fork-join", 1.0, 1),
        (lambda: open_network([LLM, APP], [60.0]), "app", 1.2, 1),
        (lambda: open_network([LLM, APP], [500.0]), "app", 10.0, 1),
        (lambda: open_network([LLM], [500.0]), "llm", 20.0, 16),
    ],
)
def test_too_much_work_names_the_station_and_by_how_much(
    ask: Callable[[], object], station: str, offered: float, servers: int
) -> None:
    with pytest.raises(Saturated) as caught:
        ask()
    assert caught.value.station == station
    assert caught.value.offered == pytest.approx(offered)
    assert caught.value.servers == servers
    assert str(caught.value).startswith(f"{station} is saturated: found work for {offered:g} servers (load ")


def test_just_below_capacity_is_allowed() -> None:
    below_capacity("x", math.nextafter(8.0, 0.0), 8)
    at_least("servers", 1, 1)
