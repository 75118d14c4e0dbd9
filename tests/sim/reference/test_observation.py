"""What is read at every look."""

from __future__ import annotations

from tests.sim.reference.worlds import World, run, series
from windtunnel.sim.model import OUTSIDE


def test_counters_count_from_the_start_and_gauges_show_the_moment() -> None:
    world = World()
    app, db = world.station("app"), world.station("db", slots=1)
    outer, inner = world.wire(OUTSIDE, app), world.wire(app, db, timeout_s=0.25, pool=1)
    entry = world.call(outer, program=(world.call(inner, 200),))
    tables = run(world.model(entry, at_s=[0.9, 0.95, 1.4], duration_s=2.5, scrape_s=0.5, cores=(2.0,)))
    assert sorted(set(tables.series["at_s"].to_pylist())) == [0.5, 1.0, 1.5, 2.0, 2.5]
    assert series(tables, "requests") == [0, 0, 2, 3, 3]
    # The second one has 100 of its 250 ms left when it has a connection, at 1.1; the third is served from 1.4 to 1.6.
    assert series(tables, "ok") == [0, 0, 1, 2, 2]
    assert series(tables, "errors.timeout") == [0, 0, 1, 1, 1]
    assert series(tables, "attempts", "app->db") == [0, 2, 3, 3, 3]
    assert series(tables, "retries", "app->db") == [0] * 5
    assert series(tables, "in_use", "app->db") == [0, 1, 1, 0, 0]
    assert series(tables, "queue", "app->db") == [0, 1, 0, 0, 0]
    assert series(tables, "in_use", "db") == [0, 1, 1, 0, 0]
    assert series(tables, "replicas", "db") == [1] * 5


def test_hosts_are_called_by_their_names_where_there_are_several() -> None:
    world = World()
    app = world.station("app", host=1, cpu_s=float("inf"))
    entry = world.call(world.wire(OUTSIDE, app), 500)
    model = world.model(entry, hosts=("left", "right"), cores=(1.0, 1.0), duration_s=1.0)
    tables = run(model)
    assert [series(tables, "cpu_share", name) for name in ("app", "left", "right")] == [[0.5], [0.0], [0.5]]
