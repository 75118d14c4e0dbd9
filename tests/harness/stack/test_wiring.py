from __future__ import annotations

from itertools import count

import pytest

from windtunnel.harness.stack.errors import StackError
from windtunnel.harness.stack.wiring import wire
from windtunnel.spec.architecture import Architecture
from windtunnel.spec.deployment import Deployment

COMPONENTS = {
    "gateway": {"kind": "gateway"},
    "app": {"kind": "service", "module": "m"},
    "auth": {"kind": "service", "module": "m"},
    "db": {"kind": "database"},
    "cache": {"kind": "cache"},
}


def drawing(*links: str, components: tuple[str, ...] = tuple(COMPONENTS)) -> Architecture:
    pairs = [link.split("->") for link in links]
    return Architecture.model_validate(
        {
            "name": "drawn",
            "components": {name: COMPONENTS[name] for name in components},
            "links": [{"from": caller, "to": callee, "timeout_ms": 1000} for caller, callee in pairs],
            "flows": {"f": {"request": {"path": "/"}, "steps": [{"call": pairs[0][1]}]}},
        }
    )


def placed(**replicas: int) -> Deployment:
    return Deployment.model_validate(
        {
            "name": "laptop",
            "hosts": {"laptop": {"cores": 2}},
            "place": {name: {"replicas": number} for name, number in replicas.items()},
        }
    )


def addresses() -> object:
    numbers = count(1000)
    return lambda: f"127.0.0.1:{next(numbers)}"


LINKS = ("client->gateway", "gateway->app", "app->auth", "app->db", "app->cache")


def test_every_link_is_a_proxy_per_calling_replica_and_called_instance() -> None:
    wiring = wire(drawing(*LINKS), placed(app=2, auth=2), addresses())  # type: ignore[arg-type]
    assert [proxy.name for proxy in wiring.proxies] == [
        "client.0~gateway.0",
        "gateway.0~app.0",
        "gateway.0~app.1",
        "app.0~auth.0",
        "app.0~auth.1",
        "app.1~auth.0",
        "app.1~auth.1",
        "app.0~db.0",
        "app.1~db.0",
        "app.0~cache.0",
        "app.1~cache.0",
    ]
    listens = [proxy.listen for proxy in wiring.proxies]
    assert len({*listens, *wiring.addresses.values()}) == len(listens) + len(wiring.addresses)
    assert all(proxy.upstream == wiring.addresses[proxy.callee] for proxy in wiring.proxies)
    assert {proxy.callee: proxy.protocol for proxy in wiring.proxies} == {
        "gateway.0": "http",
        "app.0": "http",
        "app.1": "http",
        "auth.0": "http",
        "auth.1": "http",
        "db.0": "postgres",
        "cache.0": "redis",
    }


def test_a_gateway_has_all_replicas_behind_it_and_another_caller_one() -> None:
    wiring = wire(drawing(*LINKS), placed(app=3, auth=2), addresses())  # type: ignore[arg-type]
    listen = {proxy.name: proxy.listen for proxy in wiring.proxies}
    assert wiring.behind("gateway.0", "app") == tuple(listen[f"gateway.0~app.{i}"] for i in range(3))
    assert [wiring.route(f"app.{i}", "auth") for i in range(3)] == [
        listen["app.0~auth.0"],
        listen["app.1~auth.1"],
        listen["app.2~auth.0"],
    ]


@pytest.mark.parametrize(
    ("links", "deployment", "sentence"),
    [
        (("client->app", "client->gateway", "gateway->app"), placed(), "found 2 links from client, expected one"),
        (("client->app",), placed(app=2), "found 2 replicas of app, expected 1, or a gateway before it"),
        (("client->app", "app->db"), placed(db=2), "found 2 replicas of db, expected 1: a database is not replicated"),
        (("client->gateway",), placed(), "found 0 links from the gateway gateway, expected one"),
        (("client->app",), placed(ap=2), "found ap placed by laptop, expected components of drawn"),
    ],
)
def test_what_cannot_run_is_refused_in_a_sentence(
    links: tuple[str, ...], deployment: Deployment, sentence: str
) -> None:
    named = tuple({name: None for link in links for name in link.split("->") if name != "client"})
    with pytest.raises(StackError, match=sentence):
        wire(drawing(*links, components=named), deployment, addresses())  # type: ignore[arg-type]
