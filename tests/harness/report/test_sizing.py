"""What a size says in words, of answers made by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.sim.explore.worlds import station
from windtunnel.harness.report.sizing import configuration, plot_size, print_size, sentences, size_as_data, sureness
from windtunnel.sim.answers.interval import Interval
from windtunnel.sim.explore.axis import Axis
from windtunnel.sim.explore.bench import Assessed, Held
from windtunnel.sim.explore.limit import Limit
from windtunnel.sim.explore.size import Size
from windtunnel.sim.explore.trial import Seen, Times, Trial
from windtunnel.spec.objective import Bound
from windtunnel.spec.scenario import Window

METRIC = "latency_ms_p99"


def assessed(
    replicas: int | None, p99_ms: float, half_width: float = 10, saturated: str | None = None, errors: float = 0.0
) -> Assessed:
    """A configuration with that p99 in five trials, against at most 500 ms."""
    window = Window("during", 5, 125)
    seen = Seen(
        window=window,
        requests=4000,
        figures={"error_ratio": errors, METRIC: p99_ms},
        times={"latency_ms": Times.of(np.linspace(1, p99_ms / 0.99, 4000))},
        uses=(),
        bottleneck="app: 3.9 of 4 slots busy",
        saturated=saturated,
        cost_per_hour=0.5 * (replicas or 3),
    )
    held = Held("during", METRIC, Bound(max=500), p99_ms, Interval(p99_ms, half_width, 5, 0.95, "sectioning"), True)
    settings = () if replicas is None else (("place.app.replicas", replicas),)
    return Assessed(settings, tuple(Trial(seed, (seen,)) for seed in range(5)), (held,), saturated)


def found(**more: Any) -> Size:
    said: dict[str, Any] = {
        "bounds": (Axis("place.app.replicas", (1, 2, 3, 4, 5)),),
        "left_out": ("db: more of a database are other data",),
        "given": assessed(None, 700),
        "cheapest": assessed(4, 450),
        "surviving": assessed(5, 420),
        "lost": ("app",),
        "single": ("db",),
        "nearest": assessed(4, 450),
        "frontier": (assessed(3, 700), assessed(4, 450), assessed(5, 420)),
        "frontier_metric": METRIC,
        "limit": Limit(0.8, "32 requests/s", assessed(None, 510)),
        "limit_of_answer": Limit(2.0, "80 requests/s", None),
        "prices": {"app": 0.5},
        "priced": True,
        "currency": "EUR",
        "unjudged": ("acknowledged_writes_lost",),
        "runs": 5,
        "tried": 40,
        "configurations": 9,
        "exhaustive": True,
        "_replicas": {"app": 3, "db": 1},
    }
    return Size(**(said | more))


def words(size: Size) -> dict[str, str]:
    return dict(sentences(size))


def test_how_sure_is_told_in_words() -> None:
    assert sureness(assessed(4, 450)).endswith("450 ± 10 ms against <= 500 ms, over 5 seeds: sure to more than 99.9 %")
    assert sureness(assessed(4, 495)).endswith("sure to 88.1 %; more --seeds would tell more")
    thin = assessed(4, 450)
    thin = replace(thin, held=(replace(thin.held[0], enough=False),))
    assert "too few samples lie beyond the quantile" in sureness(thin)
    extreme = replace(thin, held=(replace(thin.held[0], interval=None, metric="latency_ms_max", enough=True),))
    assert sureness(extreme).endswith("against <= 500 ms, in all 5 runs")


def test_sentences_say_what_gives_way_and_what_was_left_out() -> None:
    told = words(found())
    assert told["the given one"] == (
        "saturates at 32 requests/s (0.8 times the scenario's load); beyond, it misses during latency p99 "
        "510 ± 10 ms against <= 500 ms; bottleneck app: 3.9 of 4 slots busy"
    )
    assert told["the cheapest one"] == "meets the objectives up to 80 requests/s and beyond (not tried further)"
    assert told["a replica lost"].startswith("one fewer for the whole run, in turn of app")
    assert told["single points"].startswith("db: one replica")
    assert told["not judged"].startswith("acknowledged_writes_lost")
    assert told["not varied"].startswith("db: ")
    assert "caution" not in told


def test_sentences_warn() -> None:
    assert words(found(exhaustive=False))["caution"].startswith("the search was ended")
    failing = words(found(cheapest=assessed(4, 450, errors=0.2)))["caution"]
    assert failing == "20 % of the requests fail (during), and no objective forbids it: add error_ratio"
    assert words(found(surviving=None))["a replica lost"].startswith("nothing within the bounds")
    none = words(found(cheapest=None, surviving=None, nearest=assessed(5, 510)))
    assert none["nearest"] == "app replicas 5; misses during latency p99 510 ± 10 ms against <= 500 ms"
    assert none["what gives way"] == "app: 3.9 of 4 slots busy"
    slow = words(found(limit=Limit(None, "", assessed(None, 900, saturated="requests in the system grow"))))
    assert "meets the objectives at no load" in slow["the given one"]
    assert "it does not keep up: requests in the system grow" in slow["the given one"]


def test_the_answer_as_table_data_and_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subject = station(replicas=3, objectives={METRIC: {"max": 500}})
    print_size(found(), subject)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0].startswith("Cheapest: app replicas 4 (2 EUR/h, 1,460 a month); with a replica lost: app replicas 5")
    assert "app replicas (1 to 5) 3 4 5" in lines
    assert any(line.startswith("2 EUR/h, 1,460 a month 4") and line.endswith("cheapest") for line in lines)
    data = size_as_data(found())
    assert data["cheapest"]["replicas"] == {"app": 4, "db": 1}
    assert data["limit"]["times_the_load"] == 0.8
    assert [row["cost_per_hour"] for row in data["frontier"]] == [1.5, 2, 2.5]
    assert math.isclose(data["frontier"][1][METRIC], 450, rel_tol=0.01)
    plot_size(found(), subject, tmp_path / "size.svg")
    text = (tmp_path / "size.svg").read_text()
    for label in ("cheapest", "survives a loss", "given", "does not", "EUR an hour", "objective &lt;= 500 ms"):
        assert f">{label}<" in text
    unpriced = found(priced=False, currency="replicas", prices={"app": 1.0, "db": 1.0})
    print_size(unpriced, subject)
    assert "app replicas 4 (5 replicas)" in capsys.readouterr().out
    assert configuration(assessed(None, 1)) == "as it is given"
