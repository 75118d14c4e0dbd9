"""What decides a drawing: dice. Those of a seed here, those of Hypothesis in ``tests.fuzz``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np

T = TypeVar("T")


class Dice(Protocol):
    """One throw after the other."""

    def likely(self, probability: float) -> bool:
        """True as often as that."""
        ...

    def one(self, options: Sequence[T]) -> T:
        """One of them, all alike."""
        ...

    def whole(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        ...

    def real(self, low: float, high: float) -> float:
        """A number between the two."""
        ...

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The same in any order."""
        ...


class Seeded:
    """Dice that fall alike for equal seeds."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def likely(self, probability: float) -> bool:
        return bool(self._random.random() < probability)

    def one(self, options: Sequence[T]) -> T:
        return options[int(self._random.integers(len(options)))]

    def whole(self, low: int, high: int) -> int:
        return int(self._random.integers(low, high + 1))

    def real(self, low: float, high: float) -> float:
        return float(self._random.uniform(low, high))

    def shuffled(self, items: Sequence[T]) -> list[T]:
        mixed = list(items)
        self._random.shuffle(mixed)  # type: ignore[arg-type]  # numpy shuffles any list
        return mixed
