"""A sweep's table and picture say what the rows say."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from windtunnel.harness.report.sweeping import checked_metric, column_of, levels, plot_sweep, print_sweep, sweep_as_data
from windtunnel.sim.explore.axis import Axis
from windtunnel.spec.problem import SpecError

RATES = Axis("load.rate_per_s", (10, 20))
KINDS = Axis("load.arrivals", ("poisson", "constant"))


def row(
    rate: int, kind: str, seed: int, p99_ms: float | None, saturated: bool = False, n: int = 3000
) -> dict[str, Any]:
    seen = {} if p99_ms is None else {"during.latency_ms_p99": p99_ms}
    said = {"load.rate_per_s": rate, "load.arrivals": kind, "seed": seed, "during.requests": n}
    return {**said, **seen, "during.saturated": saturated, "during.error_ratio": 0.01, "during.bottleneck": "app"}


ROWS = [
    row(10, "poisson", 1, 100),
    row(10, "poisson", 2, 110),
    row(10, "constant", 1, 90, n=100),
    row(10, "constant", 2, 90, n=100),
    row(20, "poisson", 1, 5000, saturated=True),
    row(20, "poisson", 2, 7000, saturated=True),
    row(20, "constant", 1, None),
    row(20, "constant", 2, None, saturated=True),
]
COLUMN = "during.latency_ms_p99"


def test_a_metric_by_its_name_in_the_window_during_or_in_another() -> None:
    assert column_of("latency_ms_p99", ROWS) == COLUMN
    assert column_of("during.error_ratio", ROWS) == "during.error_ratio"
    with pytest.raises(SpecError, match="expected one of error_ratio, latency_ms_p99, requests"):
        column_of("before.error_ratio", ROWS)  # a window that the scenario does not have
    for metric in ("latency_ms_p50", "after.recovery_s", "utilisation.app->db", "during.cost_per_hour"):
        assert checked_metric(metric) == metric
    with pytest.raises(SpecError, match="did you mean 'error_ratio'"):
        checked_metric("during.eror_ratio")


def test_every_point_has_its_mean_and_interval_over_the_seeds() -> None:
    found = levels(ROWS, [RATES, KINDS], COLUMN)
    assert [each.settings for each in found][:2] == [
        {"load.rate_per_s": 10, "load.arrivals": "poisson"},
        {"load.rate_per_s": 10, "load.arrivals": "constant"},
    ]
    first = found[0].interval
    assert first is not None
    assert first.mean == 105
    assert first.half_width == pytest.approx(12.7062 * 5, rel=1e-4)  # t of one degree of freedom, s / sqrt(2) = 5
    assert [each.saturated for each in found] == [0, 0, 2, 1]
    assert [each.thin for each in found] == [False, True, False, False]
    assert found[3].interval is None
    data = sweep_as_data(found, COLUMN)
    assert (data[0]["mean"], data[3]["mean"], data[2]["saturated"]) == (105, None, 2)


def test_the_table_tells_what_to_be_careful_of() -> None:
    sink = io.StringIO()
    print_sweep(levels(ROWS, [RATES, KINDS], COLUMN), [RATES, KINDS], COLUMN, Console(file=sink, width=160))
    lines = [" ".join(line.split()) for line in sink.getvalue().splitlines()]
    assert "10 poisson 105 ms 63.5" in lines
    assert "10 constant 90 ms* 0" in lines
    assert "20 poisson 6,000 ms 12,706 saturated" in lines
    assert "20 constant - saturated in 1 of 2" in lines
    assert any(line.startswith("* fewer than 20 samples lie beyond") for line in lines)


@pytest.mark.parametrize("axes", [[RATES, KINDS], [KINDS, RATES], [RATES]])
def test_the_picture_has_a_line_for_every_combination(tmp_path: Path, axes: list[Axis]) -> None:
    found = levels(ROWS, axes, COLUMN)
    drawings = []
    for name in ("one.svg", "two.svg"):
        plot_sweep(found, axes, COLUMN, tmp_path / name)
        drawings.append((tmp_path / name).read_bytes())
    assert drawings[0] == drawings[1]
    text = drawings[0].decode()
    assert "latency p99, during: mean and 95 % interval" in text
    assert f">{axes[0].key}<" in text
    assert ">does not keep up<" in text
    others = axes[1:]
    for axis in others:
        for value in axis.values:
            assert f">{axis.key} {value}<" in text
    plot_sweep(found, axes, COLUMN, tmp_path / "three.png")
    assert (tmp_path / "three.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "file").write_text("")
    with pytest.raises(SpecError, match="a file that can be written"):
        plot_sweep(found, axes, COLUMN, tmp_path / "file" / "four.png")
