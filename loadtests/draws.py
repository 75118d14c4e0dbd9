"""Random values addressed by (seed, request, purpose): the same request draws the same, whenever it is asked."""

from __future__ import annotations

import hashlib


def draw_bytes(seed: int, request: int, purpose: str) -> bytes:
    """Eight bytes, by BLAKE2b over the address."""
    return hashlib.blake2b(f"{seed}:{request}:{purpose}".encode(), digest_size=8).digest()


def draw(seed: int, request: int, purpose: str) -> float:
    """Uniform in [0, 1), in steps of 2^-53."""
    return (int.from_bytes(draw_bytes(seed, request, purpose)) >> 11) * 2.0**-53
