"""How a forecast's answer reads: on the terminal, on the page, as data."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from tests.harness import worlds
from tests.harness.report.test_html import Reader
from windtunnel.harness.judge import judge
from windtunnel.harness.report import capacity
from windtunnel.harness.report.as_data import as_data
from windtunnel.harness.report.console import console
from windtunnel.harness.report.html import page
from windtunnel.harness.report.pair import Pair
from windtunnel.harness.report.terminal import print_pair
from windtunnel.harness.verdict import Verdict
from windtunnel.sim.answers.forecast import Answer, answer
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.run import Run

CLOCK = np.arange(0.5, 31.5, 0.5)
PRICED = Deployment.model_validate(
    {"name": "cloud", "hosts": {"one": {"cores": 2}}, "costs": {"currency": "EUR", "replica_hour": {"app": 1.8}}}
)


def forecast() -> Run:
    """A forecast with an LLM whose slots are all taken while the database is away."""
    busy = np.where((CLOCK > 11) & (CLOCK <= 21), 4.0, 1.0)
    run = worlds.lively("forecast", deployment=PRICED)
    gauges = [
        worlds.series("llm", CLOCK.tolist(), [1.0] * len(CLOCK), "replicas"),
        worlds.series("app", CLOCK.tolist(), [1.0] * len(CLOCK), "replicas"),
        worlds.series("llm", CLOCK.tolist(), busy.tolist(), "in_use"),
        worlds.series("llm", CLOCK.tolist(), (busy - 1).tolist(), "queue"),
        worlds.series("app->llm", CLOCK.tolist(), (CLOCK * 40).tolist(), "attempts"),
        worlds.series("host", CLOCK.tolist(), [0.5] * len(CLOCK)),
    ]
    return replace(run, series=pa.concat_tables(gauges))


RUN = forecast()
ANSWER = answer(RUN)
PAIR = Pair(None, None, RUN, judge(RUN), None, ANSWER, (Verdict.FAIL, Verdict.PASS, Verdict.PASS))


def printed(pair: Pair) -> str:
    stream = io.StringIO()
    print_pair(pair, console(stream))
    return stream.getvalue()


def rows(found: Answer) -> dict[str, tuple[str, ...]]:
    return {row.title: row.cells for row in capacity.figures(found)}


def test_figures_by_window() -> None:
    found = rows(ANSWER)
    before, during, _ = ANSWER.windows
    assert found["requests"][0] == f"{before.requests:.0f}"
    assert found["failed"][0] == "0"
    assert re.fullmatch(r"\d+\.?\d* % \(error \d+, timeout \d+\)", found["failed"][1])
    assert found["goodput"][0].endswith("(<= 800 ms)")
    assert re.fullmatch(r"\d+ ± [\d.]+ ms", found["p50"][0])
    assert found["p99.9"] == ("-", "saturated", "-"), "one in four times out while the slots are all taken"
    assert found["cost per month"][0] == "1,314 EUR"
    assert "tries per call" not in found, "nothing was tried twice"
    assert during.cost


def test_what_is_saturated_has_no_figures_of_time() -> None:
    over = replace(ANSWER.windows[0], saturated="requests in the system grow by 3 a second", mean_ms=None)
    found = replace(ANSWER, windows=(over, *ANSWER.windows[1:]))
    assert rows(found)["mean latency"][0] == rows(found)["p50"][0] == "saturated"
    assert rows(found)["throughput"][0] != "saturated"
    text = printed(replace(PAIR, answer=found))
    assert "before: saturated: requests in the system grow by 3 a second" in text


def test_the_terminal_says_it_all() -> None:
    text = printed(PAIR)
    for words in (
        "± is half of a 95 % interval, from sections of the run",
        "during: bottleneck: llm: 4 of 4 slots busy, calls wait 75 ms on average for one",
        "before: most used, with room left: llm: 1 of 4 slots busy",
        "good again: ",
        "3 replications: 1 fail, 2 pass; above is the first of the worst",
    ):
        assert words in text
    assert re.search(r"llm +slots +25 % +100 %, 3 wait +25 %", text)
    assert "\x1b" not in text
    assert "capacity" not in printed(replace(PAIR, answer=None, replicated=()))


def test_the_page_says_it_all() -> None:
    text = page([PAIR])
    reader = Reader(text)
    assert not reader.open
    words = " ".join(reader.words)
    for wanted in ("Capacity", "Places and lines", "llm: 4 of 4 slots busy", "1,314 EUR", "3 replications"):
        assert wanted in words
    widths = [attributes["style"] for _, attributes in reader.tags if "fill" in (attributes.get("class") or "")]
    assert "width:100.0%" in widths
    assert "width:25.0%" in widths
    assert "Capacity" not in page([replace(PAIR, answer=None)])


def test_data_holds_every_figure() -> None:
    data = json.loads(json.dumps(as_data(PAIR)))
    assert data["replications"] == ["fail", "pass", "pass"]
    before, during, _ = data["answer"]["windows"]
    assert before["goodput_limit_ms"] == 800
    assert during["goodput_limit_ms"] is None
    p50 = before["quantiles_ms"]["p50"]
    assert p50["low"] < p50["value"] < p50["high"]
    assert before["quantiles_ms"]["p99.9"] is None
    assert during["bottleneck"]["name"] == "llm"
    assert during["cost"]["currency"] == "EUR"
    assert [use["name"] for use in during["uses"]] == ["llm", "one"]
    assert as_data(replace(PAIR, answer=None))["answer"] is None


def test_an_interval_that_nothing_tells_is_left_out() -> None:
    found = ANSWER.windows[0].quantiles[0].interval
    assert found
    alone = replace(found, half_width=float("inf"))
    quantiles = (replace(ANSWER.windows[0].quantiles[0], interval=alone), *ANSWER.windows[0].quantiles[1:])
    unsure = replace(ANSWER, windows=(replace(ANSWER.windows[0], quantiles=quantiles), *ANSWER.windows[1:]))
    assert "±" not in rows(unsure)["p50"][0]
    data = json.loads(json.dumps(capacity.as_data(unsure)))
    assert data["windows"][0]["quantiles_ms"]["p50"]["high"] is None


@pytest.mark.parametrize("seconds", [None, 2.5])
def test_recovery_in_words(seconds: float | None) -> None:
    assert ANSWER.recovered
    found = dict(capacity.sentences(replace(ANSWER, recovered=replace(ANSWER.recovered, seconds=seconds))))
    assert ("2.5 s after the heal at 21 s" if seconds else "never until the end") in found["good again"]
