"""The commands `sweep` and `size`: settings reach every file, answers are told, nothing is lost or left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from tests.harness.test_cli import CLI, run
from windtunnel.harness.cli import app
from windtunnel.harness.exploring import sizable, subject
from windtunnel.spec.problem import SpecError

SERVICE = """\
name: thought
components: {app: {kind: service, max_concurrency: 1, queue_limit: 100000}}
links: [{from: client, to: app, timeout_ms: 1000000, balance: random}]
flows: {ask: {steps: [{call: app, service_ms: {kind: exponential, mean: 100}}]}}
"""
PLACED = """\
name: laptop
hosts: {laptop: {cores: 64}}
place: {app: {replicas: 4}}
costs: {currency: EUR, replica_hour: {app: 0.5}}
"""
ASKED = """\
question: How many does it take?
architecture: ./thought.yaml
load: {rate_per_s: 20, flows: {ask: 1}, prompts: {distinct: 1}}
windows: {warm_up_s: 2, during_s: 60}
scrape_s: 1
objectives: {during: {latency_ms_p90: {max: 520}}}
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "thought.yaml").write_text(SERVICE)
    (tmp_path / "thought.laptop.yaml").write_text(PLACED)
    (tmp_path / "asked.yaml").write_text(ASKED)
    return tmp_path


def test_settings_reach_every_file(place: Path) -> None:
    settings = ("load.rate_per_s=5", "components.app.max_concurrency=3", "place.app.replicas=2")
    found = subject(str(place / "asked.yaml"), settings)
    assert found.scenario.load.rate_per_s == 5
    assert found.value("components.app.max_concurrency") == 3
    assert found.deployment.replicas("app") == 2
    assert found.parameters is None
    with pytest.raises(SpecError, match="did you mean 'place'"):
        subject(str(place / "asked.yaml"), ("plac.app.replicas=2",))
    with pytest.raises(SpecError, match="expected KEY"):
        subject(str(place / "asked.yaml"), ("replicas",))


def test_an_architecture_is_sized_by_a_scenario_of_its_own(place: Path) -> None:
    built_in = sizable("scale")
    assert (built_in.architecture.name, built_in.scenario.name, built_in.scenario.faults) == ("scale", "baseline", ())
    assert built_in.parameters is not None
    with pytest.raises(SpecError, match="--like SCENARIO"):
        sizable(str(place / "thought.yaml"))
    like = sizable(str(place / "thought.yaml"), ("load.rate_per_s=7",), None, str(place / "asked.yaml"))
    assert (like.scenario.load.rate_per_s, like.deployment.replicas("app")) == (7, 4)
    with pytest.raises(SpecError, match="found 'chat', expected a flow"):
        sizable(str(place / "thought.yaml"), like="baseline")


def test_size_tells_what_it_takes_and_why(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    # random balancing: each of n replicas is an M/M/1, whose p90 is ln 10 / (10 - 20 / n) s: 0.69 with 3, 0.46 with 4
    words = ["asked.yaml", "--vary", "place.app.replicas=1..8", "--seeds", "4", "--jobs", "1"]
    assert app(["size", *words, "--plot", "size.svg"], standalone_mode=False) == 0
    printed = capsys.readouterr()
    text = " ".join(printed.out.split())
    assert "Cheapest: app replicas 4 (2 EUR/h, 1,460 a month); with a replica lost: app replicas 5 (2.5 EUR/h" in text
    assert "the given one: saturates at" in text
    assert "bottleneck app: " in text
    assert "how sure: closest is during latency p90" in text
    assert "<svg" in (place / "size.svg").read_text()
    assert "looking for the cheapest configuration" in printed.err
    assert sorted(path.name for path in place.iterdir()) == sorted(
        ["asked.yaml", "size.svg", "thought.laptop.yaml", "thought.yaml"]
    )


def test_size_says_when_nothing_is_enough(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    words = ["asked.yaml", "--vary", "place.app.replicas=1..3", "--seeds", "2", "--jobs", "1", "--json"]
    assert app(["size", *words], standalone_mode=False) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["cheapest"] is None
    assert told["nearest"]["settings"] == {"place.app.replicas": 3}
    assert told["nearest"]["objectives"][0]["holds"] is False


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["size", "asked.yaml", "--vary", "place.ap.replicas=1..3"], "did you mean 'app'?"),
        (["size", "asked.yaml", "--vary", "place.app.replicas=3..1"], "expected an end of at least 3"),
        (["size", "asked.yaml", "--plot", "size.gif"], "expected a name that ends in .svg, .png, .pdf"),
        (["size", "./thought.yaml"], "--like SCENARIO"),
        (["sweep", "asked.yaml", "--set-axis", "lod.rate_per_s=1,2"], "did you mean 'load'?"),
        (["sweep", "asked.yaml", "--set-axis", "load.rate_per_s=1,x"], "found 'x', expected a number"),
        (["sweep", "asked.yaml", "--set-axis", "load.rate_per_s=1", "--executor", "dusk"], "local or dask://HOST:PORT"),
        (
            ["sweep", "asked.yaml", "--set-axis", "load.rate_per_s=1", "--metric", "latncy_ms_p90"],
            "did you mean 'latency_ms_p90'",
        ),
    ],
)
def test_bad_input_is_a_sentence(place: Path, words: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    with pytest.raises(SpecError, match=re.escape(sentence)):
        app(words, standalone_mode=False)
    left = {path.suffix for path in place.iterdir()}
    assert left == {".yaml"}  # nothing ran


def test_a_sentence_ends_with_two(place: Path) -> None:
    done = run("size", "asked.yaml", "--vary", "place.ap.replicas=1..3", cwd=place)
    assert done.returncode == 2
    assert "did you mean 'app'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_sweep_that_is_killed_goes_on_where_it_was_and_leaves_nobody_behind(place: Path) -> None:
    axes = ["--set-axis", "load.rate_per_s=5..15/5", "--set-axis", "place.app.replicas=3,4", "--seeds", "4"]
    words = ["sweep", "asked.yaml", *axes, "--jobs", "1", "--out", "out.parquet"]
    journal = place / "out.parquet.journal"
    with subprocess.Popen([*CLI, *words], cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as killed:
        deadline = time.monotonic() + 200
        while not (journal.exists() and journal.read_bytes().count(b"\n") >= 2):
            assert killed.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)  # polls the journal, with a deadline
        children = psutil.Process(killed.pid).children(recursive=True)
        os.kill(killed.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive
    assert not (place / "out.parquet").exists()
    kept = [json.loads(line)["key"] for line in journal.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    done = run(*words, "--plot", "out.svg", "--metric", "latency_ms_p90", "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    assert f"{len(kept)} of 24 trials" in done.stderr  # told first: they are not done again
    rows = pq.read_table(place / "out.parquet").to_pylist()
    assert len(rows) == 24
    assert set(kept) <= {row["key"] for row in rows}
    points = json.loads(done.stdout)["points"]
    assert [point["settings"] for point in points][:3] == [
        {"load.rate_per_s": 5, "place.app.replicas": 3},
        {"load.rate_per_s": 5, "place.app.replicas": 4},
        {"load.rate_per_s": 10, "place.app.replicas": 3},
    ]
    assert points[0]["low"] < points[0]["mean"] < points[-2]["mean"]
    assert not journal.exists()
    assert "<svg" in (place / "out.svg").read_text()
