"""What happens at one instant happens in an order that is said, whatever the order of scheduling."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from itertools import permutations
from typing import Any

import pytest
from simpy.events import Event

from windtunnel.sim.clock import Clock, Rank


def _note(seen: list[Any], what: Any, _: Event) -> None:
    seen.append(what)


def _happen(event: Event) -> None:
    event.succeed()


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_ties_go_by_rank_then_request_then_attempt(order: tuple[int, ...]) -> None:
    timers = [(Rank.FAULT, 9, 0), (Rank.DEPARTURE, 1, 1), (Rank.DEPARTURE, 2, 0), (Rank.LIMIT, 0, 0)]
    clock = Clock()
    seen: list[int] = []
    for index in order:
        clock.at(1.0, *timers[index]).callbacks.append(partial(_note, seen, index))
    clock.run()
    assert seen == [0, 1, 2, 3]
    assert clock.now == 1.0


def test_consequences_come_before_the_next_timer_of_the_instant() -> None:
    clock = Clock()
    seen: list[str] = []
    news = clock.event()

    def listener() -> Generator[Any, Any, None]:
        yield news
        seen.append("heard")

    clock.process(listener())
    clock.at(1.0, Rank.DEPARTURE).callbacks += [partial(_note, seen, "told"), lambda _: _happen(news)]
    clock.at(1.0, Rank.LIMIT).callbacks.append(partial(_note, seen, "gave up"))
    clock.run()
    assert seen == ["told", "heard", "gave up"]


def test_timers_are_exact_and_a_past_one_is_now() -> None:
    clock = Clock()
    times: list[float] = []
    clock.at(0.1 + 0.2, Rank.ARRIVAL).callbacks.append(
        lambda _: clock.at(0.05, Rank.ARRIVAL).callbacks.append(lambda _: times.append(clock.now))
    )
    clock.run()
    assert times == [0.1 + 0.2]
