"""The benchmarks simulate what they say, and run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))  # benchmarks are no part of the package that is installed

from benchmarks import engines, hour, plain_simpy, windtunnel_engines  # noqa: E402  # only now can it be found
from benchmarks.cases import CASES, PARTS, Answer, Case, hops  # noqa: E402
from windtunnel.sim.answers.interval import Interval, batch_means, replications  # noqa: E402

EXPONENTIAL_HOPS = Case("4 hops, all exponential", 280, hops(llm_sigma=0))
IMPATIENT = CASES[-1]


def means(answers: list[Answer]) -> Interval:
    return replications([mean for answer in answers for mean in answer.means_ms], engines.CONFIDENCE)


@pytest.mark.parametrize(
    ("case", "truth_ms"),
    [(CASES[0], 5.0), (CASES[1], 1.286028), (EXPONENTIAL_HOPS, 97.7477)],
    ids=lambda x: str(x)[:20],
)
def test_closed_forms_are_the_known_ones(case: Case, truth_ms: float) -> None:
    assert case.mean_ms == pytest.approx(truth_ms, abs=1e-4)


@pytest.mark.parametrize("case", [CASES[1], EXPONENTIAL_HOPS], ids=lambda case: case.name)
def test_plain_simpy_gives_the_truth(case: Case) -> None:
    found = means([plain_simpy.simulate(case, 6000, seed) for seed in range(5)])
    assert case.mean_ms is not None
    assert found.low < case.mean_ms < found.high
    assert found.relative_half_width < 0.15


@pytest.mark.parametrize(("case", "requests"), [(CASES[1], 4000), (EXPONENTIAL_HOPS, 800)], ids=["M/M/8", "4 hops"])
def test_our_drawings_give_the_truth(case: Case, requests: int) -> None:
    found = means([windtunnel_engines.readable(case, requests, seed) for seed in range(4)])
    assert case.mean_ms is not None
    assert found.low < case.mean_ms < found.high
    assert found.relative_half_width < 0.3


def test_a_retry_comes_after_the_timeout_and_a_pause() -> None:
    """With stops that take longer than anybody waits, both attempts and the pause between them are all there is."""
    slow = Case("slow", 1, tuple(type(stop)(stop.name, 1000, 1e7) for stop in hops()), timeout_ms=200, backoff_ms=50)
    for simulate in (plain_simpy.simulate, windtunnel_engines.readable):
        answer = simulate(slow, 400, 1)
        assert sum(answer.means_ms) / PARTS == pytest.approx(425, abs=5)


def test_an_answer_is_in_parts() -> None:
    assert Answer.of([1, 1, 2, 2, 3, 3, 4, 8]) == Answer(8, (1, 2, 3, 6))


@pytest.mark.parametrize(
    ("values", "truth", "verdict"),
    [
        ([9, 11, 10, 10] * 5, 10.1, "the same"),
        ([9, 11, 10, 10] * 5, 12, "DIFFERENT"),
        ([1, 30, 2, 9] * 5, 10, "not sure enough"),
    ],
)
def test_a_wrong_mean_is_told(values: list[float], truth: float, verdict: str) -> None:
    exact = Interval(truth, 0.0, 1, engines.CONFIDENCE, "exact")
    assert engines.verdict(batch_means(values, engines.CONFIDENCE), exact) == verdict


def test_engines_are_compared_in_a_few_seconds(tmp_path: Path) -> None:
    """As a user calls it; uncompiled, since there is little to do."""
    tools = ("SimPy", "compiled, with samples", "reference")
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks.engines", "--rounds", "2", "--share", "0.0003", "--json", str(file)]
    command += [word for tool in tools for word in ("--tool", tool)]
    environment = os.environ | {"WINDTUNNEL_ENGINE_PLAIN": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert file.exists(), done.stderr
    assert done.returncode in (0, 1)  # so few requests prove no mean
    lines = json.loads(file.read_text(encoding="utf-8"))["lines"]
    assert [(line["case"], line["tool"]) for line in lines] == [(case.name, tool) for case in CASES for tool in tools]
    for line in lines:
        assert line["per_s_low"] <= line["per_s"] <= line["per_s_high"]
        assert line["tool"] != "SimPy" or line["ratio"] == 1
        assert f"| {line['case']} | {line['tool']} |" in done.stdout


def test_the_mock_llm_is_timed_in_a_few_seconds(tmp_path: Path) -> None:
    """As a user calls it: every token arrives, none before its time."""
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks.mock_llm", "--streams", "10", "--seconds", "2", "--json", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(file.read_text(encoding="utf-8"))
    assert (found["streams"], found["tokens"], found["missing"]) == (10, 10 * 2 * 20, 0)
    assert found["early_ms_max"] < 1
    assert 0 < found["late_ms_p50"] <= found["late_ms_p99"] <= found["late_ms_max"]
    assert "| 10 | 200 |" in done.stdout


def test_the_hour_is_a_model_of_the_whole_scale() -> None:
    """Architecture, deployment, parameters and scenario fit."""
    model = hour.compiled_model(100)
    assert [station.name for station in model.stations] == ["gateway", "app", "db", "cache", "llm"]
    assert model.duration_s == pytest.approx(100 / hour.RATE_PER_S)
