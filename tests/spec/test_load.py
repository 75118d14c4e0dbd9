"""Arrivals and questions are a pure function of load, duration and seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windtunnel.spec.load import NEEDS, Load, Prompts, Schedule, chunks, question, schedule
from windtunnel.spec.problem import SpecError
from windtunnel.spec.reading import validate

COLUMNS = ("at_s", "flow", "prompt", "tenant", "input_tokens", "output_tokens")
RATE = {"rate_per_s": 40}
STATES = [{"rate_per_s": 90, "mean_s": 0.7}, {"rate_per_s": 0, "mean_s": 0.3}, {"rate_per_s": 20, "mean_s": 2}]
SAID: dict[str, dict[str, Any]] = {
    "poisson": RATE,
    "constant": RATE,
    "gamma": RATE | {"cv": 2.5},
    "mmpp": {"states": STATES},
    "diurnal": RATE | {"amplitude": 0.7, "period_s": 20, "peak_at_s": 3},
    "flash": RATE | {"peak_per_s": 300, "at_s": 5, "ramp_s": 2, "hold_s": 3},
}
"""Of each open kind of arrivals but the trace, what it has to say."""


def said(arrivals: str, **more: Any) -> Load:
    few = {"flows": {"chat": 0.8, "history": 0.2}, "prompts": {"distinct": 50, "zipf": 1}, "tenants": {"distinct": 9}}
    return Load.model_validate({"arrivals": arrivals} | few | SAID.get(arrivals, {}) | more)


def recorded(folder: Path) -> Path:
    file = folder / "trace.csv"
    rows = [f"2023-11-16 18:17:0{second}.5000000,{100 + second},{second}" for second in (1, 2, 5)]
    file.write_text("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *rows]))
    return file


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


def test_old_seeds_give_the_schedules_that_they_always_gave() -> None:
    """Sums of a schedule as it was drawn before there were chunks."""
    load = Load(rate_per_s=333.3, flows={"a": 0.8, "b": 0.2}, prompts=Prompts(distinct=3000, zipf=0.6))
    plan = schedule(load, 30, 7)
    assert (len(plan), int(plan.flow.sum()), int(plan.prompt.sum())) == (9980, 2074, 8852061)
    assert float(plan.at_s.sum()) == pytest.approx(150467.67265550676, rel=1e-12)


@pytest.mark.parametrize("size", [1, 7, 1024, 65_536])
@pytest.mark.parametrize("arrivals", SAID)
def test_chunks_are_the_schedule_in_pieces(arrivals: str, size: int) -> None:
    load = said(arrivals)
    whole, parts = schedule(load, 25, 7), list(chunks(load, 25, 7, size))
    assert [len(part) for part in parts] == [size] * (len(whole) // size) + [len(whole) % size] * (
        len(whole) % size > 0
    )
    for column in COLUMNS:
        assert np.array_equal(getattr(whole, column), np.concatenate([getattr(part, column) for part in parts]))


@pytest.mark.parametrize("arrivals", SAID)
def test_whatever_the_arrivals_a_longer_run_begins_like_a_shorter_one(arrivals: str) -> None:
    short, long = schedule(said(arrivals), 12, 3), schedule(said(arrivals), 40, 3)
    assert len(short) > 0
    for column in COLUMNS:
        assert np.array_equal(getattr(short, column), getattr(long, column)[: len(short)])


@pytest.mark.parametrize("arrivals", SAID)
def test_whatever_the_arrivals_every_request_is_within_the_run_and_in_order(arrivals: str) -> None:
    plan = schedule(said(arrivals), 200, 9)
    assert np.all(np.diff(plan.at_s) >= 0)
    assert plan.at_s[0] >= 0
    assert plan.at_s[-1] < 200
    assert set(plan.flow) == {0, 1}
    assert set(plan.tenant) == set(range(9))
    assert np.all(plan.input_tokens == -1)
    assert np.all(plan.output_tokens == -1)


@pytest.mark.parametrize(
    ("arrivals", "mean_per_s"),
    [("gamma", 40), ("mmpp", (90 * 0.7 + 20 * 2) / 3), ("diurnal", 40), ("flash", 40 + 260 * 5 / 1000)],
)
def test_the_rate_is_the_one_that_was_said(arrivals: str, mean_per_s: float) -> None:
    assert len(schedule(said(arrivals), 1000, 5)) / 1000 == pytest.approx(mean_per_s, rel=0.08)


def test_other_draws_do_not_move_when_one_thing_changes() -> None:
    """Each has a lane of its own: variants share their randomness wherever they can."""
    one, other = schedule(said("poisson"), 20, 7), schedule(said("poisson", tenants={"distinct": 3, "zipf": 2}), 20, 7)
    assert np.array_equal(one.at_s, other.at_s)
    assert np.array_equal(one.prompt, other.prompt)
    assert not np.array_equal(one.tenant, other.tenant)


def test_a_trace_is_replayed_again_and_again_with_its_tokens(tmp_path: Path) -> None:
    plan = schedule(said("trace", trace=recorded(tmp_path), speed=2), 6, 1)
    assert plan.at_s.tolist() == pytest.approx([0, 0.5, 2, 3, 3.5, 5])
    assert plan.input_tokens.tolist() == [101, 102, 105] * 2
    assert plan.output_tokens.tolist() == [1, 2, 5] * 2
    pieces = [part.input_tokens.tolist() for part in chunks(said("trace", trace=recorded(tmp_path), speed=2), 6, 1, 4)]
    assert pieces == [[101, 102, 105, 101], [102, 105]]


def test_a_trace_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="found no such file, expected a trace"):
        schedule(said("trace", trace=tmp_path / "nowhere.csv"), 5, 1)


@pytest.mark.parametrize("think_ms", [0, {"kind": "uniform", "low": 0, "high": 0}])
def test_users_who_never_let_time_pass_are_refused(think_ms: Any) -> None:
    with pytest.raises(ValueError, match="time has to pass between two requests"):
        said("closed", users=3, think_ms=think_ms)


@pytest.mark.parametrize("drawn", [schedule, lambda *plan: list(chunks(*plan))])
def test_a_closed_load_has_no_schedule(drawn: Any) -> None:
    with pytest.raises(SpecError, match="found 'closed', expected an open load"):
        drawn(said("closed", users=3, think_ms=500), 5, 1)


@pytest.mark.parametrize("arrivals", NEEDS)
def test_what_arrivals_need_is_asked_for_and_what_others_have_is_refused(arrivals: str, tmp_path: Path) -> None:
    whole = SAID | {"trace": {"trace": recorded(tmp_path)}, "closed": {"users": 3, "think_ms": 500}}
    for key in NEEDS[arrivals]:
        lacking = {"arrivals": arrivals, "flows": {"a": 1}} | {k: v for k, v in whole[arrivals].items() if k != key}
        with pytest.raises(SpecError, match=f"^{key}: found nothing, expected it with arrivals: {arrivals}"):
            validate(lacking, Load)
    for key, value in {k: v for other in whole.values() for k, v in other.items()}.items():
        if key not in whole[arrivals]:
            with pytest.raises(SpecError, match=f"^{key}: found it with arrivals: {arrivals}, expected nothing: "):
                validate({"arrivals": arrivals, "flows": {"a": 1}, key: value} | whole[arrivals], Load)


def test_rates_that_are_all_nothing_are_refused() -> None:
    with pytest.raises(SpecError, match="states: found rates that are all 0, expected at least one above 0"):
        validate({"arrivals": "mmpp", "flows": {"a": 1}, "states": [{"rate_per_s": 0, "mean_s": 1}]}, Load)


def test_a_rare_request_is_no_overflow() -> None:
    for arrivals in ("poisson", "gamma", "diurnal"):
        assert len(schedule(said(arrivals, rate_per_s=1e-9), 60, 1)) == 0
    assert len(schedule(said("mmpp", states=[{"rate_per_s": 1e-300, "mean_s": 1}]), 60, 1)) == 0


def test_a_million_requests_are_drawn_in_bounded_memory_and_time() -> None:
    load = Load(rate_per_s=100_000, flows={"a": 1, "b": 1}, prompts=Prompts(distinct=1000, zipf=1))
    largest, count = 0, 0
    for part in chunks(load, 10, 1):
        assert isinstance(part, Schedule)
        largest, count = max(largest, len(part)), count + len(part)
    assert count == pytest.approx(1_000_000, rel=0.01)
    assert largest == 65_536


@pytest.mark.parametrize(
    ("kind", "more", "highest_per_s"),
    [
        ("poisson", {"rate_per_s": 5}, 5),
        ("diurnal", {"rate_per_s": 5, "amplitude": 0.5, "period_s": 9}, 7.5),
        ("flash", {"rate_per_s": 5, "peak_per_s": 50, "at_s": 1, "hold_s": 1}, 50),
        ("mmpp", {"states": [{"rate_per_s": 3, "mean_s": 1}, {"rate_per_s": 8, "mean_s": 1}]}, 8),
        ("closed", {"users": 10, "think_ms": 500}, 20),
    ],
)
def test_how_many_may_come(kind: str, more: dict[str, Any], highest_per_s: float) -> None:
    assert Load.model_validate({"arrivals": kind, "flows": {"ask": 1}} | more).highest_per_s() == highest_per_s


def test_a_recorded_load_comes_as_fast_as_it_is_replayed(tmp_path: Path) -> None:
    load = said("trace", trace=recorded(tmp_path), speed=2)
    slow = said("trace", trace=recorded(tmp_path))
    assert load.highest_per_s() == pytest.approx(2 * slow.highest_per_s())
