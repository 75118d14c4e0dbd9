"""Processes and clusters behind one interface; none of them is left behind."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest

from windtunnel.sim.explore.workers import workers
from windtunnel.spec.problem import SpecError


class Interrupted(Exception):
    """What Ctrl-C comes to."""


def test_processes_are_ended_in_the_middle_of_their_work() -> None:
    before = set(multiprocessing.active_children())
    began = time.monotonic()

    def interrupted() -> None:
        with workers("local", 1) as found:
            assert found.width == 1
            assert found.executor.submit(os.getpid).result(timeout=60) != os.getpid()
            found.executor.submit(time.sleep, 300)
            raise Interrupted

    with pytest.raises(Interrupted):
        interrupted()
    assert set(multiprocessing.active_children()) <= before
    assert time.monotonic() - began < 60


class Client:
    """A Dask client, as far as it is used."""

    log: list[str] = []
    cores: dict[str, int] = {"tcp://worker": 3}

    def __init__(self, address: str, timeout: float) -> None:
        if "nowhere" in address:
            raise OSError(f"no connection within {timeout} s")
        self.log.append(address)

    def ncores(self) -> dict[str, int]:
        return self.cores

    def get_executor(self) -> Any:
        return ThreadPoolExecutor(1)

    def close(self) -> None:
        self.log.append("closed")


def test_a_cluster_is_asked_for_its_executor(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.machinery import ModuleSpec

    module = ModuleType("distributed")
    module.__spec__ = ModuleSpec("distributed", None)
    module.Client = Client  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "distributed", module)
    Client.log.clear()
    with workers("dask://127.0.0.1:8786") as found:
        assert found.width == 3
        assert found.executor.submit(max, 1, 2).result() == 2
    assert Client.log == ["tcp://127.0.0.1:8786", "closed"]
    with pytest.raises(SpecError, match="found no answer from nowhere:1"), workers("dask://nowhere:1"):
        pass
    monkeypatch.setattr(Client, "cores", {})
    with pytest.raises(SpecError, match="without workers"), workers("dask://127.0.0.1:8786"):
        pass


def test_what_is_missing_or_misspelt_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("windtunnel.sim.explore.workers.find_spec", lambda _: None)
    with pytest.raises(SpecError, match="uv sync --extra dask"), workers("dask://127.0.0.1:1"):
        pass
    with pytest.raises(SpecError, match="expected local or dask://HOST:PORT; did you mean 'local'"), workers("loacl"):
        pass
