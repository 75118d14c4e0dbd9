"""The command: one sentence and an exit code where there is nothing to run."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.loadtests.generated import flow, plan, start


def told(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, out, err


def test_a_plan_that_cannot_be_used(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text('{"seed": "seven"}')
    command = [sys.executable, "-m", "windtunnel.loadtests", str(file)]
    code, out, err = told(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    assert (code, out) == (2, "")
    assert f"{file}:1: seed: found 'seven', expected a whole number\n" in err
    assert f"{file}:1: entry_url: found nothing" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"load": {"arrivals": "closed", "users": 3, "think_ms": 100, "flows": {"any": 1}}},
            "load.arrivals: found 'closed', expected an open load: only the model knows users that think",
        ),
        (
            {"flows": {"any": {"steps": [{"call": "app"}]}}},
            "flows.any.request: found nothing, expected a request: this flow exists in the model only",
        ),
    ],
)
def test_what_only_the_model_knows_is_not_sent(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    whole = plan(tmp_path / "out", "http://127.0.0.1:9", {"any": flow("/")}).model_dump(mode="json", by_alias=True)
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(whole | change))
    command = [sys.executable, "-m", "windtunnel.loadtests", str(file)]
    code, out, err = told(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    assert (code, out, err) == (2, "", f"{file}:1: {sentence}\n")


def test_a_zero_that_has_passed(tmp_path: Path) -> None:
    late = plan(tmp_path / "out", "http://127.0.0.1:9", {"any": flow("/")}, zero_unix_s=time.time() - 1)
    code, out, err = told(start(late))
    assert (code, out) == (1, "")
    assert err.startswith("The run's zero was ")
    assert err.endswith(" s ago when the generator was ready: set it later.\n")
    assert not (late.output / "generator.json").exists()


def test_a_first_value_that_cannot_be_had(tmp_path: Path) -> None:
    flows = {"chat": flow("/chat", remembers=["conversation"]), "history": flow("/{conversation}")}
    unprimed = plan(tmp_path / "out", "http://127.0.0.1:9", flows)
    code, out, err = told(start(unprimed))
    assert (code, out) == (1, "")
    assert err == (
        "The load needs a first conversation, but a request of flow chat to http://127.0.0.1:9 failed:"
        " connection refused.\n"
    )


def test_a_circle_of_first_values(tmp_path: Path) -> None:
    flows = {"chat": flow("/{conversation}", remembers=["conversation"])}
    code, _, err = told(start(plan(tmp_path / "out", "http://127.0.0.1:9", flows)))
    assert (code, err) == (1, "No flow can be asked for a first conversation.\n")
