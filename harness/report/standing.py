"""How pictures look that stand in a file of their own, and how they are written. Used by sweeping and sizing.

Those in a page take their colours from it (see plots); these have their own, the page's in the light.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from windtunnel.spec.problem import Problem, SpecError, did_you_mean

INK, MUTED, LINE = "#1c2430", "#5d6878", "#dfe3e8"
GOOD, BAD = "#00705a", "#b3261e"
COLOURS = ("#0072b2", "#d98200", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a6a1f")
FORMATS = (".svg", ".png", ".pdf")
WIDE_RANGE = 20
"""From the smallest to the largest, from where on a logarithm shows more."""

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "windtunnel",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "legend.frameon": False,
    "savefig.dpi": 150,
}


def checked(file: Path) -> Path:
    """A picture's name, before anything is run for it. SpecError for a format that there is not."""
    if file.suffix not in FORMATS:
        hint = did_you_mean(file.suffix, FORMATS)
        raise SpecError(
            [Problem("--plot", repr(file.name), f"a name that ends in {', '.join(FORMATS)}", suggestion=hint)]
        )
    return file


def logarithmic(values: Sequence[float]) -> bool:
    """Whether an axis of these shows more as a logarithm."""
    return (
        len(values) > 2
        and min(values) > 0
        and max(values) >= WIDE_RANGE * min(values)
        and bool(np.all(np.isfinite(values)))
    )


def save(picture: Figure, file: Path) -> None:
    """Write it, in the format that its name says. Equal pictures are equal bytes. SpecError where that cannot be."""
    metadata: dict[str, Any] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {}}[file.suffix]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        picture.savefig(file, metadata=metadata)
    except OSError as error:
        raise SpecError(
            [Problem("--plot", error.strerror or str(error), "a file that can be written", str(file))]
        ) from None
