"""Messages: who takes them, when they come again, when they are given up."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.reference.worlds import World, answer_ms, outcomes, run, series, spans
from windtunnel.sim.draws import Draws, Purpose, at, mix
from windtunnel.sim.model import OUTSIDE, AutoscalePolicy, Enqueue, Invoke, Model, QueuePolicy, Slow
from windtunnel.spec.distribution import Uniform


def working(
    at_s: list[float],
    work_ms: Any = 100.0,
    *,
    policy: dict[str, Any] | None = None,
    workers: int = 1,
    optional: bool = False,
    worker: dict[str, Any] | None = None,
    **more: Any,
) -> Model:
    """An app that puts a message on a queue for each request; workers that call a db for each message."""
    world = World()
    said = {"visibility_timeout_s": 60.0, "max_receives": 3, "limit": None} | (policy or {})
    jobs = world.station("jobs", queue=QueuePolicy(**said))
    app, db = world.station("app"), world.station("db")
    consumer = world.station("worker", consumes=jobs, workers=workers, **(worker or {}))
    outer, inner = world.wire(OUTSIDE, app), world.wire(consumer, db, timeout_s=0.25)
    enqueue = Enqueue(jobs, optional, (world.call(inner, work_ms),))
    return world.model(world.call(outer, 10, (enqueue,)), at_s=at_s, **more)


def began_s(model: Model) -> list[float]:
    """When work on the messages began, request by request and delivery by delivery."""
    return spans(run(model), "start_s", kind="client", callee="db")


def test_a_request_does_not_wait_for_its_message() -> None:
    tables = run(working([0.0, 0.0, 0.0]))
    assert answer_ms(tables) == [10, 10, 10]
    assert spans(tables, "start_s", kind="client", callee="db") == [0.01, 0.11, 0.21]
    assert spans(tables, "caller", kind="server", callee="db") == ["worker"] * 3


def test_replicas_take_turns_by_how_long_they_have_been_idle() -> None:
    model = working([0.0, 0.3, 0.3, 0.7], workers=2, worker={"replicas": 2})
    replicas = spans(run(model), "replica", kind="client", callee="db")
    # First places of both replicas, second places of both; the next longest idle is the first place again.
    assert replicas == ["worker.0", "worker.1", "worker.0", "worker.1"]
    assert began_s(working([0.0] * 5, workers=2, worker={"replicas": 2})) == [0.01] * 4 + [0.11]


def test_a_full_queue_refuses() -> None:
    at_s, policy = [0.0, 0.0, 0.0, 0.0], {"limit": 1}
    # One is worked on, one waits.
    tables = run(working(at_s, policy=policy))
    assert outcomes(tables) == ["ok", "ok", "rejected", "rejected"]
    assert outcomes(run(working(at_s, policy=policy, optional=True))) == ["ok"] * 4


def test_a_message_that_failed_comes_again_when_its_time_is_up_until_it_is_given_up() -> None:
    """The db answers nobody: time-outs after 250 ms, deliveries a second apart, the third time it is dead."""
    policy = {"visibility_timeout_s": 1.0, "max_receives": 3}
    tables = run(working([0.0], 1e4, policy=policy, duration_s=5.0))
    assert spans(tables, "start_s", kind="client", callee="db") == [0.01, 1.01, 2.01]
    assert series(tables, "dead_letters", "jobs") == [0, 0, 0, 1, 1]
    assert outcomes(tables) == ["ok"]


def test_a_message_that_is_worked_on_for_too_long_is_given_to_another_too() -> None:
    """150 ms of work, 100 ms until it is visible again: a second worker has it as well, and its end is void."""
    policy = {"visibility_timeout_s": 0.1, "max_receives": 5}
    tables = run(working([0.0], 150, policy=policy, worker={"replicas": 2}))
    assert spans(tables, "start_s", kind="client", callee="db") == [0.01, 0.11]
    assert series(tables, "dead_letters", "jobs")[0] == 0
    # With one place the copy is passed over: when the place is free the message is done.
    assert began_s(working([0.0], 150, policy=policy)) == [0.01]


def test_a_waiting_copy_goes_behind_the_others() -> None:
    """The first message fails at 260 ms and is visible again at 310, behind the second and the third."""
    policy = {"visibility_timeout_s": 0.3, "max_receives": 5}
    model = working([0.0, 0.0, 0.0], 100, policy=policy, slow=(Slow(2, None, 0.0, 0.05, 10.0),))
    tables = run(model)
    assert spans(tables, "start_s", kind="client", callee="db", request=0) == [0.01, 0.46]
    assert spans(tables, "start_s", kind="client", callee="db", request=1) == [0.26]
    assert spans(tables, "start_s", kind="client", callee="db", request=2) == [0.36]


def test_every_delivery_draws_for_itself() -> None:
    work = Uniform(low=200, high=400)
    model = working([0.0] * 10, work, policy={"visibility_timeout_s": 1.0, "max_receives": 2}, workers=10)
    tables = run(model)
    draws, hop = Draws(1), 0
    for request in range(10):
        base = draws.base(request)
        first, again = (work.at(at(where, hop, 0, Purpose.SERVICE)) for where in (base, mix(base ^ 2)))
        took = spans(tables, "duration_ms", kind="client", callee="db", request=request)
        expected = [min(first, 250)] if first < 250 else [250, min(again, 250)]
        assert took == pytest.approx(expected, abs=1e-3)


def test_workers_that_are_scaled_up_take_what_waits_and_those_scaled_down_take_nothing_more() -> None:
    """One works; it has no rest in the first second, so two more are there at 1.5 s; by 3 s one is enough again."""
    scale = AutoscalePolicy(
        minimum=1,
        maximum=3,
        metric="cpu",
        target=None,
        steps=((0.5, 2),),
        below=0.2,
        remove=2,
        interval_s=1.0,
        metrics_delay_s=0.0,
        cold_start_s=0.5,
        cooldown_up_s=0.0,
        cooldown_down_s=0.0,
    )
    world = World()
    jobs = world.station("jobs", queue=QueuePolicy(60.0, 3, None))
    app = world.station("app")
    computing = {"cpu_s": float("inf")}
    worker = world.station("worker", replicas=3, initial=1, consumes=jobs, workers=1, autoscale=scale, **computing)
    # The worker calls itself, so that its work is its own: 300 ms of a core for each message.
    itself = world.wire(worker, worker)
    outer = world.wire(OUTSIDE, app)
    message: Invoke = world.call(itself, 300)
    entry = world.call(outer, 0, (Enqueue(jobs, False, (message,)),))
    model = world.model(entry, at_s=[0.0] * 8 + [4.5, 4.5], duration_s=6.0)
    tables = run(model)
    # Alone until 1.5 s: 0, .3, .6, .9, 1.2; three at 1.5. At 3 s little was done: one is left; at 4.5 it is alone.
    assert spans(tables, "start_s", kind="client", callee="worker") == [0, 0.3, 0.6, 0.9, 1.2, 1.5, 1.5, 1.5, 4.5, 4.8]
    assert series(tables, "replicas", "worker") == [1, 3, 1, 1, 1, 1]
