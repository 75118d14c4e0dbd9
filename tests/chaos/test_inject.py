"""Faults on real wires: real Toxiproxy, real servers behind it. Only the lease is one that merely remembers."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import httpx
import pytest

from windtunnel.chaos.canary import MOST_BYTES, Probe, Protocol, exchange
from windtunnel.chaos.capabilities import HttpCall
from windtunnel.chaos.inject import NotHealed, NotInjected, inject, undoable
from windtunnel.chaos.toxiproxy import Toxiproxy
from windtunnel.harness.stack.supervision import Supervisor
from windtunnel.spec.fault import AnyFault

from .conftest import Links
from .faults.cases import CASES, fault

PROTOCOLS: tuple[Protocol, ...] = ("http", "postgres", "redis")


@pytest.fixture
def clock() -> Callable[[], float]:
    zero = time.monotonic()
    return lambda: time.monotonic() - zero


@pytest.fixture
def link(links: Links, http_server: str) -> Links:
    """One link, app.0 to db.0, over HTTP."""
    links.add("app.0", "db.0", http_server)
    return links


def untouched(api: Toxiproxy) -> bool:
    return all(proxy.enabled and proxy.toxics == () for proxy in api.proxies().values())


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", CASES)
def test_each_fault_is_felt_and_healed(
    links: Links, name: str, protocol: Protocol, request: pytest.FixtureRequest, clock: Callable[[], float]
) -> None:
    links.add("app.0", "db.0", request.getfixturevalue(f"{protocol}_server"), protocol)
    with inject(CASES[name], links, clock=clock, patience_ms=600) as injected:
        assert not untouched(links.api)
        links.api.reset()
        injected.check()
    assert not injected.injection.proven
    assert untouched(links.api)
    assert links.leases[0].released
    felt, missed, gone, healed = injected.evidence
    assert (felt.proven, missed.proven, gone.proven, healed.proven) == (True, False, False, True), injected.evidence


def test_a_whole_life(link: Links, clock: Callable[[], float]) -> None:
    asked = fault("latency", latency_ms=100)
    with inject(asked, link, clock=clock, ttl_s=30) as injected:
        during = exchange(link.proxies[0].listen, "http", Probe())
        assert injected.check().proven, injected.evidence
        injected.renew()
        injected.renew(90)
        with pytest.raises(RuntimeError, match="not been healed"):
            _ = injected.injection
        with pytest.raises(RuntimeError, match="not been healed"):
            injected.confirm()
    assert during.end_ms >= 100
    assert link.leases[0].renewals == [30, 90]
    record = injected.injection
    assert record.fault == "latency app->db"
    assert 0 < record.injected_at_s < record.healed_at_s <= clock()
    assert record.proven, record
    assert [evidence.proven for evidence in record.evidence] == [True] * 4  # at first, check, before and after healing
    assert "app.0~db.0: the first byte came after 10" in record.evidence[0].what
    injected.heal()  # twice is once
    injected.confirm()
    assert injected.injection == record
    with pytest.raises(RuntimeError, match="has been healed"):
        injected.check()


def test_the_lease_is_signed_before_anything_changes(links: Links, http_server: str) -> None:
    links.add("app.0", "db.0", http_server)
    links.add("app.1", "db.0", http_server)
    seen: list[bool] = []
    sign = links.lease

    def lease(heal: tuple[HttpCall, ...], ttl_s: float) -> object:
        seen.append(untouched(links.api))
        return sign(heal, ttl_s)

    links.lease = lease  # type: ignore[method-assign, assignment]
    with inject(fault("outage"), links, clock=time.monotonic):
        assert seen == [True]
        assert not untouched(links.api)


@pytest.mark.parametrize("name", ["latency", "outage", "toxic slicer"])
def test_what_the_lease_holds_undoes_it(links: Links, http_server: str, name: str) -> None:
    for replica in range(2):
        links.add(f"app.{replica}", "db.0", http_server)
    with inject(CASES[name], links, clock=time.monotonic) as injected:
        assert not untouched(links.api)
        for call in links.leases[0].heal:
            httpx.request(call.method, call.url, json=call.json, trust_env=False).raise_for_status()
        assert untouched(links.api)
        assert not injected.check().proven


def test_a_lease_that_runs_out_ends_the_fault_and_the_evidence_says_so(
    link: Links, supervisor: Supervisor, clock: Callable[[], float]
) -> None:
    link.lease = supervisor.lease  # type: ignore[method-assign, assignment]
    with inject(fault("outage"), link, clock=clock, ttl_s=0.5) as injected:
        assert injected.proven, injected.evidence
        deadline = time.monotonic() + 10
        while not untouched(link.api):
            assert time.monotonic() < deadline, "the supervisor did not heal"
            time.sleep(0.02)
        assert "the proxy is enabled" in injected.check().what
    assert not injected.injection.proven


def test_all_replicas_or_one(links: Links, http_server: str, clock: Callable[[], float]) -> None:
    for replica in range(3):
        links.add(f"app.{replica}", "db.0", http_server)
    links.add("client.0", "app.0", http_server)
    with inject(fault("latency", latency_ms=50), links, clock=clock) as injected:
        touched = {name for name, proxy in links.api.proxies().items() if proxy.toxics}
        assert touched == {"app.0~db.0", "app.1~db.0", "app.2~db.0"}
        assert injected.proven, injected.evidence
        links.api.update_toxic("app.1~db.0", links.api.toxics("app.1~db.0")[0].name, {"latency": 0})
        assert "app.1~db.0: asked latency 50, found 0" in injected.check().what
    with inject(fault("outage", target="app.1->db"), links, clock=clock) as injected:
        assert [name for name, proxy in links.api.proxies().items() if not proxy.enabled] == ["app.1~db.0"]
        assert injected.proven, injected.evidence
    assert injected.injection.proven, injected.evidence


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            fault("toxic", type="latency", attributes={"latancy": 500}),
            "latency has no attribute 'latancy', did you mean 'latency'?",
        ),
        (
            fault("toxic", type="latency", attributes={"latency": 80, "jiter": 1}),
            "latency has no attribute 'jiter', did you mean 'jitter'?",
        ),
        (fault("toxic", type="latency", attributes={"latency": 0}), "no canary shows a toxic latency with latency=0"),
        (fault("toxic", type="noop"), "no canary shows a toxic noop"),
        (fault("bandwidth", rate_kb_per_s=1_000_000), "the largest canary over http"),
    ],
)
def test_what_has_no_effect_is_not_proven(link: Links, clock: Callable[[], float], asked: AnyFault, said: str) -> None:
    with inject(asked, link, clock=clock) as injected:
        assert not injected.proven
    assert said in injected.evidence[0].what
    assert not injected.injection.proven
    assert untouched(link.api)


def test_a_link_that_was_dead_before_proves_nothing(links: Links, clock: Callable[[], float]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        links.add("app.0", "db.0", f"127.0.0.1:{unused.getsockname()[1]}")
        with inject(fault("outage"), links, clock=clock) as injected:
            assert not injected.proven
    assert "already before the fault a canary was " in injected.evidence[0].what


def test_a_disabled_proxy_hides_a_toxic(link: Links, clock: Callable[[], float]) -> None:
    with inject(fault("latency", latency_ms=50), link, clock=clock) as injected:
        link.api.update("app.0~db.0", enabled=False)
        assert "the proxy is disabled" in injected.check().what
        link.api.update("app.0~db.0", enabled=True)
        assert injected.check().proven, injected.evidence


def test_an_exception_inside_heals(link: Links, clock: Callable[[], float]) -> None:
    with pytest.raises(KeyboardInterrupt), inject(fault("outage"), link, clock=clock):
        raise KeyboardInterrupt
    assert untouched(link.api)
    assert link.log == ["lease", "release"]


def test_a_toxic_that_is_refused_leaves_nothing(links: Links, http_server: str, clock: Callable[[], float]) -> None:
    for replica in range(2):
        links.add(f"app.{replica}", "db.0", http_server)
    with pytest.raises(NotInjected, match="invalid toxic type") as caught:
        inject(fault("toxic", type="lateness"), links, clock=clock).__enter__()
    assert not caught.value.still_there
    assert untouched(links.api)
    assert links.log == ["lease", "release"]


def test_a_second_proxy_that_fails_takes_the_first_back(
    links: Links, http_server: str, clock: Callable[[], float]
) -> None:
    for replica in range(2):
        links.add(f"app.{replica}", "db.0", http_server)
    links.api.delete("app.1~db.0")
    with pytest.raises(NotInjected, match="proxy not found"):
        inject(fault("latency", latency_ms=5), links, clock=clock).__enter__()
    assert untouched(links.api)


def test_no_such_link(link: Links, clock: Callable[[], float]) -> None:
    with pytest.raises(ValueError, match="found no link app->llm, expected one of app->db"):
        inject(fault("outage", target="app->llm"), link, clock=clock)
    assert link.log == []


def test_a_fault_that_only_the_model_knows_is_refused(link: Links, clock: Callable[[], float]) -> None:
    asked = [fault("outage"), fault("kill", target="db.0"), fault("zone_outage", target="north")]
    assert [str(problem).partition(", expected ")[0] for problem in undoable(asked)] == [
        "faults[1].kill: found kill db.0, which only the model knows",
        "faults[2].zone_outage: found zone_outage north, which only the model knows",
    ]
    assert undoable(list(CASES.values())) == []
    with pytest.raises(ValueError, match=r"found kill db\.0, which only the model knows, expected a fault on a link"):
        inject(asked[1], link, clock=clock)
    assert link.log == []


def test_two_faults_on_one_link(link: Links, clock: Callable[[], float]) -> None:
    with (
        inject(fault("latency", latency_ms=60), link, clock=clock) as first,
        inject(fault("latency", latency_ms=60), link, clock=clock) as second,
    ):
        assert exchange(link.proxies[0].listen, "http", Probe()).end_ms >= 120
    assert first.injection.proven, first.evidence
    assert second.injection.proven, second.evidence
    assert untouched(link.api)


def test_faults_that_end_together_are_healed_before_one_is_confirmed(link: Links, clock: Callable[[], float]) -> None:
    with (
        inject(fault("latency", latency_ms=20), link, clock=clock) as late,
        inject(fault("blackhole"), link, clock=clock) as silent,
    ):
        start_s = time.monotonic()
        late.heal()
        silent.heal()
        assert time.monotonic() - start_s < 1, "a canary waited in the black hole"
        assert untouched(link.api)
        late.confirm()
    for injected in (late, silent):
        assert injected.injection.evidence[-1].what.startswith("healed: app.0~db.0: answered in")
    assert late.injection.proven, late.evidence


def test_a_link_that_stays_ill_is_told_as_such(links: Links, http_server: str, clock: Callable[[], float]) -> None:
    behind = links.add("db.0", "disk.0", http_server)
    links.add("app.0", "db.0", behind.listen)
    with inject(fault("latency", latency_ms=20), links, clock=clock, heal_within_s=0.3) as injected:
        links.api.update(behind.name, enabled=False)
    assert injected.injection.proven  # the fault was; what is ill now is the service, and the objectives' affair
    assert injected.evidence[-1].what.startswith("healed, but app.0~db.0: a canary was ")
    assert links.leases[0].released  # what we did is undone; the rest is the link's own


def test_a_reset_that_is_under_way_holds_the_heal_up_and_no_longer(link: Links, clock: Callable[[], float]) -> None:
    host, _, port = link.proxies[0].listen.rpartition(":")
    with (
        inject(fault("reset", after_ms=700), link, clock=clock, heal_within_s=0.5) as injected,
        socket.create_connection((host, int(port))) as connection,
    ):
        connection.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        injected.heal()
    assert injected.injection.proven, injected.evidence
    assert untouched(link.api)


def test_healing_that_nobody_confirms_is_an_error_and_keeps_the_lease(link: Links, clock: Callable[[], float]) -> None:
    host, _, port = link.proxies[0].listen.rpartition(":")
    with inject(fault("outage"), link, clock=clock, heal_within_s=0.3) as injected:
        with (
            socket.create_server((host, int(port))),  # the proxy cannot come up again
            pytest.raises(NotHealed, match=r"outage app->db is still in force on app.0~db.0: .* in use") as caught,
        ):
            injected.heal()
        assert caught.value.still_there
        assert link.log == ["lease"]
    assert link.log == ["lease", "release"]
    assert untouched(link.api)


def test_the_largest_truncation_that_can_be_shown(
    links: Links, postgres_server: str, clock: Callable[[], float]
) -> None:
    links.add("app.0", "db.0", postgres_server, "postgres")
    size = MOST_BYTES["postgres"] - 1
    with inject(fault("truncation", bytes=size), links, clock=clock) as injected:
        assert injected.proven, injected.evidence
