"""How components take requests on: what does not go together is told at its place."""

from __future__ import annotations

import pytest

from windtunnel.spec.architecture import LLM, Architecture, Service
from windtunnel.spec.reading import parse
from windtunnel.spec.station import Station

from .sentences import sentences
from .worlds import ARCHITECTURE

EVERYTHING = parse(ARCHITECTURE, Architecture)
LIMIT = "    max_concurrency: 16\n"


def test_every_kind_but_the_queue_takes_requests_on_in_the_same_words() -> None:
    for name, part in EVERYTHING.components.items():
        assert isinstance(part, Station) == (name != "jobs")


def test_places_are_what_one_replica_works_on_at_once() -> None:
    places = {n: part.places for n, part in EVERYTHING.components.items() if isinstance(part, Station)}
    assert places == {
        "gateway": None, "app": 16, "search": None, "worker": None, "db": 8, "cache": None, "edge": None, "llm": 8,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("queue_limit: 40", "queue_limit: 1" + "0" * 10, "queue_limit: found 10000000000, expected a number of at"),
        ("burst: 20", "burst: 1e13", "rate_limit.burst: found 10000000000000.0, expected a number of at most 1e+12"),
        (LIMIT, "", "components.app.shed: found codel, expected max_concurrency: without it nobody waits"),
        (
            "processor_bound: true",
            "processor_bound: true}\n  more: {kind: service, discipline: priority",
            "components.more.discipline: found 'priority', expected max_concurrency: without it nobody waits",
        ),
        (
            "shed: {kind: adaptive",
            "max_concurrency: 4, shed: {kind: adaptive",
            "components.search.shed: found an adaptive limit and max_concurrency, expected one of the two",
        ),
        (
            "slots: 8\n",
            "slots: 8\n    shed: {kind: adaptive, latency_ms: 80}\n",
            "components.llm.shed: found an adaptive limit and slots, expected one of the two",
        ),
        ("slots: 8\n", "slots: 8\n    max_concurrency: 4\n", "components.llm.max_concurrency: found an unknown key"),
        ("discipline: priority", "discipline: preemptive", "components.llm.discipline: found 'preemptive', expected"),
        ("discipline: preemptive", "discipline: prioritty", "did you mean 'priority'?"),
        ("kind: codel", "kind: codl", "components.app.shed.kind: found 'codl', expected one of codel, deadline,"),
        ("target_ms: 20", "target_ms: -20", "components.app.shed.target_ms: found -20, expected a number above 0"),
        ("max_wait_ms: 500", "max_wait_ms: 0", "components.db.shed.max_wait_ms: found 0, expected a number above 0"),
        (
            "initial: 10, maximum: 50",
            "initial: 100, maximum: 50",
            "components.search.shed.initial: found 100, expected a number between minimum 1 and maximum 50",
        ),
        ("per_s: 100", "per_s: 0", "components.gateway.rate_limit.per_s: found 0, expected a number above 0"),
        ("burst: 20", "burst: 0.5", "components.gateway.rate_limit.burst: found 0.5, expected a number of at least 1"),
        ("per: tenant", "per: tenent", "did you mean 'tenant'?"),
        (
            "processor_bound: true",
            "processor_bound: true, cpu_ms: 3",
            "components.search.cpu_ms: found it beside processor_bound, expected one of the two",
        ),
        ("restart_s: 5", "restart_s: 0", "components.app.crash.restart_s: found 0, expected a number above 0"),
        ("queue_limit: 40", "queue_limit: -1", "components.app.queue_limit: found -1, expected a number of at least 0"),
    ],
)  # fmt: skip
def test_a_mistake_names_its_place(old: str, new: str, sentence: str) -> None:
    (only,) = sentences(ARCHITECTURE, old, new, Architecture)
    assert sentence in only


def test_what_old_files_say_means_what_it_meant() -> None:
    service = Service(kind="service", module="m", max_concurrency=4)
    assert (service.queue_limit, service.discipline, service.shed, service.places) == (None, "fifo", None, 4)
    llm = LLM.model_validate(
        {"kind": "llm", "slots": 2, "first_token_ms": 1, "token_ms": 1, "output_tokens": 1, "queue_limit": 3}
    )
    assert (llm.queue_limit, llm.prefill_ms_per_token, llm.batch_slowdown, llm.places) == (3, 0, 0, 2)
