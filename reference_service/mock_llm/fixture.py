"""The mock LLM for other people's tests: a pytest plugin.

    # conftest.py
    pytest_plugins = ["windtunnel.reference_service.mock_llm.fixture"]

    # test_mine.py
    def test_a_truncated_answer_is_noticed(mock_llm):
        client = anthropic.Anthropic(base_url=mock_llm.url, api_key="any")
        with mock_llm.fault("truncation", at_token=3):
            assert ask(client) is None
        assert mock_llm.ledger()["truncations_accepted"] == 0

`mock_llm` is one process of the whole session, which answers at once, and is reset before each test. `start_mock_llm`
starts others, with settings of their own (see `settings.MockSettings` for their names).
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

_START_LIMIT_S = 30
_CALL_LIMIT_S = 10
_AT_ONCE = '{"kind":"constant","value":0}'
DEFAULTS = {
    "PORT": "0",
    "COMPONENT": "mock-llm",
    "SEED": "7",
    "SLOTS": "1000",
    "FIRST_TOKEN_MS": _AT_ONCE,
    "TOKEN_MS": _AT_ONCE,
    "OUTPUT_TOKENS": '{"kind":"uniform","low":5,"high":40}',
}


class MockLlmProcess:
    """A mock that runs. `url` is the base of both APIs: Anthropic's clients take it as it is, OpenAI's with /v1."""

    def __init__(self, url: str, pid: int) -> None:
        self.url = url
        self.pid = pid
        self.openai_url = f"{url}/v1"

    def ledger(self) -> dict[str, Any]:
        """The provider's books (see `ledger.Ledger`)."""
        return self._call("GET", "ledger")

    def reset(self) -> None:
        """As it was at the start."""
        self._call("POST", "reset")

    def answers(self, *scripts: dict[str, Any]) -> None:
        """Scripted answers, such as {"when": {"prompt": "weather"}, "say": "Calm."}."""
        self._call("PUT", "answers", scripts)

    def obedience(self, *, plain: float, marked: float) -> None:
        """How often injected instructions are obeyed (see `obedience`)."""
        self._call("PUT", "obedience", {"plain": plain, "marked": marked})

    def faults(self, *rules: dict[str, Any]) -> None:
        """Rules such as {"fault": {"kind": "overloaded"}, "first": 2}, in place of those in force."""
        self._call("PUT", "faults", rules)

    @contextmanager
    def fault(
        self,
        kind: str,
        *,
        when: dict[str, Any] | None = None,
        rate: float = 1.0,
        first: int | None = None,
        **settings: Any,
    ) -> Iterator[Callable[[], int]]:
        """One fault for a while; yields a function that tells how many requests it has struck."""
        rule = {"when": when or {}, "rate": rate, "first": first, "fault": {"kind": kind, **settings}}
        name = self._call("POST", "faults", rule)["name"]
        try:
            yield lambda: int(self.ledger()["faults"][name])
        finally:
            self._call("DELETE", f"faults/{name}")

    def _call(self, method: str, path: str, content: Sequence[Any] | dict[str, Any] | None = None) -> dict[str, Any]:
        body = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(f"{self.url}/admin/{path}", body, method=method)
        try:
            with _OPENER.open(request, timeout=_CALL_LIMIT_S) as answer:
                told: dict[str, Any] = json.load(answer)
                return told
        except urllib.error.HTTPError as error:
            with error:
                raise ValueError(json.load(error)["error"]) from None


# A proxy from the environment is none of ours.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextmanager
def running(**settings: str) -> Iterator[MockLlmProcess]:
    """A mock as a process, until the end of the block. Raises `RuntimeError` where it does not start."""
    command = [sys.executable, "-m", "windtunnel.reference_service.mock_llm"]
    process = subprocess.Popen(
        command, env=os.environ | DEFAULTS | settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    try:
        yield MockLlmProcess(_address(process), process.pid)
    finally:
        process.kill()
        process.wait(_CALL_LIMIT_S)
        process.stdout.close()


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    deadline_s = time.monotonic() + _START_LIMIT_S
    said = ""
    while time.monotonic() < deadline_s:
        ready, _, _ = select.select([process.stdout], [], [], 0.1)
        line = process.stdout.readline() if ready else ""
        said += line
        if " listening on http://" in line:
            return line.split()[-1]
        if ready and not line:  # its end
            break
    raise RuntimeError(f"the mock LLM did not start: {said.strip()}")


@pytest.fixture(scope="session")
def _session_mock_llm() -> Iterator[MockLlmProcess]:
    with running() as mock:
        yield mock


@pytest.fixture
def mock_llm(_session_mock_llm: MockLlmProcess) -> MockLlmProcess:
    """A mock that answers at once, as new."""
    _session_mock_llm.reset()
    return _session_mock_llm


@pytest.fixture
def start_mock_llm() -> Iterator[Callable[..., MockLlmProcess]]:
    """Starts mocks with settings of their own: start_mock_llm(SLOTS="1", TOKEN_MS='{"kind":"constant","value":20}')."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(running(**settings))
