"""Where components stand, how their number changes, and what they cost."""

from __future__ import annotations

import pytest

from windtunnel.spec.deployment import Deployment
from windtunnel.spec.reading import parse

from .sentences import sentences
from .worlds import DEPLOYMENT

CLOUD = parse(DEPLOYMENT, Deployment)


def test_replicas_stand_in_the_zones_in_turn() -> None:
    assert [CLOUD.zone("app", replica) for replica in range(3)] == ["north", "south", "north"]
    assert CLOUD.zone("search", 0) is None
    assert CLOUD.zones == ("north", "south", "west")


def test_a_scaled_component_has_a_number_at_the_start_and_a_largest_one() -> None:
    assert (CLOUD.replicas("app"), CLOUD.most_replicas("app")) == (3, 10)
    assert (CLOUD.replicas("db"), CLOUD.most_replicas("db")) == (3, 3)
    assert (CLOUD.replicas("elsewhere"), CLOUD.host("elsewhere")) == (1, "one")


def test_it_is_the_same_after_its_text() -> None:
    assert parse(CLOUD.model_dump_json(by_alias=True), Deployment) == CLOUD


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("host: one", "host: on", "place.app.host: found 'on', expected a declared host; did you mean 'one'?"),
        ("replicas: 3\n", "replicas: 1\n", "place.app.replicas: found 1, expected a number between autoscale's min 2"),
        ("max: 10", "max: 1", "place.app.autoscale.max: found 1, expected at least min, 2"),
        ("metric: queue", "metric: queu", "place.app.autoscale.rule.metric: found 'queu', expected one of concurrency"),
        ("kind: steps", "kind: step", "place.app.autoscale.rule.kind: found 'step', expected one of target, steps"),
        ("above: 5", "above: 1", "place.app.autoscale.rule.steps[1].above: found 1, expected more than 1, the one"),
        ("below: 0.2, ", "", "place.app.autoscale.rule.remove: found it without below, expected both or neither"),
        (", remove: 1}", "}", "place.app.autoscale.rule.below: found it without remove, expected both or neither"),
        ("below: 0.2", "below: 2", "place.app.autoscale.rule.below: found 2, expected at most 1, where replicas are"),
        ("value: 0.6", "value: 0", "place.search.autoscale.rule.value: found 0, expected a number above 0"),
        ("interval_s: 10", "interval_s: 0", "place.app.autoscale.interval_s: found 0, expected a number above 0"),
        ("cold_start_s: 20", "cold_start_s: -1", "place.app.autoscale.cold_start_s: found -1, expected a number of at"),
        ("currency: EUR", "currency: euro", "costs.currency: found 'euro', expected three capital letters such as USD"),
        ("app: 0.1", "app: -0.1", "costs.replica_hour.app: found -0.1, expected a number of at least 0"),
        ("zones: [north, south]", "zones: north", "place.app.zones: found 'north', expected a list"),
        ("zones: [north, south]", "zones: [North]", "place.app.zones[0]: found 'North', expected a name of lower-case"),
    ],
)  # fmt: skip
def test_a_mistake_names_its_place(old: str, new: str, sentence: str) -> None:
    (only,) = sentences(DEPLOYMENT, old, new, Deployment)
    assert sentence in only
