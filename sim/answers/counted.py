"""A window of a run that was counted instead of kept (spec.run.SKETCHES, SUBJECTS). Used by answers and the judge."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow.compute as pc

from windtunnel.sim.answers.sketch import Sketch
from windtunnel.spec.run import Run
from windtunnel.spec.scenario import Window

ENDS = ("ok", "timeout", "error", "rejected", "open")
FLOW, HOP = "flow:", "hop:"
SECTION = "section:"
"""Subjects that are the successes of a part of the window; the parts are of equal length."""


@dataclass(frozen=True, eq=False)
class Counted:
    """What became of a window's requests."""

    ends: dict[str, int]
    """How many ended how."""
    sketches: dict[str, Sketch]
    """latency, answer, first_token, flow:chat, hop:app->db."""
    sections: tuple[Sketch, ...]
    """Of latency, in the order of time."""
    amplification: dict[str, float]
    """Exchanges per call on each link that was called, in the order of the drawing (see ``amplification``)."""

    @property
    def requests(self) -> int:
        """How many belong to the window."""
        return sum(self.ends.values())

    @property
    def answered(self) -> dict[str, int]:
        """How many succeeded, by flow."""
        flows = {name.removeprefix(FLOW): found for name, found in self.sketches.items() if name.startswith(FLOW)}
        return {flow: found.total for flow, found in flows.items()}

    @property
    def failures(self) -> dict[str, int]:
        """How many failed, by outcome, the most frequent first."""
        bad = {outcome: n for outcome, n in self.ends.items() if outcome != "ok" and n}
        return dict(sorted(bad.items(), key=lambda item: -item[1]))


def is_counted(run: Run) -> bool:
    """Whether a run holds counts in the place of samples."""
    return "sketches" in run.record.observes


def counted(run: Run, window: Window) -> Counted:
    """All subjects of a window. ValueError for a run that has samples."""
    if not is_counted(run):
        raise ValueError(f"found {run.record.id}, a run with samples, expected one with sketches")
    inside = run.sketches.filter(pc.equal(run.sketches["window"], window.name))
    subjects = {row["subject"]: row for row in run.subjects.to_pylist() if row["window"] == window.name}
    names = inside["subject"].to_numpy()
    buckets, counts = inside["bucket"].to_numpy(), inside["count"].to_numpy()
    sketches = {
        name: Sketch.from_pairs(
            buckets[names == name],
            counts[names == name],
            sum_ms=row["sum_ms"],
            min_ms=row["low_ms"],
            max_ms=row["high_ms"],
        )
        for name, row in subjects.items()
    }
    sections = sorted(name for name in sketches if name.startswith(SECTION))
    exchanges = {name: sum(row[end] for end in ENDS) for name, row in subjects.items() if row["first"]}
    return Counted(
        ends={outcome: subjects["answer"][outcome] for outcome in ENDS},
        sketches={name: found for name, found in sketches.items() if not name.startswith(SECTION)},
        sections=tuple(sketches[name] for name in sections),
        amplification={
            link.name: exchanges[hop] / subjects[hop]["first"]
            for link in run.record.architecture.links
            if (hop := f"{HOP}{link.name}") in exchanges
        },
    )
