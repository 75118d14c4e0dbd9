"""The engine that was there before had these tests: they hold for its successor, on what the compiler writes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim import test_engine
from tests.sim.faults import test_effects
from tests.sim.faults.test_effects import *  # noqa: F403
from tests.sim.test_engine import *  # noqa: F403
from tests.sim.worlds import ONE_HOST
from windtunnel.sim.compiler import compile_model
from windtunnel.sim.reference.engine import execute
from windtunnel.spec.architecture import Architecture
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.parameters import Parameters
from windtunnel.spec.run import Run, RunRecord
from windtunnel.spec.scenario import Scenario


def forecast(said: Scenario, built: Architecture, known: Parameters, deployment: dict[str, Any] | None = None) -> Run:
    placed = Deployment.model_validate(deployment or ONE_HOST)
    model = compile_model(said, built, placed, known)
    tables = execute(model)
    record = RunRecord(
        id="carried-over",
        kind="forecast",
        scenario=said,
        architecture=built,
        deployment=placed,
        backend="simpy",
        created_at=None,
        version="0",
        replay="",
        parameters=None,
        observes=("samples", "first_token", "spans", "series"),
        events=(),
        unmodelled=model.unmodelled,
    )
    return Run(record, tables.samples, tables.spans, tables.writes, tables.series)


@pytest.fixture(autouse=True)
def on_the_new_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (test_engine, test_effects):
        monkeypatch.setattr(module, "forecast", forecast)
