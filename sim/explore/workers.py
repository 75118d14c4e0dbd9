"""Where trials run, behind an ``Executor``: processes of this machine, or a Dask cluster. Used by sweeps and sizing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from multiprocessing.connection import wait

from windtunnel.spec.problem import Problem, SpecError, did_you_mean

DASK = "dask://"
CONNECT_S = 10
"""How long a Dask scheduler may take to answer."""


@dataclass(frozen=True)
class Workers:
    """An executor, and how many trials it can do at once."""

    executor: Executor
    width: int


@contextmanager
def workers(where: str = "local", count: int | None = None) -> Iterator[Workers]:
    """``local`` (``count`` processes, one for each processor unless said) or ``dask://HOST:PORT``.

    Left in the middle, it gives up what has not begun and ends the processes that it started. SpecError for another
    word, and for a cluster that cannot be reached or that nothing here can speak to.
    """
    if where == "local":
        with _processes(count or os.cpu_count() or 1) as found:
            yield found
    elif where.startswith(DASK):
        with _cluster(where.removeprefix(DASK)) as found:
            yield found
    else:
        hint = did_you_mean(where, ["local", DASK])
        raise SpecError([Problem("--executor", repr(where), "local or dask://HOST:PORT", suggestion=hint)])


@contextmanager
def _processes(count: int) -> Iterator[Workers]:
    before = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")  # numba and the threads of a progress bar do not survive a fork
    executor = ProcessPoolExecutor(count, mp_context=context, initializer=_begin)
    done = False
    try:
        yield Workers(executor, count)
        done = True
    finally:
        executor.shutdown(wait=done, cancel_futures=True)
        if not done:
            ours = set(multiprocessing.active_children()) - before
            for child in ours:
                child.terminate()
            for child in ours:
                child.join(timeout=5)


def _begin() -> None:
    """In a worker: Ctrl-C is the parent's business, and when the parent is gone, however it went, so is the worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker has a parent"

    def watch(sentinel: int = parent.sentinel) -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _cluster(address: str) -> Iterator[Workers]:
    if find_spec("distributed") is None:
        expected = "it installed: pip install 'windtunnel[dask]', or uv sync --extra dask"
        raise SpecError([Problem("--executor", "no Dask here (the package distributed)", expected)])
    distributed = import_module("distributed")
    try:
        client = distributed.Client(f"tcp://{address}", timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        raise SpecError([Problem("--executor", f"no answer from {address} ({error})", "a Dask scheduler")]) from None
    try:
        cores = sum(client.ncores().values())
        if not cores:
            raise SpecError([Problem("--executor", f"a scheduler at {address} without workers", "some workers")])
        with client.get_executor() as executor:
            try:
                yield Workers(executor, cores)
            except BaseException:
                executor.shutdown(wait=False)
                raise
    finally:
        client.close()
