"""What the terminal shows, where somebody looks and where it is piped."""

from __future__ import annotations

import io
import re

import pytest

from tests.harness import worlds
from windtunnel.harness.report.console import PIPED_COLUMNS, console
from windtunnel.harness.report.pair import Pair
from windtunnel.harness.report.terminal import print_pair


class Terminal(io.StringIO):
    """A stream that says somebody is looking."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that asks for nothing: CI machines set some of these."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def shown(*pairs: Pair, stream: io.StringIO | None = None) -> str:
    stream = stream or io.StringIO()
    for pair in pairs:
        print_pair(pair, console(stream))
    return stream.getvalue()


BOTH = Pair.of(worlds.lively(), worlds.lively("forecast", 2, 0.93))


def test_everything_that_was_found_is_there() -> None:
    text = shown(BOTH)
    for words in (
        "INCONCLUSIVE  When the database cannot be reached",
        "toy_question on toy, laptop",
        "poisson arrivals, 40 /s: chat 100 %; seed 7",
        "outage app->db (during)",
        "canary 0.4 ms before, 503.2 ms during",
        "check host not saturated",
        "Error of the forecast: ",
        "after, latency p99: inconclusive: 3 of 391 samples beyond the quantile, 20 needed",
        "windtunnel run toy_question.yaml --set seed=7",
        "windtunnel simulate toy_question.yaml --set seed=7",
    ):
        assert words in text


def test_measured_and_forecast_stand_side_by_side() -> None:
    (row,) = (line.split() for line in shown(BOTH).splitlines() if line.startswith(" during   acknowledged"))
    assert row == ["during", "acknowledged", "writes", "lost", "<=", "0", "0", "PASS", "-", "NOT", "OBSERVED"]


@pytest.mark.usefixtures("looked_at")
def test_piped_text_is_plain_and_aligned() -> None:
    text = shown(BOTH)
    assert "\x1b" not in text
    table = [line for line in text.splitlines() if line.startswith((" window", " before", " during", " after"))]
    objectives = table[: table.index(next(line for line in table[1:] if line.startswith(" window")))]
    assert len({len(line) for line in objectives}) == 1
    assert len({line.find("<=") for line in objectives[1:]}) == 1
    assert all(len(line) <= PIPED_COLUMNS for line in table)


@pytest.mark.usefixtures("looked_at")
def test_colours_where_somebody_looks_and_none_with_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[32mPASS" in shown(BOTH, stream=Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in shown(BOTH, stream=Terminal())


def test_a_run_that_cannot_be_trusted_says_why_first() -> None:
    text = shown(Pair.of(worlds.lively(injections=[])))
    assert (
        "The measured run cannot be trusted, and decides nothing:\n  - fault outage app->db was not carried out\n"
        in text
    )
    assert "before, error ratio: inconclusive: would pass, but the run cannot be trusted" in text


def test_square_brackets_are_no_markup() -> None:
    question = worlds.scenario(question="Does [bold]it[/bold] hold? [red]")
    assert "Does [bold]it[/bold] hold? [red]" in shown(Pair.of(worlds.run(question)))


def test_long_sentences_stay_whole_in_a_file() -> None:
    reason = "the host " + "was very busy and " * 40 + "gave up"
    text = shown(Pair.of(forecast=worlds.run(kind="forecast", unmodelled=[reason])))
    assert f"  - not modelled: {reason}\n" in text


@pytest.mark.usefixtures("looked_at")
def test_a_terminal_of_eighty_columns_shows_every_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown(BOTH, stream=Terminal()))
    table = text[: text.index("measured, in words")]
    assert table.count("PASS") == 9
    assert max(map(len, table.splitlines()[6:])) <= 80


def test_several_findings_follow_each_other() -> None:
    assert shown(BOTH, Pair.of(worlds.run())).count("replay") == 3
