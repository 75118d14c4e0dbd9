"""Seeds: what decides every random draw. Said by scenarios and load plans, counted on by what runs several times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

SEEDS = 2**63
"""So many there are, from 0 on."""

Seed = Annotated[int, Field(ge=0, lt=SEEDS)]


def seeds_from(first: int, count: int) -> Iterator[int]:
    """So many, one after the other; after the largest comes 0."""
    return ((first + number) % SEEDS for number in range(count))
