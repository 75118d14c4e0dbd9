"""The command line: words in, a verdict and an exit code out. Everything it does is done elsewhere.

Exit codes: 0 all passed, 1 an objective failed, 2 bad input, 3 inconclusive (or the harness broke),
4 something could not be cleaned up.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from windtunnel.harness.mock_llm import mock_llm
from windtunnel.spec.problem import Problem, SpecError, did_you_mean

if TYPE_CHECKING:  # plots and tables take a second to import: --help must not wait for them
    from windtunnel.harness.catalogue import Question
    from windtunnel.harness.report import Pair
    from windtunnel.harness.verdict import Comparison
    from windtunnel.spec.parameters import Parameters

EPILOG = "Exit codes: 0 all passed, 1 an objective failed, 2 bad input, 3 inconclusive, 4 not cleaned up."

app = typer.Typer(
    name="windtunnel",
    help="A wind tunnel for AI-service architectures: one scenario, [bold]forecast[/bold] by a capacity model and "
    "[bold]measured[/bold] on the real stack, judged by the same objectives; the error of the forecast is printed too.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)

Scenarios = Annotated[
    list[str], typer.Argument(metavar="SCENARIO...", help="Built-in names (baseline, llm_timeouts, ...) or files.")
]
Settings = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="Change the scenario: [cyan]load.rate_per_s=50[/cyan].")
]
Seed = Annotated[int | None, typer.Option(min=0, help="Instead of the scenario's own seed.")]
AsJson = Annotated[bool, typer.Option("--json", help="The answer as JSON on standard output.")]
Html = Annotated[Path | None, typer.Option("--report", metavar="FILE", help="Also write one self-contained HTML page.")]
JUnit = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Also write JUnit XML, for CI.")]
BackendName = Annotated[str, typer.Option("--backend", help="embedded (real servers as processes) or containers.")]
ParametersFile = Annotated[
    str | None, typer.Option("--parameters", metavar="FILE", help="Instead of the last calibration's parameters.")
]

ExecutorName = Annotated[
    str, typer.Option("--executor", help="Where simulations run: local, or [cyan]dask://HOST:PORT[/cyan].")
]
Jobs = Annotated[
    int | None, typer.Option("--jobs", min=1, max=1024, help="Processes of --executor local; else one per processor.")
]


@app.command()
def demo(
    report: Annotated[Path, typer.Option(help="Where the HTML page goes.")] = Path(".windtunnel/demo.html"),
    backend: BackendName = "embedded",
    as_json: AsJson = False,
) -> None:
    """The main job from end to end: start, calibrate, forecast, measure under a fault, judge, compare, report.

    Runs the scenario [cyan]llm_timeouts[/cyan] on the architecture [cyan]scale[/cyan]: Envoy in front of two app
    replicas, PostgreSQL, Valkey and a mock LLM, with a real Toxiproxy on every link. About 80 seconds; the very
    first time a few minutes, since Toxiproxy may have to be built.
    """
    from windtunnel.harness.demo import demonstrate
    from windtunnel.harness.report import Pair
    from windtunnel.harness.telling import Telling

    with Telling() as tell:
        shown = demonstrate(tell, backend=_backend(backend))
    pair = Pair(shown.measured, shown.measured_ruling, shown.forecast, shown.forecast_ruling, shown.comparison)
    _write([pair], report, report.with_suffix(".xml"))
    _answer([pair], as_json)
    Console(stderr=True).print(f"report: {report}", markup=False, highlight=False)
    raise typer.Exit(shown.measured_ruling.exit_code)


@app.command()
def run(
    scenarios: Scenarios,
    settings: Settings = [],  # noqa: B006 (typer reads it, nobody changes it)
    seed: Seed = None,
    backend: BackendName = "embedded",
    forecast_first: Annotated[
        bool,
        typer.Option("--forecast/--no-forecast", help="Store a forecast before the run, and print its error after."),
    ] = True,
    parameters_file: ParametersFile = None,
    html: Html = None,
    junit: JUnit = None,
    as_json: AsJson = False,
) -> None:
    """Measure scenarios on the real stack, and judge them.

    Where the architecture has been calibrated, the forecast is stored [bold]before[/bold] the run starts and its
    error is printed afterwards.

    Example: [cyan]windtunnel run llm_timeouts --set load.rate_per_s=20 --report out.html[/cyan]
    """
    _measure(scenarios, settings, seed, backend, forecast_first, False, parameters_file, html, junit, as_json)


@app.command()
def validate(
    scenarios: Scenarios,
    settings: Settings = [],  # noqa: B006
    seed: Seed = None,
    backend: BackendName = "embedded",
    within: Annotated[
        float, typer.Option(min=0, help="Largest relative error of a p50 or p95, in total and per hop, that passes.")
    ] = 0.15,
    parameters_file: ParametersFile = None,
    html: Html = None,
    junit: JUnit = None,
    as_json: AsJson = False,
) -> None:
    """Forecast, then run, then the error of the forecast: fails when a p50 or p95 is off by more than --within.

    Calibrate first: [cyan]windtunnel calibrate scale[/cyan], then [cyan]windtunnel validate steady[/cyan].
    """
    _measure(scenarios, settings, seed, backend, True, True, parameters_file, html, junit, as_json, within)


@app.command()
def simulate(
    scenarios: Scenarios,
    settings: Settings = [],  # noqa: B006
    seed: Seed = None,
    parameters_file: ParametersFile = None,
    engine: Annotated[
        str,
        typer.Option(help="auto, simpy (readable) or compiled (for many requests): equal answers."),
    ] = "auto",
    replications: Annotated[
        int | None,
        typer.Option(min=2, max=10_000, help="So many runs with seeds of their own; intervals are made of them."),
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option(min=0.0001, max=1, help="Runs until mean and p95 are known to this share: [cyan]0.02[/cyan]."),
    ] = None,
    analytic: Annotated[
        bool, typer.Option("--analytic", help="The exact answer of queueing theory, or what it has no formula for.")
    ] = False,
    html: Html = None,
    junit: JUnit = None,
    as_json: AsJson = False,
) -> None:
    """Forecast scenarios with the capacity model, judge the forecasts, and answer: how long, how sure, what gives way.

    The same seed gives the same samples, byte for byte; the digest that is printed says so. What no forecast can
    observe, such as lost writes, is [bold]not observed[/bold], which is no pass: the exit code is then 3. Of several
    runs the worst is judged. Starts nothing.

    Example: [cyan]windtunnel simulate llm_timeouts --set load.rate_per_s=80[/cyan]
    """
    from windtunnel.harness import catalogue, store
    from windtunnel.harness.foretell import foretell
    from windtunnel.harness.report import Pair
    from windtunnel.harness.telling import Telling

    if sum([replications is not None, precision is not None, analytic]) > 1:
        raise SpecError([Problem("", "several of --replications, --precision and --analytic", "one of them")])
    chosen = _one_of("--engine", engine, ("auto", "simpy", "compiled"))
    # all files are read before anything is simulated: a mistake in the last one must not cost the first one's run
    questions = [(word, catalogue.question(word, _settings(settings, seed))) for word in scenarios]
    known = [catalogue.parameters_if_any(question.architecture.name, parameters_file) for _, question in questions]
    if analytic:
        raise typer.Exit(_exactly([question for _, question in questions], known, as_json))
    pairs = []
    with Telling() as tell:
        for (word, question), times in zip(questions, known, strict=True):

            def replay(number: int, word: str = word, own: int = question.scenario.seed) -> str:
                return _replay("simulate", word, settings, seed if number == own else number)

            found = foretell(question, times, replay, engine=chosen, tell=tell, count=replications, precision=precision)
            store.save(found.run)
            pairs.append(Pair(None, None, found.run, found.ruling, None, found.answer, found.replicated))
    _answer(pairs, as_json)
    _write(pairs, html, junit)
    raise typer.Exit(_worst(pair.forecast_ruling.exit_code for pair in pairs if pair.forecast_ruling))


@app.command()
def sweep(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="A built-in name or a file.")],
    axes: Annotated[
        list[str],
        typer.Option(
            "--set-axis",
            metavar="KEY=VALUES",
            help="[cyan]load.rate_per_s=10..100/10[/cyan], [cyan]place.app.replicas=1,2,4[/cyan], "
            "[cyan]links\\[app->db].pool=4..64*2[/cyan]; again for another axis: all combinations are simulated.",
        ),
    ],
    settings: Settings = [],  # noqa: B006
    seeds: Annotated[int, typer.Option(min=1, max=10_000, help="Runs of each combination, from the seed on.")] = 5,
    seed: Seed = None,
    executor: ExecutorName = "local",
    jobs: Jobs = None,
    out: Annotated[Path, typer.Option(help="A row per combination and seed, as Parquet.")] = Path("sweep.parquet"),
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Also draw the metric: .svg, .png or .pdf.")] = None,
    metric: Annotated[
        str, typer.Option(help="What is shown: [cyan]latency_ms_p95[/cyan], [cyan]before.error_ratio[/cyan], ...")
    ] = "latency_ms_p99",
    parameters_file: ParametersFile = None,
    as_json: AsJson = False,
) -> None:
    """Simulate a scenario with all combinations of some values, several seeds each.

    A key reaches the scenario, the architecture and the deployment. What --out already holds is not simulated again, so
    that a sweep that was stopped, even by kill -9, goes on where it was.

    Example: [cyan]windtunnel sweep baseline --set-axis load.rate_per_s=20..80/10 --plot sweep.svg[/cyan]
    """
    from windtunnel.harness.counting import Counting
    from windtunnel.harness.exploring import subject
    from windtunnel.harness.measure import VERSION
    from windtunnel.harness.report import standing, sweeping
    from windtunnel.sim.explore.axis import parse_axis
    from windtunnel.sim.explore.journal import journal
    from windtunnel.sim.explore.sweep import points
    from windtunnel.sim.explore.sweep import sweep as swept
    from windtunnel.sim.explore.workers import workers

    if plot is not None:
        standing.checked(plot)
    sweeping.checked_metric(metric)
    parsed = [parse_axis(text) for text in axes]
    known = subject(scenario, _settings(settings, seed), parameters_file)
    wanted = points(known, parsed, seeds, VERSION)
    with journal(out) as kept, Counting("trials", len(wanted)) as counting, workers(executor, jobs) as where:
        rows = swept(wanted, where, kept, counting.at)
    column = sweeping.column_of(metric, rows)
    found = sweeping.levels(rows, parsed, column)
    if plot is not None:
        sweeping.plot_sweep(found, parsed, column, plot)
    if as_json:
        print(json.dumps({"out": str(out), "points": sweeping.sweep_as_data(found, column)}, indent=1))
    else:
        sweeping.print_sweep(found, parsed, column)
        written = [str(out), *([str(plot)] if plot is not None else [])]
        print(f"{len(rows)} rows: {', '.join(written)}", file=sys.stderr)


@app.command()
def size(
    subject: Annotated[str, typer.Argument(metavar="ARCH|SCENARIO", help="A built-in name or a file.")],
    vary: Annotated[
        list[str],
        typer.Option(
            "--vary",
            metavar="KEY=VALUES",
            help="What may be changed, within which bounds: [cyan]place.app.replicas=1..20[/cyan], "
            "[cyan]components.llm.slots=8..64/8[/cyan]. By default replicas of what holds no state, and pools.",
        ),
    ] = [],  # noqa: B006
    settings: Settings = [],  # noqa: B006
    like: Annotated[
        str | None, typer.Option(metavar="SCENARIO", help="Of an ARCH: take load and objectives from this scenario.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=2, max=64, help="Runs that the answer rests on, at least.")] = 5,
    seed: Seed = None,
    lose_one: Annotated[
        bool, typer.Option("--lose-one/--no-lose-one", help="Also what meets the objectives with a replica lost.")
    ] = True,
    executor: ExecutorName = "local",
    jobs: Jobs = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also draw cost against latency: .svg, .png or .pdf.")
    ] = None,
    parameters_file: ParametersFile = None,
    as_json: AsJson = False,
) -> None:
    """The cheapest replicas, pools and limits that meet the objectives, also with one replica lost.

    Also where the given configuration saturates and why, and what less latency would cost. Exit code 1: nothing within
    the bounds does it.

    Example: [cyan]windtunnel size baseline --set load.rate_per_s=60 --vary place.app.replicas=1..8[/cyan]
    """
    from windtunnel.harness.counting import Counting
    from windtunnel.harness.exploring import sizable
    from windtunnel.harness.report import sizing, standing
    from windtunnel.sim.explore.axis import parse_axis
    from windtunnel.sim.explore.size import size as sized
    from windtunnel.sim.explore.workers import workers

    if plot is not None:
        standing.checked(plot)
    bounds = [parse_axis(text, "--vary") for text in vary]
    known = sizable(subject, _settings(settings, seed), parameters_file, like)
    with Counting("simulations") as counting, workers(executor, jobs) as where:
        found = sized(
            known,
            where,
            runs=seeds,
            bounds=bounds,
            lose_one=lose_one,
            stage=counting.stage,
            progress=counting.at,
        )
    if plot is not None:
        sizing.plot_size(found, known, plot)
    if as_json:
        print(json.dumps(sizing.size_as_data(found), indent=1))
    else:
        sizing.print_size(found, known)
    raise typer.Exit(0 if found.cheapest is not None and (found.surviving is not None or not found.lost) else 1)


@app.command()
def calibrate(
    architecture: Annotated[str, typer.Argument(metavar="ARCH", help="mvp, scale, or a file.")],
    rate: Annotated[
        float, typer.Option(min=0.1, max=1000, help="Requests per second: low enough that nobody waits.")
    ] = 5.0,
    seconds: Annotated[float, typer.Option(min=5, max=3600, help="How long to measure.")] = 120.0,
    like: Annotated[
        str | None,
        typer.Option(
            metavar="SCENARIO",
            help="Take flows and prompts from this scenario; else from a built-in one, or all flows alike.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    backend: BackendName = "embedded",
    out: Annotated[Path | None, typer.Option(help="Instead of .windtunnel/parameters/ARCH.json.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure an architecture at low load, and keep the parameters that forecasts rest on.

    Example: [cyan]windtunnel calibrate scale --like baseline[/cyan]
    """
    from windtunnel.harness import catalogue
    from windtunnel.harness.judge import judge
    from windtunnel.harness.measure import calibrated, command, low_load, measured, started
    from windtunnel.harness.report import print_parameters
    from windtunnel.harness.telling import Telling

    subject, deployment = catalogue.architecture(architecture)
    load = catalogue.question(like).scenario.load if like else catalogue.usual_load(subject.name)
    question = low_load(subject, deployment, rate_per_s=rate, seconds=seconds, seed=seed, like=load)
    with (
        Telling() as tell,
        started(subject, deployment, backend=_backend(backend), seed=seed, tell=tell) as stack,
    ):
        found = measured(
            question, stack, tell=tell, replay=command("calibrate", architecture, "--rate", rate, "--seed", seed)
        )
    ruling = judge(found)
    parameters, digest, file = calibrated([found], out)
    if as_json:
        print(json.dumps({"file": str(file), "digest": digest, "run": found.record.id, "verdict": ruling.verdict}))
    else:
        print_parameters(parameters, digest, file)
        for reason in ruling.reasons:
            print(f"{ruling.verdict}: {reason}", file=sys.stderr)
    raise typer.Exit(ruling.exit_code)


@app.command()
def compare(
    forecast: Annotated[str, typer.Argument(help="A forecast's id or folder.")],
    measured: Annotated[str, typer.Argument(help="A measured run's id or folder.")],
    html: Html = None,
    as_json: AsJson = False,
) -> None:
    """The error of a forecast against a measured run, per metric, in total and per hop."""
    from windtunnel.harness import catalogue, store
    from windtunnel.harness.compare import compare as compared
    from windtunnel.harness.judge import judge
    from windtunnel.harness.report import Pair

    foretold, happened = store.load(forecast), store.load(measured)
    for found, kind in ((foretold, "forecast"), (happened, "measured")):
        if found.record.kind != kind:
            raise SpecError([Problem("", f"{found.record.id}, a {found.record.kind} run", f"a {kind} one there")])
    provenance = None
    try:
        parameters, digest = catalogue.parameters(foretold.record.architecture.name)
        provenance = parameters.provenance if digest == foretold.record.parameters else None
    except SpecError:
        pass  # the parameters are gone: the runs can still be compared
    pair = Pair(happened, judge(happened), foretold, judge(foretold), compared(foretold, happened, provenance))
    _answer([pair], as_json)
    _write([pair], html, None)


@app.command()
def report(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Ids or folders; a forecast goes with the next run.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page.")] = Path("windtunnel.html"),
    junit: JUnit = None,
) -> None:
    """One self-contained HTML page for stored runs.

    Example: [cyan]windtunnel report FORECAST MEASURED -o page.html[/cyan]
    """
    from windtunnel.harness import store
    from windtunnel.harness.compare import compare as compared
    from windtunnel.harness.judge import judge
    from windtunnel.harness.report import Pair
    from windtunnel.sim.answers.forecast import answer

    pairs: list[Pair] = []
    waiting = None
    for word in runs:
        found = store.load(word)
        if found.record.kind == "forecast":
            if waiting is not None:
                pairs.append(Pair(None, None, waiting, judge(waiting), None, answer(waiting)))
            waiting = found
        elif waiting is not None:
            comparison = compared(waiting, found)
            pairs.append(Pair(found, judge(found), waiting, judge(waiting), comparison, answer(waiting)))
            waiting = None
        else:
            pairs.append(Pair(found, judge(found), None, None, None))
    if waiting is not None:
        pairs.append(Pair(None, None, waiting, judge(waiting), None, answer(waiting)))
    _write(pairs, out, junit)
    print(out)


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...")],
    as_json: AsJson = False,
) -> None:
    """Read scenario, architecture, deployment and parameter files, and tell every mistake by line and key."""
    from windtunnel.harness import catalogue
    from windtunnel.spec.reading import plain, read
    from windtunnel.spec.schema import FILES, kind_of

    problems: list[Problem] = []
    for file in files:
        try:
            kind = kind_of(set(plain(file)))
            if kind is None:
                raise SpecError([Problem("", "no key that we know", f"a file of {', '.join(FILES)}", str(file))])
            if kind == "scenario":
                catalogue.question(str(file.resolve()))
            else:
                read(file, FILES[kind])
        except SpecError as error:
            problems += error.problems
    if as_json:
        print(json.dumps([problem.__dict__ for problem in problems], indent=1))
    else:
        for problem in problems:
            print(problem, file=sys.stderr)
        if not problems:
            print(f"{len(files)} file{'s' if len(files) > 1 else ''} without a mistake")
    raise typer.Exit(2 if problems else 0)


@app.command()
def schema(name: Annotated[str, typer.Argument(help="architecture, deployment, scenario or parameters.")]) -> None:
    """JSON Schema of a kind of file, for editors.

    Example: [cyan]windtunnel schema scenario > scenario.schema.json[/cyan]
    """
    from windtunnel.spec.schema import FILES, json_schema

    if name not in FILES:
        raise SpecError([Problem("", repr(name), f"one of {', '.join(FILES)}", suggestion=did_you_mean(name, FILES))])
    print(json.dumps(json_schema(name), indent=1))


@app.command()
def up(
    architecture: Annotated[str, typer.Argument(metavar="ARCH", help="mvp, scale, or a file.")],
    seed: Annotated[int, typer.Option(min=0)] = 1,
    backend: BackendName = "embedded",
    logs: Annotated[Path | None, typer.Option(help="Keep the logs in this folder.")] = None,
) -> None:
    """Start an architecture, show its addresses, and keep it until Ctrl-C."""
    from windtunnel.harness import catalogue
    from windtunnel.harness.measure import started
    from windtunnel.harness.report import print_stack
    from windtunnel.harness.telling import Telling

    subject, deployment = catalogue.architecture(architecture)
    pause = threading.Event()
    with Telling() as tell:
        tell.stage(f"starting {subject.name}")
        starting = started(subject, deployment, backend=_backend(backend), seed=seed, tell=tell, keep_logs=logs)
        with starting as stack:
            tell.__exit__(None, None, None)
            print_stack(stack)
            while not (gone := stack.dead()):
                pause.wait(1)
            print("\n".join(gone), file=sys.stderr)
    raise typer.Exit(3)


app.command("mock-llm")(mock_llm)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """What this machine has of what runs need: processor, servers, Toxiproxy, Docker, cache."""
    from windtunnel.harness.doctor import findings

    found = findings()
    if as_json:
        print(json.dumps([item.model_dump() for item in found], indent=1))
    else:
        width = max(len(item.subject) for item in found)
        for item in found:
            mark = "ok     " if item.ok else "missing" if item.needed else "absent "
            print(f"{mark}  {item.subject:<{width}}  {item.detail}")
    raise typer.Exit(0 if all(item.ok or not item.needed for item in found) else 3)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def test(context: typer.Context) -> None:
    """Test Windtunnel itself, in a checkout; arguments go to pytest.

    Everything but the measured scenarios runs in parallel; those run alone afterwards, so that they measure the
    service and not the neighbours.
    """
    root = Path(__file__).resolve().parent.parent
    if not (root / "tests").is_dir():
        raise SpecError([Problem("", "an installed package", "a checkout of the repository, with its tests")])
    pytest = [sys.executable, "-m", "pytest"]
    environment = os.environ | {"PYTHONPATH": ""}
    if context.args:
        raise typer.Exit(subprocess.run([*pytest, *context.args], cwd=root, env=environment, check=False).returncode)
    # compiled once here, and not by each of the parallel processes
    subprocess.run([sys.executable, "-m", "windtunnel.sim.ahead"], cwd=root, check=True)
    parallel = subprocess.run(
        [*pytest, "-n", "2", "-m", "not measured and not long"], cwd=root, env=environment, check=False
    )
    alone = subprocess.run([*pytest, "-m", "measured"], cwd=root, env=environment, check=False)
    raise typer.Exit(parallel.returncode or alone.returncode)


def _measure(
    words: list[str],
    settings: list[str],
    seed: int | None,
    backend: str,
    forecast_first: bool,
    forecast_needed: bool,
    parameters_file: str | None,
    html: Path | None,
    junit: Path | None,
    as_json: bool,
    within: float | None = None,
) -> None:
    from windtunnel.harness import catalogue, store
    from windtunnel.harness.compare import compare as compared
    from windtunnel.harness.judge import judge
    from windtunnel.harness.measure import forecast, measured, refuse_what_cannot_be_measured, started
    from windtunnel.harness.report import Pair
    from windtunnel.harness.telling import Telling

    chosen = _backend(backend)
    # all files are read before anything is started: a mistake in the last one must not cost the first one's run
    questions = [(word, catalogue.question(word, _settings(settings, seed))) for word in words]
    for _, question in questions:
        refuse_what_cannot_be_measured(question)
    known = {}
    for _, question in questions:
        name = question.architecture.name
        try:
            known[name] = catalogue.parameters(name, parameters_file)[0] if forecast_first else None
        except SpecError:
            if forecast_needed or parameters_file:
                raise
            known[name] = None
    pairs: list[Pair] = []
    with Telling() as tell:
        for word, question in questions:
            parameters = known[question.architecture.name]
            foretold = None
            if parameters is not None:
                tell.stage("forecasting")
                foretold = forecast(question, parameters, _replay("simulate", word, settings, seed))
                store.save(foretold)
            with started(
                question.architecture, question.deployment, backend=chosen, seed=question.scenario.seed, tell=tell
            ) as stack:
                happened = measured(question, stack, tell=tell, replay=_replay("run", word, settings, seed, backend))
            comparison = compared(foretold, happened, parameters.provenance) if foretold and parameters else None
            ruling = judge(foretold) if foretold else None
            pairs.append(Pair(happened, judge(happened), foretold, ruling, comparison))
    _answer(pairs, as_json)
    _write(pairs, html, junit)
    code = _worst(pair.measured_ruling.exit_code for pair in pairs if pair.measured_ruling)
    if within is not None and code == 0:
        code = _accuracy([pair.comparison for pair in pairs], within)
    raise typer.Exit(code)


def _accuracy(comparisons: list[Comparison | None], within: float) -> int:
    """0: every p50 and p95 is within, 1: one is not, 3: there was nothing to compare."""
    judged = [
        e for comparison in comparisons if comparison for e in comparison.errors if e.metric.endswith(("_p50", "_p95"))
    ]
    if not judged:
        print("inconclusive: too few samples for any p50 or p95; make the run longer", file=sys.stderr)
        return 3
    off = [error for error in judged if abs(error.error) > within]
    for error in off:
        where = f"{error.window} {error.subject} {error.metric}"
        print(f"forecast off by {error.error:+.1%}, more than {within:.0%}: {where}", file=sys.stderr)
    if not off:
        print(f"all {len(judged)} p50 and p95 within {within:.0%}", file=sys.stderr)
    return 1 if off else 0


def _answer(pairs: list[Pair], as_json: bool) -> None:
    from windtunnel.harness.report import as_data, print_pair

    if as_json:
        print(json.dumps([as_data(pair) for pair in pairs], indent=1))
    else:
        for pair in pairs:
            print_pair(pair)


def _write(pairs: list[Pair], html: Path | None, junit: Path | None) -> None:
    from windtunnel.harness.report import write_html, write_junit

    if html is not None:
        write_html(pairs, html)
    if junit is not None:
        write_junit(pairs, junit)


def _settings(settings: list[str], seed: int | None) -> tuple[str, ...]:
    return (*settings, *([f"seed={seed}"] if seed is not None else []))


def _replay(name: str, word: str, settings: list[str], seed: int | None, backend: str = "embedded") -> str:
    from windtunnel.harness.measure import command

    changed: list[str | float] = [part for setting in settings for part in ("--set", setting)]
    if seed is not None:
        changed += ["--seed", seed]
    if backend != "embedded":
        changed += ["--backend", backend]
    return command(name, word, *changed)


def _exactly(questions: list[Question], known: list[Parameters | None], as_json: bool) -> int:
    """Print the exact answers; 0, since nothing is judged."""
    from windtunnel.harness.foretell import foretell_exactly
    from windtunnel.harness.report import exact_as_data, print_exact

    found = [(each.scenario, foretell_exactly(each, times)) for each, times in zip(questions, known, strict=True)]
    if as_json:
        print(json.dumps([exact_as_data(scenario, one) for scenario, one in found], indent=1))
    else:
        for scenario, one in found:
            print_exact(scenario, one)
    return 0


def _backend(word: str) -> Any:
    return _one_of("--backend", word, ("embedded", "containers"))


def _one_of(option: str, word: str, known: tuple[str, ...]) -> Any:
    if word not in known:
        raise SpecError(
            [Problem(option, repr(word), f"one of {', '.join(known)}", suggestion=did_you_mean(word, known))]
        )
    return word


def _worst(codes: Iterable[int]) -> int:
    """1 says more than 3: an objective that failed in one scenario failed, whatever the others could not tell."""
    found = set(codes)
    return next((code for code in (4, 2, 1, 3) if code in found), 0)


def main() -> None:
    """Run a command; a user's mistake is a sentence, never a traceback."""
    from windtunnel.harness.errors import HarnessError
    from windtunnel.harness.stack.errors import LeftBehind, StackError

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    try:
        app()
    except SpecError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except LeftBehind as error:
        print(error, file=sys.stderr)
        sys.exit(4)
    except (StackError, HarnessError) as error:
        print(error, file=sys.stderr)
        sys.exit(3)
    except BrokenPipeError:
        # whoever read our output has gone away: nothing is wrong with us
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        from windtunnel.chaos.inject import FaultError  # only now: it takes longer to import than --help may take

        if not isinstance(error, FaultError):
            raise
        print(error, file=sys.stderr)
        sys.exit(4 if error.still_there else 3)


def _end(number: int, _: object) -> None:
    """Ctrl-C and SIGTERM leave through every context manager, so that all is ended; a second one changes nothing."""
    for again in (signal.SIGINT, signal.SIGTERM):
        signal.signal(again, signal.SIG_IGN)
    print("\nending everything that was started", file=sys.stderr)
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
