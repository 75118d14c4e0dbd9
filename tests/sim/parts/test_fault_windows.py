"""What faults do to wires and stations."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.parts.worlds import call, compiled, drawn, link
from windtunnel.sim.model import Model

BUILT = drawn(
    {
        "edge": {"kind": "gateway"},
        "app": {"kind": "service"},
        "db": {"kind": "database"},
        "jobs": {"kind": "queue"},
        "worker": {"kind": "service", "consumes": {"queue": "jobs"}},
    },
    [link(name) for name in ("client->edge", "edge->app", "client->app", "app->db", "worker->db")],
    ask=[call("edge", steps=[call("app", steps=[call("db"), {"enqueue": "jobs", "steps": [call("db", op="later")]}])])],
)
UNTOUCHED = "of worker: its messages go on as if nothing had happened"
PLACE = {"app": {"replicas": 2, "zones": ["a", "b"]}, "worker": {"zones": ["b"]}, "jobs": {"zones": ["c"]}}


def hurt(*faults: dict[str, Any]) -> Model:
    return compiled(BUILT, PLACE, windows={"before_s": 1, "during_s": 2, "after_s": 1}, faults=list(faults))


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"latency": "edge->app.1", "latency_ms": 5}, [("edge->app", None, 1, False)]),
        ({"outage": "app.0->db"}, [("app->db", 0, None, False)]),
        ({"kill": "app"}, [("edge->app", None, None, True), ("client->app", None, None, True)]),
        ({"kill": "app.1"}, [("edge->app", None, 1, True), ("client->app", None, 1, True)]),
        ({"kill": "db"}, [("app->db", None, None, True), ("worker->db", None, None, True)]),
        ({"zone_outage": "a"}, [("edge->app", None, 0, True), ("client->app", None, 0, True)]),
        ({"brownout": "app", "factor": 2}, []),
    ],
)
def test_a_fault_on_its_wires(fault: dict[str, Any], expected: list[tuple[str, int | None, int | None, bool]]) -> None:
    found = hurt(fault)
    assert [
        (found.wires[window.wire].name, window.caller_replica, window.callee_replica, window.kills)
        for window in found.faults
    ] == expected
    assert all((window.begin_s, window.end_s, window.index) == (1, 3, 0) for window in found.faults)


def test_whoever_is_killed_is_refused_and_cut_like_in_an_outage() -> None:
    (window, _) = hurt({"kill": "app.1"}).faults
    assert (window.fault.kind, window.fault.target, window.fault.at) == ("outage", "edge->app.1", "during")
    assert window.imagined.begins(window.fault) == 0


def test_random_outages_are_windows_of_one_fault() -> None:
    found = hurt({"outage": "app->db"}, {"random_outages": "app.1", "mtbf_s": 0.2, "mttr_s": 0.1}).faults
    random = [window for window in found if window.index == 1]
    assert len(random) > 4
    assert all(window.kills and window.callee_replica == 1 and 1 < window.begin_s < 3 for window in random)


@pytest.mark.parametrize(("target", "replica"), [("app", None), ("app.1", 1)])
def test_a_brownout_slows_own_work(target: str, replica: int | None) -> None:
    found = hurt({"brownout": target, "factor": 2.5})
    (slow,) = found.slow
    assert found.stations[slow.station].name == "app"
    assert (slow.replica, slow.begin_s, slow.end_s, slow.factor) == (replica, 1, 3, 2.5)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"kill": "db"}, ()),
        ({"kill": "worker"}, (f"kill {UNTOUCHED}",)),
        (
            {"brownout": "worker", "factor": 2},
            (f"brownout {UNTOUCHED}",),
        ),
        ({"zone_outage": "b"}, (f"zone_outage {UNTOUCHED}",)),
        (
            {"zone_outage": "c"},
            ("zone_outage of jobs: its messages go on as if nothing had happened",),
        ),
    ],
)
def test_what_no_engine_will_show_is_said(fault: dict[str, Any], words: tuple[str, ...]) -> None:
    assert hurt(fault).unmodelled == words
