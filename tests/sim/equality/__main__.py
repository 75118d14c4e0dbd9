"""``python -m tests.sim.equality SEED... [--minimise]``: what the engines say differently, and of which drawing."""

from __future__ import annotations

import argparse
import sys

import yaml

from tests.sim.equality.comparison import answers
from tests.sim.equality.drawings import Said, read, written
from tests.sim.equality.shrinking import shrunk


def main() -> int:
    """1 where any seed shows a difference."""
    asked = argparse.ArgumentParser(prog="python -m tests.sim.equality", description=__doc__)
    asked.add_argument("seeds", nargs="+", type=int)
    asked.add_argument("--minimise", action="store_true", help="make the drawing smaller while the engines differ")
    said = asked.parse_args()
    return max(_show(seed, minimise=said.minimise) for seed in said.seeds)


def _show(seed: int, *, minimise: bool) -> int:
    drawn = written(seed)
    found = _difference(drawn)
    if found is None:
        print(f"seed {seed}: no difference")
        return 0
    if minimise:
        drawn = shrunk(drawn, _differs)
        found = _difference(drawn)
    print(f"seed {seed}: {found}\n{yaml.safe_dump(drawn, sort_keys=False, width=120)}")
    return 1


def _difference(said: Said) -> str | None:
    """In words; also of an engine that fails."""
    drawing = read(said)
    try:
        return answers(drawing).difference
    except Exception as error:  # whatever an engine fails with is a difference
        return f"{type(error).__name__}: {error}"


def _differs(said: Said) -> bool:
    try:
        read(said)
    except (ValueError, KeyError):
        return False
    found = _difference(said)
    return found is not None and not found.startswith("SpecError")


if __name__ == "__main__":
    sys.exit(main())
