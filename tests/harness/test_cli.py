"""The command line: bad input is a sentence and 2, help teaches, a forecast is the same for the same seed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from windtunnel.harness import catalogue

CLI = [sys.executable, "-m", "windtunnel.harness.cli"]


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*CLI, *words], cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def test_help_names_every_command_and_the_exit_codes(tmp_path: Path) -> None:
    done = run("--help", cwd=tmp_path)
    assert done.returncode == 0
    forecasts = ("simulate", "sweep", "size", "calibrate", "compare", "report")
    for command in ("demo", "run", "validate", *forecasts, "check", "schema", "up"):
        assert f" {command} " in done.stdout
    assert "3 inconclusive" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["simulate", "baselin"], "did you mean 'baseline'?"),
        (["run", "baseline", "--set", "load.rate_per_s=fast"], "load.rate_per_s: found 'fast', expected a number"),
        (["run", "baseline", "--set", "rate"], "--set: found 'rate', expected KEY.KEY=VALUE"),
        (["run", "baseline", "--backend", "embeded"], "did you mean 'embedded'?"),
        (["up", "scal"], "did you mean 'scale'?"),
        (["check", "nowhere.yaml"], "nowhere.yaml: found no such file"),
        (
            ["simulate", "baseline", "--engine", "simpi"],
            "found 'simpi', expected one of auto, simpy, compiled",
        ),
        (["simulate", "baseline", "--analytic", "--replications", "3"], "found several of --replications"),
        (["simulate", "baseline", "--analytic"], "components.app: found places that are held while others are called"),
        (["schema", "scenrio"], "did you mean 'scenario'?"),
        (["report", "no-such-run"], "no-such-run"),
        (["simulate", "baseline", "--parameters", "nowhere.json"], "nowhere.json: found no such file"),
        (["demoo"], "Did you mean 'demo'?"),
    ],
)
def test_bad_input_is_a_sentence_and_two(tmp_path: Path, words: list[str], sentence: str) -> None:
    done = run(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert sentence in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


MODEL_ONLY = """\
name: thought
components: {app: {kind: service}, db: {kind: database, standbys: 1}}
links: [{from: client, to: app, timeout_ms: 100}, {from: app, to: db, timeout_ms: 50}]
flows: {ask: {steps: [{call: app, service_ms: 2, link_ms: 1, steps: [{call: db, service_ms: 3, link_ms: 1}]}]}}
"""
ASKED = """\
question: Is it refused before anything is started?
architecture: ./thought.yaml
load: {arrivals: closed, users: 3, think_ms: 100, flows: {ask: 1}}
windows: {during_s: 5}
faults: [{kill: db.0}]
objectives: {during: {error_ratio: {max: 0.5}}}
"""


@pytest.mark.parametrize("words", [["run", "asked.yaml"], ["up", "./thought.yaml"]])
def test_what_only_the_model_knows_is_not_measured(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "thought.yaml").write_text(MODEL_ONLY)
    (tmp_path / "asked.yaml").write_text(ASKED)
    done = run(*words, cwd=tmp_path)
    assert done.returncode == 2
    sentences = [
        "thought: components.app.module: found nothing, expected the Python module to start: app exists in the model"
        " only",
        "thought: components.db.standbys: found 1, expected 0: the real database is not replicated yet",
        "thought: flows.ask.request: found nothing, expected the request to send: ask exists in the model only",
    ]
    if words[0] == "run":
        doable = "latency, bandwidth, blackhole, reset, outage, slow_close, fragmentation, truncation, toxic"
        sentences = [
            "asked.yaml: faults[0].kill: found kill db.0, which only the model knows, expected a fault on a link,"
            f" which can be done on real wires: {doable}",
            "asked.yaml: load.arrivals: found 'closed', expected an open load: users that wait and think exist in the"
            " model only",
            *sentences,
        ]
    assert done.stderr.splitlines()[-len(sentences) :] == sentences
    assert run("check", "asked.yaml", "thought.yaml", cwd=tmp_path).returncode == 0


THOUGHT = """\
name: thought
components: {app: {kind: service}, db: {kind: database, max_concurrency: 2}}
links: [{from: client, to: app, timeout_ms: 60000}, {from: app, to: db, timeout_ms: 60000}]
flows:
  ask: {steps: [{call: app, service_ms: 2, steps: [{call: db, service_ms: {kind: exponential, mean: 20}}]}]}
"""
PRICED = """\
name: cloud
hosts: {one: {cores: 8}}
costs: {currency: EUR, replica_hour: {db: 0.36}}
"""
HOW_LONG = """\
question: How long at 60 a second?
architecture: ./thought.yaml
load: {rate_per_s: 60, flows: {ask: 1}}
windows: {warm_up_s: 1, during_s: 10}
objectives: {during: {error_ratio: {max: 0}}}
alerts: {deep: {metric: queue, of: db, above: 0.5}}
"""


def test_a_drawing_that_says_its_own_times_needs_no_parameters(tmp_path: Path) -> None:
    for name, text in (("thought", THOUGHT), ("thought.laptop", PRICED), ("how_long", HOW_LONG)):
        (tmp_path / f"{name}.yaml").write_text(text)
    done = run("simulate", "how_long.yaml", "--replications", "3", "--engine", "simpy", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    (window,) = found["answer"]["windows"]
    assert (found["answer"]["runs"], found["replications"]) == (3, ["pass"] * 3)
    assert window["mean_ms"]["method"] == "replications"
    assert window["cost"]["per_month"] == pytest.approx(0.36 * 730)
    assert found["alerts"][0]["alert"] == "deep"
    exactly = run("simulate", "how_long.yaml", "--analytic", "--json", cwd=tmp_path)
    assert exactly.returncode == 0, exactly.stderr
    (truth,) = json.loads(exactly.stdout)
    # 0.6 of each of two servers: M/M/2 stays 20 / (1 - 0.36) ms
    assert truth["exact"]["mean_ms"] == pytest.approx(2 + 20 / 0.64)
    assert window["mean_ms"]["value"] == pytest.approx(truth["exact"]["mean_ms"], rel=0.2)
    unknown = THOUGHT.replace(", service_ms: 2", "")
    (tmp_path / "thought.yaml").write_text(unknown)
    refused = run("simulate", "how_long.yaml", cwd=tmp_path)
    assert refused.returncode == 2
    assert "or write its service_ms into the flow" in refused.stderr


def test_check_tells_every_mistake_with_its_line(tmp_path: Path) -> None:
    good = (catalogue.SCENARIOS / "llm_timeouts.yaml").read_text()
    (tmp_path / "bad.yaml").write_text(good.replace("seed: 7", "seed: x").replace("app->llm", "app->lm"))
    done = run("check", "bad.yaml", str(catalogue.ARCHITECTURES / "scale.yaml"), cwd=tmp_path)
    assert done.returncode == 2
    assert "bad.yaml:3: seed: found 'x', expected a whole number" in done.stderr
    assert run("check", str(catalogue.ARCHITECTURES / "scale.yaml"), cwd=tmp_path).returncode == 0


def test_the_same_seed_simulates_the_same_samples_byte_for_byte(tmp_path: Path) -> None:
    """With the parameters that we bring along, in two places, in two processes."""
    tables = []
    for place, seed in (("one", "5"), ("two", "5"), ("three", "6")):
        (tmp_path / place).mkdir()
        done = run("simulate", "llm_timeouts", "--seed", seed, "--json", cwd=tmp_path / place)
        assert done.returncode == 3, done.stderr  # promised writes are not observed, and that is never a pass
        json.loads(done.stdout)
        (table,) = (tmp_path / place).glob(".windtunnel/runs/*/samples.parquet")
        tables.append(table.read_bytes())
    assert tables[0] == tables[1] != tables[2]


@pytest.mark.parametrize("scenario", ["baseline", "llm_timeouts", "database_outage", "steady"])
def test_every_scenario_is_forecast_with_what_we_bring_along(tmp_path: Path, scenario: str) -> None:
    done = run("simulate", scenario, "--report", "page.html", "--junit", "junit.xml", cwd=tmp_path)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "FAIL" not in done.stdout
    assert "NOT OBSERVED" in done.stdout  # promised writes: no forecast knows them, and none passes for knowing
    assert (tmp_path / "page.html").stat().st_size > 10_000
