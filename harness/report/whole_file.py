"""A file that is there whole or not at all. Used by html and junit."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, text: str) -> Path:
    """Write a text beside its place and rename it there; folders are made. Returns the path, OSError where it fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, made = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(made).chmod(0o644)  # mkstemp makes it 0600: a page is for others, too
        Path(made).replace(path)
    finally:
        Path(made).unlink(missing_ok=True)
    return path
