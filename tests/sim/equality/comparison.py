"""Both engines on one drawing, and the first thing that they do not agree about. Used by the tests and ``__main__``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from tests.sim.equality.drawings import Drawing
from windtunnel.sim.compiled import execute as compiled
from windtunnel.sim.compiler import compile_model
from windtunnel.sim.model import Model
from windtunnel.sim.reference.engine import execute as reference

READINGS = ("name", "component", "at_s")
"""What a reading of a series is told by; in which order engines write them down means nothing."""


@dataclass(frozen=True)
class Answers:
    """A table of each engine, by the names of the tables: samples, spans, series."""

    reference: dict[str, pa.Table]
    compiled: dict[str, pa.Table]

    @property
    def differing(self) -> list[str]:
        """Tables that are not equal, bit by bit."""
        return [name for name, table in self.reference.items() if not table.equals(self.compiled[name])]

    @property
    def difference(self) -> str | None:
        """The first rows of each differing table that are not the same, to be read by people; None: there are none."""
        return "\n".join(_first(name, self.reference[name], self.compiled[name]) for name in self.differing) or None


def compiled_from(drawing: Drawing) -> Model:
    """The drawing as engines execute it."""
    return compile_model(drawing.scenario, drawing.architecture, drawing.deployment, drawing.parameters)


def answers(drawing: Drawing) -> Answers:
    """What both engines say."""
    model = compiled_from(drawing)
    return Answers(*(dict(_tables(execute(model))) for execute in (reference, compiled)))


def _tables(tables: object) -> Iterator[tuple[str, pa.Table]]:
    for name in ("samples", "spans"):
        yield name, getattr(tables, name)
    series: pa.Table = getattr(tables, "series")  # noqa: B009 (two classes of the same shape)
    yield "series", series.sort_by([(name, "ascending") for name in READINGS])


def _first(name: str, one: pa.Table, other: pa.Table) -> str:
    ours, theirs = one.to_pylist(), other.to_pylist()
    pairs = zip(ours, theirs, strict=False)
    row = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(ours), len(theirs)))
    said = [f"  {who} {rows[row] if row < len(rows) else 'nothing'}" for who, rows in
            (("reference", ours), ("compiled ", theirs))]  # fmt: skip
    return "\n".join([f"{name}, row {row} of {len(ours)} and {len(theirs)}:", *said])
