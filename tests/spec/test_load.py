"""Arrivals and questions are a pure function of load, duration and seed."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from windtunnel.spec.load import Load, Prompts, question, schedule


def test_the_same_seed_gives_the_same_requests_and_another_seed_others() -> None:
    load = Load(rate_per_s=50, flows={"chat": 0.8, "history": 0.2}, prompts=Prompts(distinct=100, zipf=1))
    one, again, other = schedule(load, 20, 7), schedule(load, 20, 7), schedule(load, 20, 8)
    for column in ("at_s", "flow", "prompt"):
        assert np.array_equal(getattr(one, column), getattr(again, column))
    assert not np.array_equal(one.at_s, other.at_s)
    assert question(3, 7) == question(3, 7) != question(3, 8)


def test_a_longer_run_begins_like_a_shorter_one() -> None:
    load = Load(rate_per_s=200, flows={"chat": 1})
    short, long = schedule(load, 5, 1), schedule(load, 50, 1)
    assert np.array_equal(short.at_s, long.at_s[: len(short)])


def test_poisson_arrivals_have_the_rate_and_the_spread_of_poisson() -> None:
    arrivals = schedule(Load(rate_per_s=100, flows={"chat": 1}), 200, 3).at_s
    gaps = np.diff(arrivals)
    assert abs(len(arrivals) - 20_000) < 4 * np.sqrt(20_000)
    assert abs(gaps.std() / gaps.mean() - 1) < 0.03


def test_constant_arrivals_are_evenly_spaced() -> None:
    arrivals = schedule(Load(arrivals="constant", rate_per_s=8, flows={"chat": 1}), 2, 3).at_s
    assert np.allclose(arrivals, np.arange(16) / 8)


def test_flows_and_questions_have_their_shares() -> None:
    load = Load(rate_per_s=100, flows={"chat": 3, "history": 1}, prompts=Prompts(distinct=10, zipf=1))
    plan = schedule(load, 300, 5)
    assert abs((plan.flow == 0).mean() - 0.75) < 0.02
    harmonic = sum(1 / k for k in range(1, 11))
    assert abs((plan.prompt == 0).mean() - 1 / harmonic) < 0.02


@settings(max_examples=60, deadline=None)
@given(
    rate=st.floats(0.1, 500), duration=st.floats(0, 5), seed=st.integers(0, 2**63 - 1), zipf=st.floats(0, 3),
    arrivals=st.sampled_from(["poisson", "constant"]),
)  # fmt: skip
def test_every_request_is_within_the_run_and_in_order(
    rate: float, duration: float, seed: int, zipf: float, arrivals: str
) -> None:
    load = Load.model_validate(
        {"arrivals": arrivals, "rate_per_s": rate, "flows": {"a": 1, "b": 2}, "prompts": {"distinct": 7, "zipf": zipf}}
    )
    plan = schedule(load, duration, seed)
    assert np.all(np.diff(plan.at_s) >= 0)
    assert np.all((plan.at_s >= 0) & (plan.at_s < max(duration, 1e-12)))
    assert np.all((plan.flow >= 0) & (plan.flow < 2))
    assert np.all((plan.prompt >= 0) & (plan.prompt < 7))
