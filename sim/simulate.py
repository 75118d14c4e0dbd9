"""A forecast: a scenario executed by the model instead of the stack, ending in the same record. Used by the harness."""

from __future__ import annotations

import hashlib

from windtunnel.sim.engine import execute
from windtunnel.sim.model import Model, compile_model
from windtunnel.spec.architecture import Architecture
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.parameters import Parameters
from windtunnel.spec.run import Event, Run, RunRecord
from windtunnel.spec.scenario import Scenario


def simulate(
    scenario: Scenario,
    architecture: Architecture,
    deployment: Deployment,
    parameters: Parameters,
    *,
    replay: str,
    version: str,
    run_id: str | None = None,
) -> Run:
    """The forecast of a scenario. Same arguments, same bytes, on every machine.

    ``replay``: the command that makes it again; ``version``: of this program; ``run_id``: by default derived from
    everything that decides the result. Raises SpecError where a call has no parameters or the parts do not fit.
    """
    model = compile_model(scenario, architecture, deployment, parameters)
    tables = execute(model)
    content = (scenario, architecture, deployment, parameters)
    record = RunRecord(
        id=run_id or f"{scenario.name}-forecast-{_digest(*(part.model_dump_json() for part in content), version)}",
        kind="forecast",
        scenario=scenario,
        architecture=architecture,
        deployment=deployment,
        backend="simpy",
        created_at=None,
        version=version,
        replay=replay,
        parameters=parameters_id(parameters),
        observes=("samples", "first_token", "spans", "series"),
        events=_events(scenario, model),
        unmodelled=model.unmodelled,
    )
    return Run(record, tables.samples, tables.spans, tables.writes, tables.series)


def parameters_id(parameters: Parameters) -> str:
    """A name for parameters that is theirs alone: a digest of their content."""
    return _digest(parameters.model_dump_json())


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _events(scenario: Scenario, model: Model) -> tuple[Event, ...]:
    happened = [Event(at_s=0.0, what="zero", detail="")]
    happened += [Event(at_s=window.start_s, what="window", detail=window.name) for window in scenario.windows.spans()]
    for window in model.faults:
        fault = scenario.faults[window.index]
        name = f"{fault.kind} {fault.target}"
        happened.append(Event(at_s=window.begin_s, what="injected", detail=name))
        happened.append(Event(at_s=window.end_s, what="healed", detail=name))
    happened.append(Event(at_s=scenario.windows.total_s, what="end", detail=""))
    return tuple(sorted(happened, key=lambda event: event.at_s))
