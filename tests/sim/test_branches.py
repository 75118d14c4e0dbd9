"""Every outcome leads to its own branch, in both engines, where the times are known by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.worlds import ONE_HOST, answer_ms, architecture, outcomes, scenario
from windtunnel.sim.simulate import Engine, simulate
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.run import Run

BRANCHES_MS = {"hit": 1, "miss": 2, "timeout": 3, "error": 4, "rejected": 5, "open": 6}
"""How long what follows from each outcome takes; a whole second later comes the next request."""
ASKED_MS = 7
TIMEOUT_MS = 10


def ask(engine: Engine, asked: dict[str, Any], *, link: dict[str, Any] | None = None, faults: Any = ()) -> Run:
    """Two requests, one prompt. The app calls ``asked``, and then another component for as long as the outcome says."""
    follows = {outcome: [{"call": "next", "service_ms": ms}] for outcome, ms in BRANCHES_MS.items()}
    call = {"call": "asked", "service_ms": asked.pop("service_ms", ASKED_MS), "on": follows}
    if asked["kind"] == "cache":
        call["op"] = "get"
    built = architecture(
        {"app": {"kind": "service"}, "asked": asked, "next": {"kind": "service"}},
        [
            {"from": "client", "to": "app", "timeout_ms": 500},
            {"from": "app", "to": "asked", "timeout_ms": TIMEOUT_MS, **(link or {})},
            {"from": "app", "to": "next", "timeout_ms": 100},
        ],
        [{"call": "app", "service_ms": 0, "steps": [call]}],
    )
    said = scenario(during_s=2, load={"prompts": {"distinct": 1}}, faults=list(faults))
    return simulate(said, built, Deployment.model_validate(ONE_HOST), None, replay="", version="0", engine=engine)


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
@pytest.mark.parametrize(
    ("asked", "more", "second_ms"),
    [
        ({"kind": "cache", "start": "warm"}, {}, ASKED_MS + BRANCHES_MS["hit"]),
        ({"kind": "cache"}, {}, ASKED_MS + BRANCHES_MS["miss"]),
        ({"kind": "service", "service_ms": 50}, {}, TIMEOUT_MS + BRANCHES_MS["timeout"]),
        ({"kind": "service"}, {"faults": [{"outage": "app->asked"}]}, BRANCHES_MS["error"]),
        ({"kind": "service", "rate_limit": {"per_s": 0.1, "burst": 1}}, {}, BRANCHES_MS["rejected"]),
        (
            {"kind": "service", "service_ms": 50},
            {"link": {"breaker": {"failures": 1, "open_ms": 5000}}},
            BRANCHES_MS["open"],
        ),
        ({"kind": "service"}, {}, ASKED_MS),
    ],
    ids=["hit", "miss", "timeout", "error", "rejected", "open", "ok"],
)
def test_each_outcome_has_its_branch(
    engine: Engine, asked: dict[str, Any], more: dict[str, Any], second_ms: float
) -> None:
    run = ask(engine, dict(asked), **more)
    assert outcomes(run) == ["ok", "ok"]
    assert answer_ms(run)[1] == pytest.approx(second_ms)
