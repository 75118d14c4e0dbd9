"""Hypothesis in the place of a seed: what it throws is replayed, mutated and made smaller by it. Used by ``valid``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")
FINE = 999
"""Shares are thrown in thousandths."""


class Thrown:
    """Dice whose every throw is a draw of Hypothesis; the plainest throw is the first option, and not likely."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def likely(self, probability: float) -> bool:
        return bool(self._draw(st.integers(0, FINE)) > FINE - probability * (FINE + 1))

    def one(self, options: Sequence[T]) -> T:
        return options[self._draw(st.integers(0, len(options) - 1))]

    def whole(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))

    def real(self, low: float, high: float) -> float:
        return self._draw(st.floats(low, high))

    def shuffled(self, items: Sequence[T]) -> list[T]:
        return self._draw(st.permutations(items))
