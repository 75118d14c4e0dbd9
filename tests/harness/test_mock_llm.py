"""`windtunnel mock-llm` listens, answers as its options say, and ends on Ctrl-C; mistakes are sentences."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "windtunnel.harness.cli", "mock-llm"]
BODY = {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
HEADERS = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
Start = Callable[..., tuple[subprocess.Popen[str], str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the command and answers with its process and address."""
    with ExitStack() as stack:

        def start(*words: str) -> tuple[subprocess.Popen[str], str]:
            process = subprocess.Popen(
                [*COMMAND, "--port", "0", *words], cwd=tmp_path, stdout=subprocess.PIPE, text=True
            )
            stack.callback(process.stdout.close)
            stack.callback(process.wait, 10)
            stack.callback(process.kill)
            line = process.stdout.readline()
            assert line.startswith("mock-llm listening on http://127.0.0.1:"), line
            return process, line.split()[-1]

        yield start


def ask(url: str) -> dict:
    request = urllib.request.Request(f"{url}/v1/messages", json.dumps(BODY).encode(), HEADERS)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def test_it_answers_as_its_options_say_and_ends_when_asked(start: Start, tmp_path: Path) -> None:
    (tmp_path / "faults.yaml").write_text("- {fault: {kind: refusal, after_tokens: 1}, when: {requests: [2]}}\n")
    (tmp_path / "answers.json").write_text('[{"say": "Calm, as ever."}]')
    options = ["--faults", "faults.yaml", "--answers", "answers.json", "--first-token-ms", "0", "--token-ms", "1"]
    process, url = start(*options)
    first, second = ask(url), ask(url)
    assert (first["content"][0]["text"], first["stop_reason"]) == ("Calm, as ever.", "end_turn")
    assert (second["content"][0]["text"], second["stop_reason"]) == ("Calm", "refusal")
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0


def test_the_same_seed_is_the_same_mock(start: Start) -> None:
    answers = [ask(start("--seed", seed, "--first-token-ms", "0", "--token-ms", "0")[1]) for seed in ("7", "7", "8")]
    assert answers[0] == answers[1]
    assert answers[0]["content"] != answers[2]["content"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--faults", "nowhere.yaml"], "nowhere.yaml: found no such file"),
        (["--faults", "bad.yaml"], "0.fault"),
        (["--answers", "worse.yaml"], "worse.yaml: found no YAML"),
        (["--token-ms", "fast"], "TOKEN_MS is 'fast': expected a distribution such as"),
        (["--slots", "0"], "--slots"),
    ],
)
def test_mistakes_are_sentences_and_two(tmp_path: Path, words: list[str], sentence: str) -> None:
    (tmp_path / "bad.yaml").write_text("- {fault: {kind: weather}}\n")
    (tmp_path / "worse.yaml").write_text("- {fault: [}\n")
    command = [*COMMAND, "--port", "0", *words]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert sentence in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
