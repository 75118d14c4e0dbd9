"""Each arrival process has the rate that it says, at every time, and begins alike however long it is asked for."""

from __future__ import annotations

from itertools import islice, takewhile

import numpy as np
import pytest
from numpy.typing import NDArray

from windtunnel.spec import arrivals


def rng(lane: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=np.array([7, lane], dtype=np.uint64)))


def until(pieces: object, end_s: float) -> NDArray[np.float64]:
    times = np.concatenate(list(takewhile(lambda piece: len(piece) == 0 or piece[0] < end_s, pieces)))  # type: ignore[call-overload]
    return times[times < end_s]  # type: ignore[no-any-return]


@pytest.mark.parametrize("cv", [0.3, 1.0, 3.0])
def test_gamma_gaps_have_their_mean_and_their_coefficient_of_variation(cv: float) -> None:
    gaps = np.diff(np.concatenate(list(islice(arrivals.gamma(50, cv, rng(0)), 60))))
    assert gaps.mean() == pytest.approx(1 / 50, rel=4 * cv / np.sqrt(len(gaps)))
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.05)


def test_a_wave_is_high_at_its_peak_and_low_half_a_period_later() -> None:
    rate = arrivals.diurnal(100, 0.5, 20, 5)
    assert rate(np.array([5.0, 15.0, 25.0, 0.0, 10.0])).tolist() == pytest.approx([150, 50, 150, 100, 100])


@pytest.mark.parametrize(
    ("ramp_s", "at", "expected"),
    [
        (2, [0, 10, 11, 12, 15, 16, 17, 30], [5, 5, 15, 25, 25, 15, 5, 5]),
        (0, [0, 9.9, 10, 12.9, 13, 30], [5, 5, 25, 25, 5, 5]),
    ],
)
def test_a_crowd_comes_stays_and_goes(ramp_s: float, at: list[float], expected: list[float]) -> None:
    rate = arrivals.flash(5, 25, 10, ramp_s, 3)
    assert rate(np.array(at)).tolist() == pytest.approx(expected)


def test_a_changing_rate_is_kept_at_every_time() -> None:
    wave = arrivals.diurnal(200, 0.8, 10, 0)
    times = until(arrivals.changing(wave, 360, 400, rng(0), rng(4)), 400)
    counts, _ = np.histogram(times % 10, np.linspace(0, 10, 21))
    middles = np.arange(0.25, 10, 0.5)
    expected = wave(middles) * 0.5 * 40
    assert np.all(np.abs(counts - expected) < 4.5 * np.sqrt(expected) + 0.02 * expected)


def test_rates_that_take_turns_last_as_long_as_they_should() -> None:
    rate = arrivals.switching([(10, 2.0), (0, 1.0), (30, 0.5)], rng(5))
    seen = np.concatenate([rate(part) for part in np.split(np.arange(0, 20_000, 0.01), 50)])
    shares = [float(np.mean(seen == value)) for value in (10, 0, 30)]
    assert shares == pytest.approx([4 / 7, 2 / 7, 1 / 7], rel=0.05)
    changes = seen[np.flatnonzero(np.diff(seen)) + 1]
    order = {10.0: 0.0, 0.0: 30.0, 30.0: 10.0}
    in_turn = np.mean([order[a] == b for a, b in zip(changes.tolist(), changes[1:].tolist(), strict=False)])
    assert in_turn > 0.97  # a stay that is shorter than a step of this grid is not seen


def test_the_state_at_a_time_does_not_depend_on_who_else_is_asked_for() -> None:
    times = np.arange(0, 300, 0.37)
    whole = arrivals.switching([(1, 0.5), (2, 0.2)], rng(5))(times)
    rate = arrivals.switching([(1, 0.5), (2, 0.2)], rng(5))
    parts = [rate(part) for part in np.array_split(times, 41)]
    assert np.array_equal(whole, np.concatenate(parts))


def test_a_rate_that_falls_to_nothing_for_ever_ends() -> None:
    rate = arrivals.switching([(0, 1e9), (5, 1.0)], rng(5))
    assert sum(map(len, arrivals.changing(rate, 5, 1000, rng(0), rng(4)))) == 0


def test_recorded_times_come_again_each_period() -> None:
    again = np.concatenate(list(islice(arrivals.replayed(np.array([0.0, 1, 4]), 6), 3)))
    assert again.tolist() == [0, 1, 4, 6, 7, 10, 12, 13, 16]
