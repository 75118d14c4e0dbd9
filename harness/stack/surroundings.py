"""The environment of what a stack starts on this machine. Used by both backends."""

from __future__ import annotations

import os
from pathlib import Path


def surroundings(folder: Path) -> dict[str, str]:
    """What any program needs, with ``folder`` as its home.

    Not our own environment: a stray variable there must not change a measurement.
    """
    own = {key: os.environ[key] for key in ("PYTHONPATH",) if key in os.environ}
    return own | {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
    }
