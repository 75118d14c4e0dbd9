"""Was everything kept that an answer promised? On the writes of a run; asked by judge and by tests of a user.

Set-full, as Jepsen calls it, with one look at the end: each id that a successful answer named is either there,
or lost, or could not be looked up. What was never acknowledged may be there or not: that is nobody's promise.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pyarrow as pa

from windtunnel.spec.run import WRITES

SHOWN = 10
"""How many ids a sentence names."""


@dataclass(frozen=True)
class AcknowledgedWrites:
    """What became of the promises. Ids in the order of their first promise."""

    promised: int
    """Different ids."""
    lost: tuple[str, ...]
    """Looked up, and never found."""
    unknown: tuple[str, ...]
    """Could not be looked up: neither kept nor lost."""
    duplicates: tuple[str, ...]
    """Promised by more than one answer, as if each had stored it."""

    def __str__(self) -> str:
        """``40 promised, 2 lost (m7, m9), 0 unknown, 0 promised twice``."""
        return (
            f"{self.promised} promised, {_named(self.lost, 'lost')}, {_named(self.unknown, 'unknown')}, "
            f"{_named(self.duplicates, 'promised twice')}"
        )


def acknowledged_writes(writes: pa.Table) -> AcknowledgedWrites:
    """Of a table with the columns spec.run.WRITES; ValueError on another.

    An id with several rows is lost if any look missed it (what is stored does not come back from nowhere,
    so one look that found it was before the loss), else unknown if no look could be made.
    """
    if not writes.schema.equals(WRITES):
        raise ValueError(f"found columns {writes.schema.names}, expected {WRITES.names} with their types")
    looks: dict[str, list[bool | None]] = {}
    answers: set[tuple[int, str]] = set()
    for request, name, found in zip(
        writes["request"].to_pylist(), writes["id"].to_pylist(), writes["found"].to_pylist(), strict=True
    ):
        looks.setdefault(name, []).append(found)
        answers.add((request, name))
    times = Counter(name for _, name in answers)
    return AcknowledgedWrites(
        promised=len(looks),
        lost=tuple(name for name, found in looks.items() if False in found),
        unknown=tuple(name for name, found in looks.items() if set(found) == {None}),
        duplicates=tuple(name for name in looks if times[name] > 1),
    )


def _named(names: tuple[str, ...], what: str) -> str:
    if not names:
        return f"0 {what}"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names)} {what} ({', '.join(names[:SHOWN])}{more})"
