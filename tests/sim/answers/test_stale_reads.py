"""Reads of a standby that lags, simulated."""

from __future__ import annotations

import pytest

from tests.harness import worlds
from tests.sim.answers.drawings import Parts, drawn, simulated
from windtunnel.sim.answers.stale_reads import counts_stale_reads, stale_read_ratio
from windtunnel.spec.scenario import Window

WINDOW = Window("during", 0.0, 10.0)


def parts(lag_ms: float) -> Parts:
    """Each request writes and reads at once, from the standby."""
    steps = [
        {"call": "db", "op": "write", "service_ms": 1},
        {"call": "db", "op": "read", "service_ms": 1, "reads": True},
    ]
    return drawn(
        {"app": {"kind": "service"}, "db": {"kind": "database", "standbys": 1, "replication_lag_ms": lag_ms}},
        {"ask": {"steps": [{"call": "app", "service_ms": 1, "steps": steps}]}},
        [{"from": "client", "to": "app"}, {"from": "app", "to": "db"}],
        load={"arrivals": "constant", "rate_per_s": 10},
    )


@pytest.mark.parametrize(("lag_ms", "stale"), [(50, 1.0), (0, 0.0)])
def test_a_write_that_has_not_come_over_yet_is_missed(lag_ms: float, stale: float) -> None:
    run = simulated(parts(lag_ms))
    assert counts_stale_reads(run)
    ratio, reads = stale_read_ratio(run, WINDOW)
    assert ratio == pytest.approx(stale, abs=0.02)
    assert reads == pytest.approx(100, abs=1)


def test_nobody_read() -> None:
    assert stale_read_ratio(simulated(parts(50)), Window("", 50.0, 60.0)) == (None, 0)


def test_other_runs_do_not_tell() -> None:
    assert not counts_stale_reads(worlds.run())
