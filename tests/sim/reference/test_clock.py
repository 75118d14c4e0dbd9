"""The order of things at one instant."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from simpy.events import URGENT, Event

from windtunnel.sim.reference.clock import Clock, Rank


def says(seen: list[str], name: str) -> Callable[[Event], None]:
    return lambda _: seen.append(name)


def test_timers_of_one_instant_go_by_rank_request_attempt_and_setting() -> None:
    clock, seen = Clock(), list[str]()
    for name, rank, request, attempt in [
        ("look", Rank.OBSERVATION, -1, 0),
        ("arrival", Rank.ARRIVAL, 0, 0),
        ("limit of 2", Rank.LIMIT, 2, 0),
        ("limit of 1, again", Rank.LIMIT, 1, 1),
        ("limit of 1", Rank.LIMIT, 1, 0),
        ("limit of 1, set later", Rank.LIMIT, 1, 0),
        ("processor", Rank.DEPARTURE, -1, 0),
        ("fault", Rank.FAULT, 7, 3),
    ]:
        clock.at(1.0, rank, request, attempt).callbacks.append(says(seen, name))
    clock.at(0.5, Rank.OBSERVATION).callbacks.append(lambda _: seen.append("sooner"))
    clock.run()
    assert seen == [
        "sooner",
        "fault",
        "processor",
        "limit of 1",
        "limit of 1, set later",
        "limit of 1, again",
        "limit of 2",
        "arrival",
        "look",
    ]


def test_consequences_come_before_timers_first_in_first_out_whatever_simpy_thinks_of_them() -> None:
    clock, seen = Clock(), []

    def strand(name: str, *awaited: Event) -> Generator[Event, Any, None]:
        seen.append(name)
        for event in awaited:
            yield event
            seen.append(f"{name} goes on")

    def happen(_: Event) -> None:
        seen.append("timer")
        granted = clock.event()
        clock.process(strand("first", granted))
        granted.succeed()
        urgent = clock.event()
        urgent._ok, urgent._value = True, None
        urgent.callbacks.append(lambda _: seen.append("urgent"))
        clock.schedule(urgent, URGENT)
        clock.process(strand("second"))

    clock.at(1.0, Rank.DEPARTURE).callbacks.append(happen)
    clock.at(1.0, Rank.LIMIT).callbacks.append(lambda _: seen.append("next timer"))
    clock.run()
    # The grant has happened before the strand waits for it: it goes on at once.
    assert seen == ["timer", "first", "first goes on", "urgent", "second", "next timer"]


def test_a_void_timer_does_nothing_and_one_that_is_late_comes_now() -> None:
    clock, seen = Clock(), list[str]()
    timer = clock.at(1.0, Rank.LIMIT)
    timer.callbacks.append(says(seen, "void"))
    clock.void(timer)
    clock.void(None)

    def is_late(_: Event) -> None:
        clock.at(1.5, Rank.LIMIT).callbacks.append(lambda _: seen.append(f"late, at {clock.now}"))

    clock.at(2.0, Rank.LIMIT).callbacks.append(is_late)
    clock.run()
    clock.void(timer)
    assert seen == ["late, at 2.0"]


def test_what_is_let_happen_has_no_hop() -> None:
    clock, seen = Clock(), []
    event = clock.event()

    def strand() -> Generator[Event, Any, None]:
        seen.append((yield event))

    clock.process(strand())

    def happen(_: Event) -> None:
        clock.event().succeed()
        clock.happen(event, "value")
        seen.append("after")

    clock.at(1.0, Rank.DEPARTURE).callbacks.append(happen)
    clock.run()
    assert seen == ["value", "after"]
