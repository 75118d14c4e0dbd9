"""What tells the engines apart, and what makes that small, is itself put to the test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.sim.equality.comparison import Answers, answers
from tests.sim.equality.drawings import Said, draw, read, written
from tests.sim.equality.features import features
from tests.sim.equality.shrinking import shrunk

ROOT = Path(__file__).parents[3]
SEEDS = range(4)


def test_one_bit_is_a_difference() -> None:
    said = answers(draw(0))
    samples = said.compiled["samples"]
    done_s = samples["done_s"].to_numpy().copy()
    done_s[3] = np.nextafter(done_s[3], np.inf)
    place = samples.column_names.index("done_s")
    wrong = Answers(
        said.reference, said.compiled | {"samples": samples.set_column(place, samples.field(place), [done_s])}
    )
    assert wrong.differing == ["samples"]
    assert wrong.difference is not None
    assert wrong.difference.startswith("samples, row 3 of ")


def test_equal_answers_have_no_difference() -> None:
    said = answers(draw(0))
    assert Answers(said.reference, said.reference).difference is None


def test_a_shrunk_drawing_has_what_it_was_shrunk_for_and_little_else() -> None:
    def holds(said: Said) -> bool:
        try:
            return {"fault latency", "hedge"} <= features(read(said))
        except (ValueError, KeyError):
            return False

    seed = next(seed for seed in range(100) if holds(written(seed)))
    least = shrunk(written(seed), holds)
    assert holds(least)
    assert len(least["scenario"]["faults"]) == 1
    assert [len(flow["steps"]) for flow in least["architecture"]["flows"].values()] == [1]
    assert sum("hedge" in link for link in least["architecture"]["links"]) == 1


def test_the_same_source_agrees_without_a_compiler() -> None:
    command = [sys.executable, "-m", "tests.sim.equality", *map(str, SEEDS)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"WINDTUNNEL_ENGINE_PLAIN": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.splitlines() == [f"seed {seed}: no difference" for seed in SEEDS], done.stdout + done.stderr
    assert done.returncode == 0
