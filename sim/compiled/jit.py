"""Compiles the engine's functions where numba is installed, and leaves them plain Python where it is not.

The functions of this package are written in the part of Python that both understand, so that the same source is the
fast engine and its own fallback. ``hot`` is for what runs several times per event and is laid into its callers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

try:
    import numba

    COMPILED = True
except ImportError:  # pragma: no cover (tests switch it off by WINDTUNNEL_ENGINE_PLAIN)
    COMPILED = False

import os

if os.environ.get("WINDTUNNEL_ENGINE_PLAIN"):
    COMPILED = False

Function = Callable[..., Any]


def jit(function: Function) -> Function:
    """Compiled once, kept in numba's cache between processes."""
    return numba.njit(cache=True, error_model="numpy", nogil=True)(function) if COMPILED else function


def hot(function: Function) -> Function:
    """The same, and laid into whoever calls it."""
    if not COMPILED:
        return function
    return numba.njit(cache=True, error_model="numpy", nogil=True, forceinline=True)(function)


def inlined(function: Function) -> Function:
    """The same, made a part of its one caller before anything is compiled: what a function sets up when it is entered
    is then set up once, not each time around the caller's loop."""
    if not COMPILED:
        return function
    return numba.njit(error_model="numpy", nogil=True, inline="always")(function)
