"""The built-in metastable failures, found as the command line finds them, and how one of their runs is judged."""

from __future__ import annotations

from windtunnel.harness import catalogue
from windtunnel.harness.judge import judge
from windtunnel.harness.verdict import Ruling
from windtunnel.sim.explore.subject import Subject
from windtunnel.sim.simulate import simulate

KINDS = ("spike_retries", "drop_retries", "spike_cache", "drop_cache")
"""Trigger (a spike of load, a drop of capacity) and what sustains the failure (more work, less capacity)."""


def subject(kind: str, *, defended: bool, seed: int = 1) -> Subject:
    found = catalogue.question(f"metastable_{kind}" + "_defended" * defended)
    return Subject(found.scenario, found.architecture, found.deployment).seeded(seed)


def ruling(asked: Subject) -> Ruling:
    return judge(
        simulate(
            asked.scenario,
            asked.architecture,
            asked.deployment,
            asked.parameters,
            replay="",
            version="0",
            engine="compiled",
        )
    )
