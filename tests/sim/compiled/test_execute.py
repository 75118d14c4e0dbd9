"""The compiled engine as a whole: memory that grows with what is under way, and does not with the length of the run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.sim.compiled.worlds import queue
from windtunnel.sim.compiled import Compiled, lowering
from windtunnel.sim.compiled.world import World
from windtunnel.sim.reference.engine import execute


def test_a_burst_grows_the_memory_and_changes_nothing() -> None:
    """3,000 at once are more strands than there is room for at first, several times over."""
    model = queue([0.0] * 3000)
    run = Compiled(model)
    run.run()
    assert len(run.world.frames) > lowering.FRAMES
    tables = run.tables()
    reference = execute(model)
    assert tables.samples.equals(reference.samples)
    assert tables.spans.equals(reference.spans)


def test_the_memory_is_that_of_what_is_under_way() -> None:
    run = Compiled(queue(np.arange(0, 400, 0.02).tolist()), samples=False, spans=False, windows=((0.0, 400.0),))
    run.run()
    assert len(run.world.frames) == lowering.FRAMES
    assert int(run.world.g[0].live) == 0
    assert run.counted().subjects[0, "successes"].outcomes == {"ok": 20_000}


def test_progress_is_told_up_to_the_end() -> None:
    told: list[float] = []
    Compiled(queue([0.0, 5.0, 9.9])).run(told.append)
    assert told == sorted(told)
    assert 0 <= told[0] <= told[-1] <= 1


def test_the_same_source_runs_as_plain_python() -> None:
    """As where numba is missing: a process of its own, since compiling is decided at import."""
    code = (
        "from tests.sim.compiled.worlds import queue\n"
        "from windtunnel.sim.compiled import Compiled, jit\n"
        "assert not jit.COMPILED\n"
        "run = Compiled(queue([n / 50 for n in range(200)], slots=2)); run.run()\n"
        "print(float(run.samples()['done'].sum()).hex())"
    )
    environment = os.environ | {"WINDTUNNEL_ENGINE_PLAIN": "1", "PYTHONPATH": str(Path.cwd())}
    plain = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    run = Compiled(queue([n / 50 for n in range(200)], slots=2))
    run.run()
    assert plain.stdout.strip() == float(run.samples()["done"].sum()).hex()


def test_a_world_has_its_arrays_and_no_others() -> None:
    w = lowering.lower(queue([0.0]), samples=0, spans=0)
    with pytest.raises(ValueError, match="expected a row of"):
        w.with_arrays(numbers=np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="expected"):
        World(g=w.g)
    with pytest.raises(AttributeError):
        _ = w.nothing
