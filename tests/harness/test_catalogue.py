"""A trace is seen from the scenario's file, and a mistake in it is told with the scenario's others."""

from __future__ import annotations

from pathlib import Path

import pytest

from windtunnel.harness import catalogue
from windtunnel.spec.load import schedule
from windtunnel.spec.problem import SpecError

SCENARIO = """\
question: What happens on a recorded day?
architecture: scale
load: {arrivals: trace, trace: traces/day.csv, speed: 2, flows: {chat: 1}}
windows: {during_s: 10}
objectives: {during: {error_ratio: {max: 1}}}
"""
DAY = """\
TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:17:03,4808,10
2023-11-16 18:17:05,3180,8
"""


def written(folder: Path, day: str) -> str:
    (folder / "traces").mkdir()
    (folder / "traces" / "day.csv").write_text(day)
    (folder / "busy.yaml").write_text(SCENARIO)
    return str(folder / "busy.yaml")


def test_a_trace_is_seen_from_the_scenarios_file(tmp_path: Path) -> None:
    load = catalogue.question(written(tmp_path, DAY)).scenario.load
    assert schedule(load, 3, 1).input_tokens.tolist() == [4808, 3180, 4808]


def test_a_trace_that_cannot_be_replayed_is_told_before_anything_else_happens(tmp_path: Path) -> None:
    file = written(tmp_path, DAY.replace("3180", "many"))
    with pytest.raises(SpecError, match=r"traces/day\.csv:3: found ContextTokens 'many'"):
        catalogue.question(file)
