"""The page as a machine sees it: whole, self-contained, accessible, unique ids, small."""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

from tests.harness import worlds
from windtunnel.harness.report.html import page, write_html
from windtunnel.harness.report.pair import Pair
from windtunnel.harness.verdict import Verdict

BOTH = Pair.of(worlds.lively(), worlds.lively("forecast", 2, 0.93))
VOID = {"meta", "br", "hr", "img", "input", "link"}


class Reader(HTMLParser):
    """Collects what a page holds, and refuses tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    def attributes(self, name: str) -> list[str]:
        return [value or "" for _, attributes in self.tags for key, value in attributes.items() if key == name]

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@cache
def text_of_one() -> str:
    """The page of one measured and forecast question: drawn once, read by several tests."""
    return page([BOTH])


@cache
def three() -> Reader:
    """A page with every kind of pair: both runs, a forecast alone, a measured run that cannot be trusted."""
    return Reader(page([BOTH, Pair.of(forecast=worlds.lively("forecast")), Pair.of(worlds.lively(injections=[]))]))


def test_every_tag_is_closed_and_nothing_comes_from_outside() -> None:
    assert three().open == []
    assert not {"script", "link", "img", "iframe", "object"} & {name for name, _ in three().tags}
    for attribute in ("src", "href", "xlink:href", "action", "data"):
        assert all(value.startswith("#") for value in three().attributes(attribute))
    styles = re.findall(r"<style>.*?</style>", text_of_one(), re.DOTALL)
    assert not any("@import" in style or re.search(r"url\((?!#)", style) for style in styles)


def test_ids_are_unique_and_every_reference_leads_somewhere() -> None:
    ids = three().attributes("id")
    assert len(ids) == len(set(ids))
    used = {value[1:] for name in ("href", "xlink:href") for value in three().attributes(name)}
    used |= {name for value in three().attributes("aria-labelledby") for name in value.split()}
    used |= {name for value in three().attributes("clip-path") for name in re.findall(r"url\(#([^)]+)\)", value)}
    assert used <= set(ids)
    assert any(name.startswith("q3-latency-") for name in used), "the pictures do use references"


def test_every_picture_is_described_in_words() -> None:
    drawings = three().named("svg")
    assert len(drawings) == 3 * 5
    assert all(drawing["role"] == "img" for drawing in drawings)
    assert len(three().named("desc")) == len(drawings)
    failed = pc.sum(pc.not_equal(BOTH.runs[0].run.samples["outcome"], "ok")).as_py()
    assert f"measured: 1,240 requests, {failed} failed, median latency 3" in three().text
    assert "app, measured: 0.3" in three().text


def test_the_page_says_what_was_found() -> None:
    for words in (
        "When the database cannot be reached, is every caller told in time",
        "outage app->db (during)",
        "canary 0.4 ms before, 503.2 ms during",
        "The measured run cannot be trusted, and decides nothing. fault outage app->db was not carried out",
        "3 of 391 samples beyond the quantile, 20 needed",
        "Error of the forecast",
        "windtunnel run toy_question.yaml --set seed=7",
        "3f9c2a71",
        BOTH.runs[0].run.digest()[:16],
    ):
        assert words in three().text


def test_a_verdict_never_depends_on_colour_alone() -> None:
    assert "✓ pass" in three().text
    assert "? inconclusive" in three().text
    assert "– not observed" in three().text


def test_the_contents_lead_to_every_question_and_one_question_needs_none() -> None:
    assert [link["href"] for link in three().named("a")] == ["#q1", "#q2", "#q3"]
    assert Reader(text_of_one()).named("nav") == []


def test_colours_follow_the_page() -> None:
    """No colour of matplotlib's own is left in a picture: all are the page's variables."""
    drawings = re.findall(r"<svg.*?</svg>", text_of_one(), re.DOTALL)
    assert len(drawings) == 5
    for drawing in drawings:
        assert "var(--measured)" in drawing or "var(--part-1)" in drawing
        assert re.findall(r"(?:fill|stroke): ?#[0-9a-f]{3,6}", drawing) == []


def test_the_same_findings_are_the_same_page() -> None:
    assert page([Pair.of(worlds.lively(), worlds.lively("forecast", 2, 0.93))]) == text_of_one()


def test_text_from_outside_is_escaped() -> None:
    evil = "<script>alert('x')</script>"
    question = worlds.scenario(question=evil)
    text = page([Pair.of(worlds.run(question, checks=[{"name": evil, "ok": False, "detail": evil}], replay=evil))])
    assert "<script" not in text
    assert text.count("&lt;script&gt;") >= 4


def test_a_busy_run_stays_small_and_the_page_is_written_whole(tmp_path: Path) -> None:
    at_s = np.linspace(0, 30.9, 60_000)
    latency_ms = np.random.default_rng(1).lognormal(5, 1, len(at_s))
    outcome = np.where(np.arange(len(at_s)) % 3, "ok", "error").tolist()
    table = worlds.samples(at_s, latency_ms, outcome)
    busy = Pair.of(worlds.run(table=table), worlds.run(table=table, kind="forecast"))
    place = write_html([busy], tmp_path / "deep" / "report.html")
    assert place.stat().st_size < 2_000_000
    assert [entry.name for entry in place.parent.iterdir()] == ["report.html"]
    assert Reader(place.read_text(encoding="utf-8")).open == []


@pytest.mark.parametrize(
    "pair",
    [
        Pair.of(worlds.run(table=worlds.samples([]))),
        Pair.of(worlds.run(table=worlds.samples([12.0], outcome="error"))),
        Pair.of(forecast=worlds.run(table=worlds.samples([12.0]), kind="forecast", calls=[worlds.spans([0])])),
        Pair.of(worlds.run(worlds.scenario(windows={"warm_up_s": 0, "during_s": 31}))),
        Pair.of(worlds.run(table=worlds.samples(np.arange(0, 31, 0.1), 0.0), calls=[worlds.spans([9], duration_ms=0)])),
    ],
    ids=["empty", "one failure", "one success", "one window", "no time at all"],
)
def test_poor_runs_have_a_page_too(pair: Pair) -> None:
    seen = Reader(page([pair]))
    assert seen.open == []
    assert pair.verdict in (Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE)


def test_nothing_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="found no runs"):
        write_html([], tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []
