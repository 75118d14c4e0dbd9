"""What each fault asks of Toxiproxy, and that it is not seen where nothing was changed."""

from __future__ import annotations

from typing import Any

import pytest

from windtunnel.chaos.canary import CannotShow, Exchange, Probe, Protocol, Sight, look
from windtunnel.chaos.faults.change import AddToxic, Disable
from windtunnel.chaos.faults.registry import REAL
from windtunnel.spec.fault import AnyFault

from ..conftest import Links
from .cases import CASES, fault


@pytest.mark.parametrize(
    ("asked", "type", "attributes"),
    [
        (fault("latency", latency_ms=500, jitter_ms=100), "latency", {"latency": 500, "jitter": 100}),
        (fault("bandwidth", rate_kb_per_s=7), "bandwidth", {"rate": 7}),
        (fault("blackhole", close_after_ms=9), "timeout", {"timeout": 9}),
        (fault("reset", after_ms=9), "reset_peer", {"timeout": 9}),
        (fault("slow_close", delay_ms=9), "slow_close", {"delay": 9}),
        (
            fault("fragmentation", size_bytes=9, variation_bytes=2, delay_us=3),
            "slicer",
            {"average_size": 9, "size_variation": 2, "delay": 3},
        ),
        (fault("truncation", bytes=9), "limit_data", {"bytes": 9}),
        (fault("toxic", type="whatever", attributes={"a": "b"}, toxicity=0.5), "whatever", {"a": "b"}),
    ],
)
def test_a_fault_is_a_toxic(asked: AnyFault, type: str, attributes: dict[str, object]) -> None:
    change = REAL[asked.kind](asked).change()
    assert isinstance(change, AddToxic)
    assert (change.type, dict(change.attributes), change.stream) == (type, attributes, "downstream")
    assert change.toxicity == (0.5 if asked.kind == "toxic" else 1)


def test_an_outage_is_a_disabled_proxy() -> None:
    assert REAL["outage"](fault("outage")).change() == Disable()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (fault("latency", latency_ms=0.5), "latency_ms: found 0.5, expected a whole number"),
        (fault("slow_close", delay_ms=1.5), "delay_ms"),
        (fault("fragmentation", size_bytes=5, variation_bytes=5), "variation_bytes: found 5"),
    ],
)
def test_what_toxiproxy_cannot_do_is_refused(asked: AnyFault, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        REAL[asked.kind](asked).change()


PROTOCOLS: tuple[Protocol, ...] = ("http", "postgres", "redis")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_effect_is_seen_where_nothing_was_changed(
    links: Links, protocol: Protocol, request: pytest.FixtureRequest
) -> None:
    proxy = links.add("app.0", "db.0", request.getfixturevalue(f"{protocol}_server"), protocol)
    for name, asked in CASES.items():
        side = REAL[asked.kind](asked)
        probe = side.probe(protocol, 500)
        assert isinstance(probe, Probe), name
        (before,), (now,) = (look([(proxy.listen, protocol)], probe) for _ in range(2))
        assert before.answered, name
        assert not side.effect(before, now).proven, name


@pytest.mark.parametrize(
    ("asked", "protocol", "reason"),
    [
        (fault("bandwidth", rate_kb_per_s=1_000_000), "http", "the largest canary over http"),
        (fault("truncation", bytes=10_000), "postgres", "the largest canary over postgres"),
        (fault("fragmentation", size_bytes=5000), "postgres", "too few for pieces of 5000"),
        (fault("fragmentation", size_bytes=5, stream="upstream"), "redis", "without a delay"),
        (fault("toxic", type="noop"), "redis", "toxic noop with no attributes"),
        (fault("toxic", type="latency", attributes={"latancy": 500}), "redis", "toxic latency with latancy=500"),
        (fault("toxic", type="timeout", toxicity=0.001), "redis", "passed by at a toxicity of 0.001"),
        (fault("toxic", type="timeout", toxicity=0), "redis", "passed by at a toxicity of 0"),
    ],
)
def test_what_no_canary_can_show_says_why(asked: AnyFault, protocol: Protocol, reason: str) -> None:
    probe = REAL[asked.kind](asked).probe(protocol, 3000)
    assert isinstance(probe, CannotShow)
    assert reason in probe.reason


def answered(ms: float) -> Exchange:
    return Exchange("answered", 0.1, ms, ms, None, 10, 10, 1)


def silent(ms: float) -> Exchange:
    return Exchange("timeout", 0.1, None, ms, None, 10, 0, 0)


@pytest.mark.parametrize(
    ("latency_ms", "before", "now", "proven"),
    [
        (500, [answered(0.4)], [answered(500.3)], True),
        (500, [answered(0.4)], [answered(420)], False),  # too early
        (500, [answered(400)], [answered(520)], False),  # slow already
        (500, [answered(400)], [answered(905)], True),  # slow already, and later by the latency
        (5, [answered(40)], [answered(45)], False),  # so slow already that this may be anything
        (500, [answered(0.4), answered(600)], [answered(501), answered(900)], True),  # the quickest count
        (500, [answered(0.4)] * 2, [answered(501), answered(0.4)], False),  # one got through
        (9000, [answered(0.4)], [silent(3000)], True),  # as much of it as a canary waits for
        (9000, [answered(0.4)], [answered(2000)], False),
        (9000, [answered(2900)], [silent(3000)], False),
        (500, [answered(0.4)], [Exchange("reset", 0.1, None, 500)], False),  # that is another fault
        (1, [answered(0.4)], [answered(1.5)], True),
    ],
)
def test_latency_is_told_from_noise(
    latency_ms: float, before: list[Exchange], now: list[Exchange], proven: bool
) -> None:
    side = REAL["latency"](fault("latency", latency_ms=latency_ms))
    assert side.effect(Sight(tuple(before), 3000), Sight(tuple(now), 3000)).proven is proven


@pytest.mark.parametrize(
    ("kind", "settings", "now", "proven"),
    [
        ("blackhole", {}, silent(1000), True),
        ("blackhole", {}, Exchange("closed", 0.1, None, 900), False),
        ("blackhole", {}, Exchange("timeout", 0.1, 3, 1000, None, 10, 5, 1), False),
        ("blackhole", {}, Exchange("timeout", None, None, 1000), False),
        ("blackhole", {"close_after_ms": 200}, Exchange("closed", 0.1, None, 201), True),
        ("blackhole", {"close_after_ms": 200}, Exchange("closed", 0.1, None, 20), False),
        ("blackhole", {"close_after_ms": 200}, silent(1000), False),
        ("blackhole", {"close_after_ms": 5000}, silent(1000), True),
        ("reset", {}, Exchange("reset", 0.1, None, 1), True),
        ("reset", {}, Exchange("closed", 0.1, None, 1), False),
        ("reset", {"after_ms": 200}, Exchange("reset", 0.1, None, 20), False),
        ("reset", {"after_ms": 5000}, silent(1000), True),
        ("outage", {}, Exchange("refused", None, None, 0.1), True),
        ("outage", {}, Exchange("closed", 0.1, None, 0.2), True),
        ("outage", {}, Exchange("closed", 0.1, 0.2, 0.3, None, 10, 3, 1), False),
        ("outage", {}, silent(1000), False),
        ("truncation", {"bytes": 5}, Exchange("closed", 0.1, 0.2, 0.3, None, 10, 5, 1), True),
        ("truncation", {"bytes": 5}, Exchange("closed", 0.1, 0.2, 0.3, None, 10, 6, 1), False),
        ("truncation", {"bytes": 5}, answered(1), False),
    ],
)
def test_ends_are_told_apart(kind: str, settings: dict[str, Any], now: Exchange, proven: bool) -> None:
    side = REAL[kind](fault(kind, **settings))
    assert side.effect(Sight((answered(0.4),), 1000), Sight((now,), 1000)).proven is proven
