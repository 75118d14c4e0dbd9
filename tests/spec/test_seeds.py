"""Seeds go on without an end."""

from __future__ import annotations

from windtunnel.spec.seeds import SEEDS, seeds_from


def test_one_after_the_other() -> None:
    assert list(seeds_from(7, 3)) == [7, 8, 9]
    assert list(seeds_from(SEEDS - 2, 4)) == [SEEDS - 2, SEEDS - 1, 0, 1]
