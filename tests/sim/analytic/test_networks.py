"""The random networks are what they say they are: trees, loaded, all kinds of them, and exactly answered."""

from __future__ import annotations

import math
from collections import Counter
from functools import cache

import numpy as np
import pytest

from tests.sim.analytic.networks import HIGHEST_LOAD, LOWEST_LOAD, RandomNetwork, loads, random_network
from windtunnel.sim.analytic.erlang import MMc
from windtunnel.sim.analytic.network import closed_network


@cache
def networks() -> list[RandomNetwork]:
    return [random_network(seed) for seed in range(200)]


def test_a_seed_is_a_network() -> None:
    assert [random_network(seed) for seed in range(6)] == networks()[:6]
    assert len({network.hops for network in networks()}) == 200


def test_every_network_is_a_tree_and_is_loaded() -> None:
    for network in networks():
        names = [hop.name for hop in network.hops]
        entered = Counter(name for hop in network.hops for _, name in hop.then)
        assert entered == Counter(names[1:]), "every station but the root has one before it"
        for number, hop in enumerate(network.hops):
            assert sum(share for share, _ in hop.then) <= 1 + 1e-12
            assert all(share > 0 and names.index(name) > number for share, name in hop.then)
            assert hop.mean_ms > 0
        assert all(LOWEST_LOAD <= load <= HIGHEST_LOAD for load in loads(network))
        assert (network.rate_per_s is None) == (network.population is not None) == (network.think_ms is not None)
        assert network.think_ms is None or network.think_ms > 0


def test_every_kind_occurs_often() -> None:
    hops = [hop for network in networks() for hop in network.hops]
    assert Counter(network.kind for network in networks()) == {"open": 100, "closed": 100}
    for discipline in ("fcfs", "ps", "delay"):
        assert sum(hop.discipline == discipline for hop in hops) > 100
    assert sum(hop.servers > 1 for hop in hops) > 100
    assert sum(len(hop.then) > 1 for hop in hops) > 30
    assert sum(0 < sum(share for share, _ in hop.then) < 0.99 for hop in hops) > 30
    assert sum(len(network.hops) == 1 for network in networks()) > 10
    spread = [load for network in networks() for load in loads(network)]
    assert min(spread) < 0.35
    assert max(spread) > 0.8


def reach(network: RandomNetwork) -> dict[str, float]:
    """Probability of coming to each station: the product of the branches on the way."""
    share = {network.hops[0].name: 1.0}
    for hop in network.hops:
        share |= {name: share[hop.name] * branch for branch, name in hop.then}
    return share


@pytest.mark.parametrize("seed", range(0, 60, 2))
def test_an_open_network_is_the_sum_of_its_queues(seed: int) -> None:
    network = random_network(seed)
    assert network.rate_per_s is not None
    expected = 0.0
    for hop in network.hops:
        share = reach(network)[hop.name]
        sojourn = hop.mean_ms
        if hop.discipline != "delay":
            sojourn = MMc(hop.servers, share * network.rate_per_s / 1000, hop.mean_ms).mean_sojourn
        expected += share * sojourn
    assert network.mean_response_ms == pytest.approx(expected, rel=1e-10)
    assert network.throughput_per_s == pytest.approx(network.rate_per_s)


@pytest.mark.parametrize("seed", range(1, 60, 2))
def test_a_closed_network_is_answered_alike_by_mean_values(seed: int) -> None:
    network = random_network(seed)
    assert network.population is not None
    assert network.think_ms is not None
    answer = closed_network(network.stations, [network.population], [network.think_ms])
    assert network.throughput_per_s == pytest.approx(answer.throughput[0] * 1000, rel=1e-9)
    assert network.mean_response_ms == pytest.approx(answer.mean_response[0], rel=1e-8)
    cycle_ms = network.mean_response_ms + network.think_ms
    assert network.throughput_per_s * cycle_ms / 1000 == pytest.approx(network.population, rel=1e-9)


@pytest.mark.parametrize("seed", [1, 3, 5, 7, 9, 11])
def test_a_closed_network_is_what_a_walk_through_its_tree_sees(seed: int) -> None:
    """A simulation that shares nothing with the solvers: times are drawn, one event after the other."""
    network = random_network(seed)
    throughput_per_s, mean_response_ms = walked(network, cycles=20_000)
    assert throughput_per_s == pytest.approx(network.throughput_per_s, rel=0.02)
    assert mean_response_ms == pytest.approx(network.mean_response_ms, rel=0.05)


def walked(network: RandomNetwork, *, cycles: int) -> tuple[float, float]:
    """Throughput per second and mean response in ms of the Markov chain of the numbers present, by its jumps."""
    assert network.population is not None
    assert network.think_ms is not None
    rng = np.random.default_rng(network.seed)
    index = {hop.name: number for number, hop in enumerate(network.hops)}
    present = [0] * len(network.hops)
    thinking = network.population
    now_ms, started_ms, area_ms, done, warm_up = 0.0, 0.0, 0.0, 0, cycles // 10
    while done < cycles + warm_up:
        rates = [thinking / network.think_ms]
        for hop, count in zip(network.hops, present, strict=True):
            at_work = count if hop.discipline == "delay" else min(count, hop.servers)
            rates.append(at_work / hop.mean_ms)
        total = math.fsum(rates)
        stayed_ms = rng.exponential(1 / total)
        now_ms += stayed_ms
        area_ms += stayed_ms * (network.population - thinking)
        chosen = rng.random() * total
        mover = 0
        while mover < len(rates) - 1 and chosen >= rates[mover]:
            chosen -= rates[mover]
            mover += 1
        if mover == 0:
            thinking -= 1
            present[0] += 1
            continue
        present[mover - 1] -= 1
        drawn = rng.random()
        for share, name in network.hops[mover - 1].then:
            if drawn < share:
                present[index[name]] += 1
                break
            drawn -= share
        else:
            thinking += 1
            done += 1
            if done == warm_up:
                started_ms, area_ms = now_ms, 0.0
    return cycles / (now_ms - started_ms) * 1000, area_ms / cycles
