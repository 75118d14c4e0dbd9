"""What no real stack does is refused, each with its sentence; what a drawing merely describes is not."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from windtunnel.harness import catalogue
from windtunnel.harness.stack.errors import StackError
from windtunnel.harness.stack.only_in_the_model import module_of, refuse
from windtunnel.spec.architecture import Architecture, Service
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.problem import SpecError
from windtunnel.spec.reading import CoreLoader, validate

SCALE, LAPTOP = catalogue.architecture("scale")


def drawn(change: str) -> Architecture:
    """The architecture ``scale`` with ``path: value`` set, both in YAML; the path is of keys and indexes."""
    tree: Any = yaml.load((catalogue.ARCHITECTURES / "scale.yaml").read_text(), CoreLoader)
    path, _, value = change.partition("=")
    *above, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    place = tree
    for key in above:
        place = place[key]
    place[last] = yaml.load(value, CoreLoader)
    return validate(tree, Architecture)


@pytest.mark.parametrize("name", catalogue.built_in(catalogue.ARCHITECTURES))
def test_what_we_bring_along_can_be_measured(name: str) -> None:
    refuse(*catalogue.architecture(name))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("components.app.module=null", "scale: components.app.module: found nothing, expected the Python module to"),
        ("components.jobs={kind: queue}", "scale: components.jobs: found a queue, which exists in the model only"),
        ("components.db.standbys=1", "scale: components.db.standbys: found 1, expected 0"),
        ("components.gateway.rate_limit={per_s: 5, burst: 5}", "scale: components.gateway.rate_limit: found what"),
        ("components.gateway.max_concurrency=4", "scale: components.gateway.max_concurrency: found what exists in the"),
        ("components.cache.hit_ratio=0.5", "scale: components.cache.hit_ratio: found what exists in the model only"),
        ("components.llm.batch_slowdown=0.1", "scale: components.llm.batch_slowdown: found what exists in the model"),
        ("components.llm.token_ms={kind: gamma, mean: 5, shape: 2}", "components.llm.token_ms.kind: found 'gamma',"),
        ("components.app.crash={above_in_flight: 5, restart_s: 1}", "scale: components.app.crash: found what exists"),
        ("components.app.discipline=priority", "scale: components.app.discipline: found what exists in the model only"),
        ("links.0.timeout_ms=never", "scale: links[0].timeout_ms: found never, expected a time: a caller that waits"),
        ("links.1.balance=random", "scale: links[1].balance: found what exists in the model only"),
        ("links.0.hedge={after_ms: 5}", "scale: links[0].hedge: found what exists in the model only"),
        ("links.4.breaker={failures: 5, open_ms: 5}", "scale: links[4].breaker: found what exists in the model only"),
        ("links.4.retries={max: 1, jitter: none}", "scale: links[4].retries.jitter: found what exists in the model"),
        ("flows.history.request=null", "scale: flows.history.request: found nothing, expected the request to send"),
    ],
)  # fmt: skip
def test_what_only_the_model_knows_is_refused(change: str, sentence: str) -> None:
    with pytest.raises(SpecError) as caught:
        refuse(drawn(change), LAPTOP)
    assert len(caught.value.problems) == 1
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        "components.llm.input_tokens={kind: pareto, scale: 1, shape: 2}",
        "components.db.cpu_ms=3",
        "components.app.processor_bound=true",
        "components.llm.queue_limit=5",
        "flows.chat.priority=3",
        "flows.chat.steps.0.link_ms=1",
    ],
)
def test_what_only_describes_is_not(change: str) -> None:
    refuse(drawn(change), LAPTOP)


def test_a_service_of_the_users_may_do_itself_what_is_drawn() -> None:
    tree: Any = yaml.load((catalogue.ARCHITECTURES / "scale.yaml").read_text(), CoreLoader)
    tree["components"]["app"] |= {"module": "mine", "rate_limit": {"per_s": 5, "burst": 5}, "queue_limit": 3}
    tree["links"][4] |= {"breaker": {"failures": 5, "open_ms": 5}, "hedge": {"after_ms": 5}}
    refuse(validate(tree, Architecture), LAPTOP)
    tree["links"][4] |= {"balance": "hash"}
    with pytest.raises(SpecError, match=r"links\[4\]\.balance"):
        refuse(validate(tree, Architecture), LAPTOP)


def test_a_number_of_replicas_that_changes_is_refused() -> None:
    scaled = LAPTOP.model_dump(by_alias=True)
    scaled["place"]["app"]["autoscale"] = {"min": 1, "max": 4, "rule": {"kind": "target", "metric": "cpu", "value": 1}}
    with pytest.raises(
        SpecError, match=r"laptop: place\.app\.autoscale: found it, expected a fixed number of replicas"
    ):
        refuse(SCALE, validate(scaled, Deployment))


def test_a_service_without_a_module_cannot_be_started() -> None:
    assert module_of(Service(kind="service", module="mine")) == "mine"
    assert module_of(SCALE.components["llm"]).endswith(".mock_llm")
    with pytest.raises(StackError, match="found a service without a module"):
        module_of(Service(kind="service"))
