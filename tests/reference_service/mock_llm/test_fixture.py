"""The pytest plugin as its users have it: in a project of their own, with nothing of ours but the package."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from windtunnel.reference_service.mock_llm.fixture import running

THEIRS = """
import json
import urllib.request

import pytest

BODY = {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
HEADERS = {"x-api-key": "k", "anthropic-version": "2023-06-01", "content-type": "application/json"}


def ask(mock):
    request = urllib.request.Request(mock.url + "/v1/messages", json.dumps(BODY).encode(), HEADERS)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def test_it_answers_as_told(mock_llm):
    mock_llm.answers({"say": "scripted"})
    assert ask(mock_llm)["content"][0]["text"] == "scripted"
    with mock_llm.fault("overloaded") as struck:
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask(mock_llm)
        refused.value.close()
        assert struck() == 1
    ask(mock_llm)


def test_each_test_has_it_as_new(mock_llm):
    assert mock_llm.ledger()["received"] == 0
    assert ask(mock_llm)["content"][0]["text"] != "scripted"


def test_another_has_settings_of_its_own(start_mock_llm):
    mock = start_mock_llm(ANSWERS='[{"echo": true}]')
    assert ask(mock)["content"][0]["text"] == "hi"
"""


def test_a_project_uses_it_as_the_documentation_says(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["windtunnel.reference_service.mock_llm.fixture"]\n')
    (tmp_path / "test_theirs.py").write_text(THEIRS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", str(tmp_path)],
        cwd=tmp_path,
        env=os.environ | {"PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_on_sigterm_what_runs_is_finished() -> None:
    body = {
        "model": "claude-haiku-4-5",
        "max_tokens": 20,
        "stream": True,
        "messages": [{"role": "user", "content": "hi"}],
    }
    with running(
        TOKEN_MS='{"kind":"constant","value":40}', ANSWERS='[{"say":"one two three four five six seven eight"}]'
    ) as mock:
        headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
        with httpx.stream("POST", f"{mock.url}/v1/messages", json=body, headers=headers, timeout=10) as response:
            lines = response.iter_lines()
            assert next(lines) == "event: message_start"
            os.kill(mock.pid, signal.SIGTERM)
            assert [line for line in lines if line.startswith("event: ")][-1] == "event: message_stop"


def test_a_mistake_in_a_setting_is_told(mock_llm) -> None:
    with pytest.raises(RuntimeError, match="SLOTS is '0'"), running(SLOTS="0"):
        pass
    with pytest.raises(ValueError, match="kind"), mock_llm.fault("weather"):
        pass
