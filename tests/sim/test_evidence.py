"""The page of evidence is what the command prints, and names only what there is."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.sim.equality.features import FEATURES
from tests.sim.evidence import GROUPS, PRODUCT_FORM, ROOT, grouped, measured, page
from tests.sim.truths.rows import ROWS
from windtunnel.harness import catalogue

PAGE = ROOT / "sim" / "EVIDENCE.md"
SAID = [(feature, evidence) for group in GROUPS.values() for feature, evidence in group.items()]


def test_the_page_is_what_the_command_prints() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.sim.evidence"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == PAGE.read_text(encoding="utf-8"), f"run python -m tests.sim.evidence > {PAGE.name}, in sim"
    assert done.stdout == page()


def test_every_test_that_it_names_exists() -> None:
    functions: dict[str, set[str]] = {}
    for _, evidence in SAID:
        if not evidence.by_hand:
            continue
        file, _, function = evidence.by_hand.partition("::")
        if file not in functions:
            tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
            functions[file] = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert function in functions[file], evidence.by_hand


def test_every_truth_that_it_names_is_one() -> None:
    known = {row.name for row in ROWS} | {PRODUCT_FORM}
    assert {truth for _, evidence in SAID for truth in evidence.truths} <= known


def test_every_truth_of_the_table_is_evidence_for_something() -> None:
    named = {truth for _, evidence in SAID for truth in evidence.truths}
    assert {row.name for row in ROWS} <= named


def test_every_feature_has_one_line() -> None:
    lines = [feature for group in grouped().values() for feature in group]
    assert sorted(lines) == sorted(set(lines))
    assert set(lines) >= FEATURES


@pytest.mark.parametrize(
    ("feature", "scenario"),
    [("fault outage", "database_outage"), ("fault blackhole", "llm_timeouts"), ("streaming", "baseline")],
)
def test_what_was_measured_is_found_in_the_scenarios(feature: str, scenario: str) -> None:
    assert scenario in measured()[feature]
    assert scenario in catalogue.built_in(catalogue.SCENARIOS)


def test_a_gap_is_an_empty_cell() -> None:
    row = next(line for line in page().splitlines() if line.startswith("| fault toxic |"))
    assert row == "| fault toxic |  |  | yes |  |"
