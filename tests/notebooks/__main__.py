"""Executes the notebooks, and writes their outputs and plots: ``python -m tests.notebooks [NAME...]``."""

from __future__ import annotations

import sys

from tests.notebooks.executing import ROOT, execute, save

if __name__ == "__main__":
    for name in sys.argv[1:] or sorted(path.name for path in ROOT.glob("*.ipynb")):
        save(ROOT / name, execute(ROOT / name))
        print(name, file=sys.stderr)
