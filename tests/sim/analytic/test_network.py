"""Networks: the published truths, mean values against convolution, and both against the states by brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windtunnel.sim.analytic.erlang import MMc, erlang_b
from windtunnel.sim.analytic.network import (
    Discipline,
    NetworkAnswer,
    Station,
    closed_network,
    convolution,
    open_network,
    visits,
)
from windtunnel.sim.analytic.single_server import processor_sharing_mean_sojourn


def station(name: str, mean: float, servers: int = 1, discipline: Discipline = "fcfs", count: float = 1.0) -> Station:
    """For one class."""
    return Station(name, discipline, (mean,), (count,), servers)


def test_truth_of_a_closed_network() -> None:
    stations = [station("a", 0.05), station("b", 0.08), station("c", 0.03)]
    for answer in (closed_network(stations, [20], [1.0]), convolution(stations, 20, 1.0)):
        assert round(answer.throughput[0], 6) == 11.973117
        assert round(answer.mean_response[0], 6) == 0.670409


def test_truth_of_four_hops() -> None:
    """The reference does not print the hops' means; these are the only multiples of 2 ms that give its figure."""
    hops = [
        station("gateway", 0.008, 4),
        station("app", 0.020, 8),
        station("db", 0.024, 10),
        station("llm", 0.040, 16),
    ]
    answer = open_network(hops, [280])
    assert round(answer.mean_response[0], 7) == 0.0977477
    assert [round(answer.stations[hop.name].utilisation, 3) for hop in hops] == [0.56, 0.7, 0.672, 0.7]


STATIONS = st.lists(
    st.builds(
        lambda mean, servers, discipline, count: (mean, servers, discipline, count),
        st.floats(0.01, 2),
        st.sampled_from([1, 1, 2, 3, 8, 40]),
        st.sampled_from(["fcfs", "ps", "delay"]),
        st.floats(0.1, 3),
    ),
    min_size=1,
    max_size=4,
)


@given(STATIONS, st.integers(1, 30), st.one_of(st.just(0.0), st.floats(0.01, 20)))
@settings(max_examples=100, deadline=None)
def test_mean_values_and_convolution_agree(
    drawn: list[tuple[float, int, Discipline, float]], population: int, think: float
) -> None:
    stations = [station(f"s{number}", *each) for number, each in enumerate(drawn)]
    by_means, by_states = closed_network(stations, [population], [think]), convolution(stations, population, think)
    assert_alike(by_means, by_states)
    total = by_means.throughput[0] * think + sum(each.mean_queue[0] for each in by_means.stations.values())
    assert total == pytest.approx(population, rel=1e-9)
    assert all(each.utilisation <= 1 + 1e-12 for each in by_means.stations.values())


def assert_alike(one: NetworkAnswer, other: NetworkAnswer, rel: float = 1e-9) -> None:
    assert one.throughput == pytest.approx(other.throughput, rel=rel)
    assert one.mean_response == pytest.approx(other.mean_response, rel=rel)
    for name, there in one.stations.items():
        assert there.throughput == pytest.approx(other.stations[name].throughput, rel=rel)
        assert there.utilisation == pytest.approx(other.stations[name].utilisation, rel=rel)
        assert there.mean_queue == pytest.approx(other.stations[name].mean_queue, rel=rel, abs=1e-12)
        assert there.mean_residence == pytest.approx(other.stations[name].mean_residence, rel=rel, abs=1e-12)


def test_many_servers_under_heavy_load_lose_no_digits() -> None:
    """Where 1 minus the other probabilities would be noise: nearly all customers stand at stations of 16 and of 64."""
    stations = [station("a", 0.1, 16), station("b", 0.4, 64), station("c", 0.02, 8, "ps")]
    assert_alike(closed_network(stations, [300], [0.1]), convolution(stations, 300, 0.1), rel=1e-10)


def test_a_closed_network_is_bounded_and_tends_to_its_bottleneck() -> None:
    stations = [station("app", 0.02, 2), station("db", 0.05, 4), station("llm", 0.9, 30, "ps")]
    throughputs = [convolution(stations, population, 2.0).throughput[0] for population in (1, 10, 50, 100, 1000)]
    assert throughputs[0] == pytest.approx(1 / (2 + 0.02 + 0.05 + 0.9))
    assert throughputs == sorted(throughputs)
    assert throughputs[-1] == pytest.approx(30 / 0.9, rel=1e-9)


def test_with_many_thinkers_a_closed_network_tends_to_the_open_one() -> None:
    """The gap falls with the population: who returns has hardly anything to do with who left."""
    stations = [station("app", 0.05), station("llm", 0.4, 4)]
    truth = open_network(stations, [8.0]).mean_response[0]
    errors = []
    for population in (50, 200, 800):
        think = population / 8.0 - truth
        errors.append(abs(convolution(stations, population, think).mean_response[0] / truth - 1))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.02


@given(st.integers(1, 40), st.floats(0.05, 0.95), st.floats(0.1, 10), st.floats(0.2, 3))
@settings(max_examples=60, deadline=None)
def test_an_open_station_alone_is_m_m_c(servers: int, load: float, mean: float, count: float) -> None:
    rate = load * servers / mean / count
    answer = open_network([station("x", mean, servers, "fcfs", count)], [rate])
    queue = MMc(servers, rate * count, mean)
    assert answer.mean_response[0] == pytest.approx(count * queue.mean_sojourn)
    assert answer.stations["x"].throughput[0] == pytest.approx(rate * count)
    assert answer.stations["x"].mean_queue[0] == pytest.approx(rate * count * queue.mean_sojourn)


def test_processor_sharing_and_delay_in_an_open_network() -> None:
    """Two classes of different work on one processor: each is slowed by 1 / (1 - rho); a delay slows nobody."""
    stations = [Station("cpu", "ps", (0.2, 1.0), (1.0, 0.5)), Station("wire", "delay", (3.0, 4.0), (2.0, 0.0))]
    answer = open_network(stations, [1.0, 0.8])
    load = 0.2 + 0.4
    assert answer.stations["cpu"].utilisation == pytest.approx(load)
    assert answer.stations["cpu"].mean_residence == pytest.approx((0.2 / (1 - load), 0.5 / (1 - load)))
    assert answer.stations["wire"].mean_residence == (6.0, 0.0)
    assert answer.stations["wire"].utilisation == 0.0
    assert answer.mean_response[1] == pytest.approx(0.5 / (1 - load))
    alone = open_network([station("cpu", 0.5, 1, "ps")], [1.2])
    assert alone.mean_response[0] == pytest.approx(processor_sharing_mean_sojourn(1.2, 0.5))


def test_an_open_network_takes_nothing_from_a_class_without_arrivals() -> None:
    stations = [Station("cpu", "ps", (0.2, 1.0), (1.0, 1.0))]
    answer = open_network(stations, [2.0, 0.0])
    assert answer.stations["cpu"].mean_queue[1] == 0
    assert answer.mean_response[1] == pytest.approx(1.0 / 0.6)


def test_visits_solve_feedback_and_branches() -> None:
    """Half of those who leave b come back to a: each is seen twice. Nobody could leave d, but nobody comes there."""
    routing = [[0.0, 1.0, 0.0, 0.0], [0.5, 0.0, 0.25, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
    assert visits(routing, [1, 0, 0, 0]) == pytest.approx((2, 2, 0.5, 0))
    assert visits([[0.75]], [1]) == pytest.approx((4,))
    assert visits([[0, 0], [0, 0]], [0.3, 0.7]) == pytest.approx((0.3, 0.7))


def test_a_repairer_of_machines_is_erlang_b() -> None:
    """N machines that run, then are repaired: one repairer is idle with B(N, think / repair), N make nobody wait."""
    answer = closed_network([station("repair", 2.0, 5)], [5], [3.0])
    assert answer.mean_response[0] == pytest.approx(2.0)
    assert answer.throughput[0] == pytest.approx(1.0)
    single = closed_network([station("repair", 2.0)], [5], [3.0])
    assert single.throughput[0] == pytest.approx((1 - erlang_b(5, 3.0 / 2.0)) / 2.0)


# --- Several classes, against the states of the Markov chain itself.

Place = tuple[int, ...]
"""The classes of those present, in the order of their arrival."""


def by_brute_force(stations: list[Station], population: list[int], think: list[float]) -> list[float]:
    """Throughput per class: every state is an order of customers at every station; classes visit stations in turn.

    Nothing of the product form is used. Service is exponential, a station is visited once or not at all.
    """
    ways = [[i for i, each in enumerate(stations) if each.visits[klass] > 0] for klass in range(len(population))]

    def moves(state: tuple[Place, ...]) -> list[tuple[float, int | None, tuple[Place, ...]]]:
        """Rate, class that ends a cycle (if one does), next state. The last place is home, where all think."""
        found: list[tuple[float, int | None, tuple[Place, ...]]] = []
        for where, there in enumerate(state):
            home = where == len(stations)
            for position, klass in enumerate(there):
                if home:
                    rate = 1 / think[klass]
                else:
                    each = stations[where]
                    at_work = {
                        "fcfs": float(position < each.servers),
                        "ps": min(1.0, each.servers / len(there)),
                        "delay": 1.0,
                    }[each.discipline]
                    rate = at_work / each.mean_service[klass]
                if rate == 0:
                    continue
                way = ways[klass]
                if home:
                    target = way[0]
                else:
                    after = way.index(where) + 1
                    target = way[after] if after < len(way) else len(stations)
                places = list(state)
                places[where] = there[:position] + there[position + 1 :]
                joined = (*places[target], klass)
                places[target] = tuple(sorted(joined)) if target == len(stations) else joined
                found.append((rate, klass if target == len(stations) else None, tuple(places)))
        return found

    everybody = tuple(itertools.chain.from_iterable([klass] * count for klass, count in enumerate(population)))
    start: tuple[Place, ...] = (*(() for _ in stations), everybody)
    number = {start: 0}
    waiting = [start]
    edges: list[tuple[int, int, float, int | None]] = []
    while waiting:
        state = waiting.pop()
        for rate, klass, target in moves(state):
            if target not in number:
                number[target] = len(number)
                waiting.append(target)
            edges.append((number[state], number[target], rate, klass))
    generator = np.zeros((len(number), len(number)))
    for source, goal, rate, _ in edges:
        generator[source, goal] += rate
        generator[source, source] -= rate
    system = generator.T.copy()
    system[-1] = 1.0
    probabilities = np.linalg.solve(system, np.eye(len(number))[-1])
    throughput = [0.0] * len(population)
    for source, _, rate, klass in edges:
        if klass is not None:
            throughput[klass] += float(probabilities[source]) * rate
    return throughput


@pytest.mark.parametrize(
    ("stations", "population", "think"),
    [
        ([Station("a", "fcfs", (0.5,), (1,), 2), Station("b", "ps", (0.3,), (1,))], [5], [0.7]),
        ([Station("a", "fcfs", (0.5, 0.5), (1, 1)), Station("b", "fcfs", (0.4, 0.4), (1, 1))], [2, 2], [1.0, 0.2]),
        ([Station("a", "fcfs", (0.5, 0.5), (1, 1), 2), Station("b", "ps", (0.2, 0.9), (1, 1))], [2, 2], [1.0, 0.2]),
        ([Station("a", "ps", (0.5, 1.5), (1, 1), 2), Station("b", "delay", (0.2, 0.9), (1, 1))], [3, 2], [1.0, 0.2]),
        ([Station("a", "ps", (0.5, 1.5), (1, 1), 3), Station("b", "fcfs", (0.9, 0.9), (1, 0), 2)], [3, 3], [0.1, 0.2]),
        ([Station("a", "fcfs", (1, 1), (1, 1), 2), Station("b", "ps", (0.4, 2), (1, 1), 2)], [2, 2], [0.1, 0.3]),
        ([Station("a", "ps", (1, 2, 3), (1, 1, 0), 2), Station("b", "ps", (1, 1, 2), (0, 1, 1))], [1, 2, 1], [1, 2, 3]),
    ],
    ids=["one class", "fcfs", "fcfs 2 and ps", "ps 2 and delay", "ps 3 and fcfs 2", "two of several", "three classes"],
)
def test_several_classes_are_what_the_states_say(
    stations: list[Station], population: list[int], think: list[float]
) -> None:
    answer = closed_network(stations, population, think)
    assert answer.throughput == pytest.approx(by_brute_force(stations, population, think), rel=1e-9)
    for klass, count in enumerate(population):
        at_home = answer.throughput[klass] * think[klass]
        assert at_home + sum(each.mean_queue[klass] for each in answer.stations.values()) == pytest.approx(count)


@pytest.mark.parametrize("seed", range(40))
def test_any_small_network_is_what_its_states_say(seed: int) -> None:
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(2, 4))
    visited = rng.integers(0, 2, (3, classes))
    visited[0, visited.sum(axis=0) == 0] = 1
    stations = []
    for number, row in enumerate(visited):
        discipline: Discipline = ("fcfs", "ps", "delay")[int(rng.integers(3))]
        means = [float(mean) for mean in rng.uniform(0.1, 2, classes)]
        if discipline == "fcfs":
            means = means[:1] * classes
        counts = tuple(float(count) for count in row)
        stations.append(Station(f"s{number}", discipline, tuple(means), counts, int(rng.integers(1, 4))))
    population = [int(count) for count in rng.integers(1, 3, classes)]
    think = [float(pause) for pause in rng.uniform(0.05, 2, classes)]
    answer = closed_network(stations, population, think)
    assert answer.throughput == pytest.approx(by_brute_force(stations, population, think), rel=1e-9)


def test_classes_with_one_home_each_and_no_time_to_think() -> None:
    """Each class lives at stations of its own and at a shared one, all of several servers: without its stations a class
    has nowhere to be, which the analysis meets on its way. Swapping the classes swaps the answers."""
    one = [
        Station("a", "ps", (1.0, 0.0), (1, 0), 2),
        Station("b", "ps", (0.0, 0.7), (0, 1), 2),
        Station("shared", "ps", (0.5, 0.8), (1, 1), 2),
    ]
    answer = closed_network(one, [3, 2], [0.0, 0.0])
    swapped = [Station(s.name, s.discipline, s.mean_service[::-1], s.visits[::-1], s.servers) for s in one]
    other = closed_network(swapped, [2, 3], [0.0, 0.0])
    assert other.throughput == pytest.approx(answer.throughput[::-1], rel=1e-12)
    for klass, count in enumerate((3, 2)):
        assert sum(each.mean_queue[klass] for each in answer.stations.values()) == pytest.approx(count)
    # Hardly any thinking is no thinking, in the limit: that is what the brute force can say.
    assert answer.throughput == pytest.approx(by_brute_force(one, [3, 2], [1e-7, 1e-7]), rel=1e-5)


@given(st.integers(1, 4), st.integers(1, 4), st.floats(0.1, 2), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_a_class_cut_in_two_is_still_one(first: int, second: int, think: float, servers: int) -> None:
    """Two classes that differ in name only share the throughput of one, by their numbers."""
    two = [Station("a", "fcfs", (0.5, 0.5), (1, 1), servers), Station("b", "ps", (0.3, 0.3), (2, 2))]
    one = [Station("a", "fcfs", (0.5,), (1,), servers), Station("b", "ps", (0.3,), (2,))]
    whole = convolution(one, first + second, think)
    parts = closed_network(two, [first, second], [think, think])
    share = whole.throughput[0] / (first + second)
    assert parts.throughput == pytest.approx((first * share, second * share), rel=1e-9)
    assert parts.mean_response == pytest.approx(whole.mean_response * 2, rel=1e-9)


def test_a_class_of_nobody_changes_nothing() -> None:
    two = [Station("a", "fcfs", (0.5, 0.5), (1, 1), 2), Station("b", "ps", (0.3, 9.0), (1, 1))]
    one = [Station("a", "fcfs", (0.5,), (1,), 2), Station("b", "ps", (0.3,), (1,))]
    answer = closed_network(two, [4, 0], [1.0, 0.0])
    alone = closed_network(one, [4], [1.0])
    assert answer.throughput == (alone.throughput[0], 0.0)
    assert answer.mean_response == (alone.mean_response[0], 0.0)
