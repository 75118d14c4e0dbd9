"""The addresses of a stack, as they read."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tests.harness import worlds
from windtunnel.chaos.capabilities import Proxy
from windtunnel.harness.report.console import console
from windtunnel.harness.report.stack import print_stack
from windtunnel.harness.stack.stack import Instance, Stack
from windtunnel.spec.architecture import Architecture


@dataclass
class Standing:
    """As much of a stack as has an address."""

    architecture: Architecture = worlds.ARCHITECTURE
    backend: str = "embedded"
    entry_url: str = "http://127.0.0.1:8080"
    toxiproxy_url: str = "http://127.0.0.1:8474"
    instances: tuple[Instance, ...] = (Instance("app.0", "app", "127.0.0.1:9001", Path("logs/app.0.log")),)
    proxies: tuple[Proxy, ...] = (
        Proxy("client.0~app.0", "client.0", "app.0", "127.0.0.1:8080", "127.0.0.1:9001", "http"),
    )


def test_every_address_is_shown() -> None:
    stream = io.StringIO()
    print_stack(cast(Stack, Standing()), console(stream))
    text = " ".join(stream.getvalue().split())
    for words in (
        "toy is up (embedded)",
        "requests http://127.0.0.1:8080",
        "toxiproxy http://127.0.0.1:8474",
        "app.0 127.0.0.1:9001 logs/app.0.log",
        "client.0~app.0 client.0 app.0 127.0.0.1:8080 127.0.0.1:9001",
    ):
        assert words in text
