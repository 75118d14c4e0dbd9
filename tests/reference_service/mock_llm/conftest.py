"""The mock as users of the plugin have it, and Anthropic's own clients on it."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator

import anthropic
import pytest

from windtunnel.reference_service.mock_llm.fixture import (  # noqa: F401 - fixtures
    MockLlmProcess,
    _session_mock_llm,
    mock_llm,
    start_mock_llm,
)

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Never used, and quicker to make than one that knows authorities."""
BODY = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def connect() -> Iterator[Callable[..., anthropic.Anthropic]]:
    """A client on a mock; it does not retry by itself."""
    clients = []

    def connect(mock: MockLlmProcess, **settings: object) -> anthropic.Anthropic:
        transport = anthropic.DefaultHttpxClient(verify=NO_TLS, trust_env=False)
        given = {"base_url": mock.url, "api_key": "k", "max_retries": 0, "timeout": 10, "http_client": transport}
        given |= settings
        clients.append(anthropic.Anthropic(**given))  # type: ignore[arg-type]
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def client(mock_llm: MockLlmProcess, connect: Callable[..., anthropic.Anthropic]) -> anthropic.Anthropic:  # noqa: F811
    return connect(mock_llm)
