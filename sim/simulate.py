"""A forecast: a scenario executed by the model instead of the stack, ending in the same record. Used by the harness."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from windtunnel.sim.answers.goodput import goodput_limit_ms
from windtunnel.sim.compiler import compile_model
from windtunnel.sim.model import Model
from windtunnel.spec.architecture import Architecture
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.parameters import Parameters
from windtunnel.spec.run import Event, Run, RunRecord
from windtunnel.spec.scenario import Scenario

if TYPE_CHECKING:
    import pyarrow as pa

    from windtunnel.sim.reference.recorder import Tables

Progress = Callable[[float], object]
Engine = Literal["auto", "simpy", "compiled"]
"""Both give the same answer. auto: the compiled one for many requests, where numba is there to compile it."""
HOMES = {"simpy": "windtunnel.sim.reference.engine", "compiled": "windtunnel.sim.compiled"}
"""Where each engine's ``execute(model)`` is."""
FEW_REQUESTS = 5_000
"""SimPy has answered about so many by the time that the compiled engine has started."""
MANY_REQUESTS = 2_000_000
"""Of so many, requests are counted in sketches instead of kept: memory then does not grow with the run."""


def simulate(
    scenario: Scenario,
    architecture: Architecture,
    deployment: Deployment,
    parameters: Parameters | None,
    *,
    replay: str,
    version: str,
    run_id: str | None = None,
    engine: Engine = "auto",
    many_requests: int = MANY_REQUESTS,
    progress: Progress | None = None,
) -> Run:
    """The forecast of a scenario. Same arguments, same bytes, on every machine.

    ``parameters`` None: every call says its own times; ``replay``: the command that makes it again; ``version``: of
    this program; ``run_id``: by default derived from everything that decides the result, and so not from the engine;
    ``many_requests``: above so many the compiled engine counts them in sketches; ``progress``: is told by it now and
    then how much is over, from 0 to 1.
    Raises SpecError where a call has no times or the parts do not fit.
    """
    model = compile_model(scenario, architecture, deployment, parameters)
    backend = chosen(engine, model)
    tables: Any
    counts: tuple[pa.Table, ...] = ()
    sketched = backend == "compiled" and _expected(scenario, model) > many_requests
    if sketched:
        tables, counts = _count(model, scenario, progress)
    else:
        tables = _execute(model, backend, progress)
    content = (scenario, architecture, deployment, *((parameters,) if parameters else ()))
    record = RunRecord(
        id=run_id or f"{scenario.name}-forecast-{_digest(*(part.model_dump_json() for part in content), version)}",
        kind="forecast",
        scenario=scenario,
        architecture=architecture,
        deployment=deployment,
        backend=backend,
        created_at=None,
        version=version,
        replay=replay,
        parameters=parameters_id(parameters) if parameters else None,
        observes=("sketches", "first_token", "series") if sketched else ("samples", "first_token", "spans", "series"),
        events=_events(scenario),
        unmodelled=model.unmodelled,
    )
    return Run(record, tables.samples, tables.spans, tables.writes, tables.series, *counts)


def chosen(engine: Engine, model: Model) -> Literal["simpy", "compiled"]:
    """The engine that runs."""
    if engine != "auto":
        return engine
    return "compiled" if find_spec("numba") and _requests(model) > FEW_REQUESTS else "simpy"


def _expected(scenario: Scenario, model: Model) -> float:
    """About how many requests there will be."""
    if model.closed is None and scenario.load.rate_per_s is not None:
        highest = max(scenario.load.rate_per_s, scenario.load.peak_per_s or 0.0)
        if highest * model.duration_s < FEW_REQUESTS:
            return highest * model.duration_s
    if model.closed is not None:
        return _requests(model)
    return float(sum(len(piece) for piece in model.arrivals()))


def _count(model: Model, scenario: Scenario, progress: Progress | None) -> tuple[Any, tuple[pa.Table, ...]]:
    """Requests counted, by window."""
    from windtunnel.sim.compiled import Compiled
    from windtunnel.sim.compiled.tally import tables

    spans = scenario.windows.spans()
    faulted = {fault.at for fault in scenario.faults}
    run = Compiled(
        model,
        samples=False,
        spans=False,
        windows=tuple((span.start_s, span.end_s) for span in spans),
        claims=frozenset(n for n, span in enumerate(spans) if span.name in faulted),
        good_ms=goodput_limit_ms(scenario, "after"),
    )
    run.run(progress)
    return run.tables(), tables(run.counted(), model, [span.name for span in spans])


def _requests(model: Model) -> float:
    """How many there will be, at least as far as it matters here."""
    if model.closed is None:
        return sum(len(piece) for piece in islice(model.arrivals(), 1))
    return model.closed.users * model.duration_s / (model.closed.think_ms.mean() / 1000)


def _execute(model: Model, backend: Literal["simpy", "compiled"], progress: Progress | None) -> Any:
    """Loads the engine that is asked for, and no other: numba alone takes a second."""
    if backend == "compiled" and progress is not None:
        from windtunnel.sim.compiled import Compiled

        run = Compiled(model)
        run.run(progress)
        return run.tables()
    execute: Callable[[Model], Tables] = import_module(HOMES[backend]).execute
    return execute(model)


def parameters_id(parameters: Parameters) -> str:
    """A name for parameters that is theirs alone: a digest of their content."""
    return _digest(parameters.model_dump_json())


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _events(scenario: Scenario) -> tuple[Event, ...]:
    happened = [Event(at_s=0.0, what="zero", detail="")]
    happened += [Event(at_s=window.start_s, what="window", detail=window.name) for window in scenario.windows.spans()]
    for fault in scenario.faults:
        window = scenario.windows.named(fault.at)
        assert window is not None, "a scenario's faults lie in windows that have a length"
        name = f"{fault.kind} {fault.target}"
        happened.append(Event(at_s=window.start_s, what="injected", detail=name))
        happened.append(Event(at_s=window.end_s, what="healed", detail=name))
    happened.append(Event(at_s=scenario.windows.total_s, what="end", detail=""))
    return tuple(sorted(happened, key=lambda event: event.at_s))
