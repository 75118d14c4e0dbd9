"""One question: its faults, alerts and objectives, and what does not fit the architecture and the deployment."""

from __future__ import annotations

import pytest

from windtunnel.spec.architecture import Architecture
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.reading import parse
from windtunnel.spec.scenario import Scenario, misfits

from .sentences import sentences
from .worlds import ARCHITECTURE, DEPLOYMENT, SCENARIO

EVERYTHING = parse(ARCHITECTURE, Architecture)


def test_everything_fits_and_is_the_same_after_its_text() -> None:
    scenario = parse(SCENARIO, Scenario)
    assert misfits(scenario, EVERYTHING, parse(DEPLOYMENT, Deployment)) == []
    assert parse(scenario.model_dump_json(by_alias=True), Scenario) == scenario


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("kill: db.0", "kil: db.0", "did you mean 'kill'?"),
        ("kill: db.0", "kill: db->llm", "faults[0].kill: found 'db->llm', expected a component such as db, or one"),
        ("latency: app->llm", "latency: app", "faults[4].latency: found 'app', expected a link such as app->llm"),
        ("    factor: 4\n", "", "faults[1].factor: found nothing, expected a number"),
        ("factor: 4", "factor: 0", "faults[1].factor: found 0, expected a number above 0"),
        ("mtbf_s: 10", "mtbf_s: -10", "faults[3].mtbf_s: found -10, expected a number above 0"),
        ("mttr_s: 2", "mtr_s: 2", "did you mean 'mttr_s'?"),
        ("zone_outage: north", "zone_outage: North", "faults[2].zone_outage: found 'North', expected a name of lower"),
        ("after_s: 30", "after_s: 0", "faults[2].at: found 'after', expected a window with a length"),
        ("goodput_per_s", "godput_per_s", "did you mean 'goodput_per_s'?"),
        ("scrape_s: 1", "scrape_s: 0", "x.yaml:11: scrape_s: found 0, expected a number above 0"),
        ("queue, of: app", "queue", "alerts.stuck.of: found nothing, expected a component: queue is a component's"),
        (", above: 10", "", "alerts.stuck: found neither above nor below, expected one of above and below"),
        ("above: 10", "above: 10, below: 3", "alerts.stuck: found above and below, expected one of above and below"),
        ("for_s: 5", "for_s: -5", "alerts.slow.for_s: found -5, expected a number of at least 0"),
        ("metric: queue", "metric: queu", "did you mean 'queue'?"),
        ("scrape_s: 1", "scrape_s: 1e-12", "scrape_s: found 1e-12, expected a number of at least 1e-09"),
        ("during_s: 20", "during_s: 1e-6", "windows.during_s: found 1e-06, expected 0, or at least 0.001"),
        ("after_s: 30", "after_s: 0.0009", "windows.after_s: found 0.0009, expected 0, or at least 0.001"),
    ],
)
def test_a_mistake_names_its_place(old: str, new: str, sentence: str) -> None:
    (only,) = sentences(SCENARIO, old, new, Scenario)
    assert sentence in only


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("kill: db.0", "kill: db.3", "faults[0].kill: found 'db.3', expected a replica that runs: db has 3 in the dep"),
        ("kill: db.0", "kill: dbb", "faults[0].kill: found 'dbb', expected a component of the architecture everything"),
        ("kill: db.0", "kill: dbb", "did you mean 'db'?"),
        ("kill: db.0", "kill: client", "faults[0].kill: found 'client', expected a component of the architecture"),
        ("kill: db.0", "kill: jobs", "faults[0].kill: found the queue jobs, expected a component with work of its own"),
        ("zone_outage: north", "zone_outage: nort", "found 'nort', expected a zone of the deployment cloud (north, "),
        ("zone_outage: north", "zone_outage: nort", "did you mean 'north'?"),
        ("random_outages: app", "random_outages: app.10", "found 'app.10', expected a replica that runs: app has 10"),
        ("brownout: search", "brownout: serch", "faults[1].brownout: found 'serch', expected a component"),
        ("latency: app->llm", "latency: app->lm", "faults[4].latency: found 'app->lm', expected a link of the arch"),
        ("of: app", "of: ap", "alerts.stuck.of: found 'ap', expected a component of the architecture everything"),
        (
            "import: 0.1",
            "imprt: 0.1",
            "load.flows.imprt: found 'imprt', expected a flow of the architecture everything",
        ),
        ("{replicas: 3, host: two", "{replicas: 2, host: two", "place.db.replicas: found 2, expected 3, primary and"),
        (
            "{replicas: 3, host: two",
            "{autoscale: {min: 1, max: 4, rule: {kind: target, metric: cpu, value: 0.6}}",
            "place.db.autoscale: found it for a database with standbys, expected 3 replicas all the time",
        ),
        (
            "db: 0.6",
            "bd: 0.6",
            "costs.replica_hour.bd: found 'bd', expected a component of the architecture everything",
        ),
        ("  db: {rep", "  jobs: {rep", "place.jobs: found several of a queue, expected one"),
        ("  db: {rep", "  dbs: {rep", "place.dbs: found 'dbs', expected a component of the architecture everything"),
    ],
)
def test_what_does_not_fit_is_told(old: str, new: str, sentence: str) -> None:
    assert old in SCENARIO + DEPLOYMENT
    scenario = parse(SCENARIO.replace(old, new, 1), Scenario)
    deployment = parse(DEPLOYMENT.replace(old, new, 1), Deployment)
    (only,) = map(str, misfits(scenario, EVERYTHING, deployment))
    assert sentence in only


def test_a_replica_that_scaling_may_start_can_be_hit() -> None:
    scenario = parse(SCENARIO.replace("random_outages: app", "random_outages: app.9"), Scenario)
    assert misfits(scenario, EVERYTHING, parse(DEPLOYMENT, Deployment)) == []


def test_a_database_with_standbys_has_its_replicas_without_being_placed() -> None:
    bare = parse("name: bare\nhosts: {one: {cores: 1}}", Deployment)
    scenario = parse(SCENARIO.replace("db.0", "db.2").replace("zone_outage: north", "kill: app"), Scenario)
    assert misfits(scenario, EVERYTHING, bare) == []


def test_what_runs_beside_the_components_stands_somewhere() -> None:
    deployment = parse(
        f"{DEPLOYMENT}".replace("place:", "place:\n  client: {host: two}\n  toxiproxy: {}", 1), Deployment
    )
    assert misfits(parse(SCENARIO, Scenario), EVERYTHING, deployment) == []
