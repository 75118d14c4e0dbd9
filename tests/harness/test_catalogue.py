"""What a scenario names is seen from its file, and a mistake in it is told with the file, also one of a setting."""

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


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("scale", "scal", "busy.yaml: architecture: found the architecture 'scal', expected a path, or a built-in"),
        ("scale", "a" * 300, "busy.yaml: architecture: found the architecture 'aaa"),
        ("scale", "~nobody-of-this-name/x.yaml", "busy.yaml: architecture: found '~nobody-of-this-name/x.yaml'"),
        ("traces/day.csv", "~nobody-of-this-name/x.csv", "busy.yaml: load.trace: found '~nobody-of-this-name/x.csv'"),
        ("load:", "deployment: clod\nload:", "busy.yaml: deployment: found 'clod', expected a path, or one beside"),
    ],
)
def test_a_word_of_a_scenario_that_means_nothing_is_told_with_its_file(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    file = written(tmp_path, DAY)
    Path(file).write_text(SCENARIO.replace(old, new, 1))
    with pytest.raises(SpecError) as caught:
        catalogue.question(file)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        (
            "faults.0.at=after",
            "--set: found 'faults.0.at=after' with the index '0', expected another key: this list is",
        ),
        ("windows.during_s.x=1", "--set: found 'windows.during_s.x=1', where nothing is below 'x', expected keys of a"),
        ("question=[1, 2", "--set: question: found while parsing a flow sequence"),
        ("question=!!python/object:x {}", "--set: question: found could not determine a constructor"),
        ("question=\x00", "--set: question: found unacceptable character"),
        ("load.speed=.inf", "--set: load.speed: found '.inf', expected a number"),
        ("question=", "--set: question: found nothing, expected a text"),
        ("architecture=nowhere", "architecture: found the architecture 'nowhere', expected a path"),
    ],
)
def test_a_setting_that_cannot_be_made_is_told(tmp_path: Path, setting: str, sentence: str) -> None:
    with pytest.raises(SpecError) as caught:
        catalogue.question(written(tmp_path, DAY), (setting,))
    assert sentence in str(caught.value)


def test_a_setting_is_read_by_the_rules_of_the_files(tmp_path: Path) -> None:
    said = ("load.speed=1e1", "question=on", "faults=[{outage: app->db}]", "faults.0.at=during")
    scenario = catalogue.question(written(tmp_path, DAY), said).scenario
    assert (scenario.load.speed, scenario.question, scenario.faults[0].kind) == (10, "on", "outage")
