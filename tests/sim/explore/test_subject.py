"""A key reaches each of the three files; what it cannot reach is told in a sentence."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.explore.worlds import station
from windtunnel.sim.explore.subject import located
from windtunnel.spec.problem import SpecError


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("load.rate_per_s", 7.0),
        ("scenario.load.rate_per_s", 7.0),
        ("objectives.during.latency_ms_p99.max", 3.0),
        ("components.app.max_concurrency", 9),
        ("links[client->app].timeout_ms", 70.0),
        ("architecture.links[0].timeout_ms", 70.0),
        ("links[client->app].retries.max", 2),
        ("flows.ask.steps[0].service_ms.mean", 5.0),
        ("place.app.replicas", 3),
        ("deployment.hosts.cluster.cores", 2.0),
        ("costs.replica_hour.app", 0.5),
    ],
)
def test_a_key_changes_what_it_names_and_nothing_else(key: str, value: Any) -> None:
    subject = station()
    before = subject.value(key)
    changed = subject.changed({key: value})
    assert changed.value(key) == value != before
    assert subject.value(key) == before
    part, _ = located(key)
    for other in {"scenario", "architecture", "deployment"} - {part}:
        assert getattr(changed, other) == getattr(subject, other)


def test_several_keys_of_a_file_are_changed_together() -> None:
    changed = station().changed({"load.arrivals": "gamma", "load.cv": 2, "seed": 5})
    assert (changed.scenario.load.arrivals, changed.scenario.load.cv, changed.scenario.seed) == ("gamma", 2, 5)
    assert changed.seeded(8).scenario.seed == 8


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("lod.rate_per_s", 1, "lod.rate_per_s: found 'lod', expected one of .*did you mean 'load'"),
        ("load.rate_per", 1, "load.rate_per: found an unknown key, expected .*did you mean 'rate_per_s'"),
        ("load.rate_per_s", "fast", "load.rate_per_s: found 'fast', expected a number"),
        ("links[client->ap].pool", 1, "found 'client->ap', expected one of client->app; did you mean 'client->app'"),
        ("links[7].pool", 1, "found '7', expected one of client->app"),
        ("components.ap.max_concurrency", 1, "found 'ap', expected one of app; did you mean 'app'"),
        ("load.rate_per_s.mean", 1, "found 'mean', expected nothing below 40"),
        ("deployment", "laptop", "found a whole file, expected a key of it"),
        ("links[", 1, "found no key"),
        ("place.app.replicas", 0, "place.app.replicas: found 0, expected a number of at least 1"),
    ],
)
def test_what_cannot_be_changed_is_a_sentence(key: str, value: Any, sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        station().changed({key: value})


def test_parts_that_no_longer_fit_are_told_before_anything_runs() -> None:
    changed = station().changed({"place.ap.replicas": 2})
    with pytest.raises(SpecError, match=r"place.ap: found 'ap', expected a component .*did you mean 'app'"):
        changed.model()
