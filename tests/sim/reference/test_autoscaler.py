"""Replicas that come and go by what is measured, late and not too often."""

from __future__ import annotations

from typing import Any

from tests.sim.reference.worlds import World, run, series, spans
from windtunnel.sim.model import OUTSIDE, AutoscalePolicy, Model

TARGET: dict[str, Any] = {"target": 2.0, "steps": (), "below": -1.0, "remove": 0}
STEPS: dict[str, Any] = {"target": None, "steps": ((3.0, 1), (6.0, 3)), "below": 1.0, "remove": 1}


def scaled(
    at_s: list[float], service_ms: float, *, duration_s: float = 8.0, station: dict[str, Any] | None = None, **said: Any
) -> Model:
    """One replica at first, ten at most; a look every second."""
    policy: dict[str, Any] = {
        "minimum": 1,
        "maximum": 10,
        "metric": "concurrency",
        "interval_s": 1.0,
        "metrics_delay_s": 0.0,
        "cold_start_s": 0.0,
        "cooldown_up_s": 0.0,
        "cooldown_down_s": 0.0,
    }
    policy |= TARGET | said
    world = World()
    app = world.station("app", replicas=10, initial=1, autoscale=AutoscalePolicy(**policy), **(station or {}))
    return world.model(world.call(world.wire(OUTSIDE, app), service_ms), at_s=at_s, duration_s=duration_s)


def replicas(model: Model) -> list[float]:
    """At 1, 2, 3 ... seconds, just after the look."""
    return series(run(model), "replicas", "app")


def test_a_target_is_aimed_at() -> None:
    # Five in flight for all the time: 2.5 times what one should have. They stay with replica 0, who is one of three.
    assert replicas(scaled([0.0] * 5, 1e5)) == [3] * 8
    # Half a second of five is 2.5 on average, and two replicas; nothing after that.
    assert replicas(scaled([0.5] * 5, 1e3)) == [2, 2, *[1] * 6]


def test_exactly_on_target_nothing_is_changed() -> None:
    assert replicas(scaled([0.0] * 2, 1e5)) == [1] * 8


def test_requests_go_to_replicas_that_run() -> None:
    tables = run(scaled([0.0] * 5 + [1.5, 1.6, 1.7], 1e5))
    assert spans(tables, "replica", kind="server") == ["app.0"] * 5 + ["app.2", "app.0", "app.1"]


def test_steps_add_and_remove() -> None:
    # 4 in flight: one more each time a replica has more than 3 (4, then 2 each).
    assert replicas(scaled([0.0] * 4, 1e5, **STEPS)) == [2] * 8
    # 7 of one: three more; 7/4 of each is enough.
    assert replicas(scaled([0.0] * 7, 1e5, **STEPS)) == [4] * 8
    # Gone at 2.5 s: from then on one less each second, down to the minimum.
    assert replicas(scaled([0.0] * 7, 2500, **(STEPS | {"minimum": 2}))) == [4, 4, 3, 2, 2, 2, 2, 2]


def test_new_replicas_take_their_time_and_are_not_ordered_twice() -> None:
    assert replicas(scaled([0.0] * 5, 1e5, cold_start_s=1.5)) == [1, 1, 3, 3, 3, 3, 3, 3]
    # The second look sees nobody any more, but does not take back what is starting.
    assert replicas(scaled([0.0] * 5, 1e3, cold_start_s=1.5)) == [1, 1, 1, 1, 1, 1, 1, 1]


def test_metrics_that_come_late_make_it_overshoot() -> None:
    # Five in flight. Two looks late, a value per replica is taken times the replicas that run by now: 5 of one; 5 of
    # one, but three run; 5 of one, eight; 5/3 of three, ten; 5/8 of eight, nine; 5/10 of ten, three.
    assert replicas(scaled([0.0] * 5, 1e5, metrics_delay_s=1.5)) == [1, 1, 3, 8, 10, 9, 3, 1]
    # 2.5 and 2.5 of one replica, then nothing.
    assert replicas(scaled([0.5] * 5, 1e3, metrics_delay_s=2.0)) == [1, 1, 2, 3, 1, 1, 1, 1]


def test_between_two_changes_there_is_a_pause() -> None:
    # Ten replicas' worth arrives at once and more at 1.2 s; the second order waits for three seconds.
    at_s = [0.0] * 4 + [1.2] * 4
    assert replicas(scaled(at_s, 1e5, cooldown_up_s=3.0)) == [2, 2, 2, 4, 4, 4, 4, 4]
    assert replicas(scaled([0.0] * 8, 500, cooldown_down_s=3.0)) == [2, 2, 2, 1, 1, 1, 1, 1]


def test_the_line_is_a_measure_too() -> None:
    # One is worked on, six wait: three times the target.
    model = scaled([0.0] * 7, 1e5, metric="queue", station={"slots": 1})
    assert replicas(model)[:2] == [3, 3]


def test_processor_time_is_a_measure_too() -> None:
    # 1.5 cores are used by the replica: three replicas with half a core each.
    model = scaled([0.0] * 3, 500, metric="cpu", target=0.5, station={"cpu_s": float("inf")})
    assert replicas(model)[:3] == [3, 1, 1]
