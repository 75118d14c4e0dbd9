"""The client of the control API, against the real server."""

from __future__ import annotations

import socket
from typing import Any

import httpx
import pytest

from windtunnel.chaos.toxiproxy import (
    TOXICS,
    AlreadyExists,
    BadRequest,
    NewProxy,
    NotFound,
    PartlyPopulated,
    Rejected,
    ServerFailed,
    Toxiproxy,
    ToxiproxyError,
    Unanswered,
    Unreachable,
)

ANY_PORT = "127.0.0.1:0"


def status_through(listen: str) -> int:
    return httpx.get(f"http://{listen}/healthz", timeout=5, trust_env=False).status_code


def test_version(api: Toxiproxy) -> None:
    assert api.version() == "2.12.0"


def test_a_proxy_lives_and_dies(api: Toxiproxy, http_server: str) -> None:
    made = api.create("app.0~llm.0", ANY_PORT, http_server)
    assert not made.listen.endswith(":0")
    assert made.enabled
    assert made.toxics == ()
    assert status_through(made.listen) == 200
    assert api.proxy("app.0~llm.0") == made
    assert api.proxies() == {"app.0~llm.0": made}

    down = api.update("app.0~llm.0", enabled=False)
    assert not down.enabled
    with pytest.raises(httpx.ConnectError):
        status_through(made.listen)
    assert api.update("app.0~llm.0", enabled=True) == made

    api.delete("app.0~llm.0")
    assert api.proxies() == {}


def test_a_name_that_needs_escaping(api: Toxiproxy) -> None:
    api.create("a b?c#d%e", ANY_PORT, "127.0.0.1:1")
    api.add_toxic("a b?c#d%e", "latency", {"latency": 1}, name="x?y z")
    assert api.toxic("a b?c#d%e", "x?y z").attributes["latency"] == 1
    api.delete("a b?c#d%e")


def test_update_moves_a_proxy_and_keeps_its_toxics(api: Toxiproxy, http_server: str) -> None:
    api.create("p", ANY_PORT, "127.0.0.1:1")
    api.add_toxic("p", "latency", {"latency": 1})
    moved = api.update("p", upstream=http_server)
    assert moved.upstream == http_server
    assert moved.toxic("latency_downstream") is not None
    assert status_through(moved.listen) == 200


VALUES = {name: {key: number for number, key in enumerate(keys, start=5)} for name, keys in TOXICS.items()}


@pytest.mark.parametrize("type", [name for name in TOXICS if name != "noop"])
def test_every_toxic_by_its_name_and_attributes(api: Toxiproxy, type: str) -> None:
    api.create("p", ANY_PORT, "127.0.0.1:1")
    values: dict[str, Any] = VALUES[type]
    added = api.add_toxic("p", type, values, stream="upstream", toxicity=0.25)
    assert (added.name, added.type, added.stream, added.toxicity) == (f"{type}_upstream", type, "upstream", 0.25)
    assert added.attributes == values
    assert api.toxics("p") == (added,)
    assert api.proxy("p").toxics == (added,)

    first = next(iter(values))
    changed = api.update_toxic("p", added.name, {first: 77}, toxicity=0.5)
    assert changed.attributes == values | {first: 77}
    assert changed.toxicity == 0.5
    assert api.toxic("p", added.name) == changed

    api.remove_toxic("p", added.name)
    assert api.toxics("p") == ()


def test_noop_is_a_toxic(api: Toxiproxy) -> None:
    api.create("p", ANY_PORT, "127.0.0.1:1")
    assert api.add_toxic("p", "noop", {}).attributes == {}


def test_defaults_names_and_order(api: Toxiproxy) -> None:
    api.create("p", ANY_PORT, "127.0.0.1:1")
    api.add_toxic("p", "bandwidth", {"rate": 9})
    api.add_toxic("p", "latency", {"latency": 1}, name="late")
    api.add_toxic("p", "latency", {"latency": 1}, stream="upstream")
    assert [toxic.name for toxic in api.toxics("p")] == ["latency_upstream", "bandwidth_downstream", "late"]
    assert [toxic.toxicity for toxic in api.toxics("p")] == [1.0, 1.0, 1.0]


def test_a_misspelt_attribute_is_only_seen_in_the_answer(api: Toxiproxy) -> None:
    api.create("p", ANY_PORT, "127.0.0.1:1")
    assert api.add_toxic("p", "latency", {"latancy": 500}).attributes == {"latency": 0, "jitter": 0}


def test_populate_and_reset(api: Toxiproxy, http_server: str) -> None:
    one = NewProxy("one", ANY_PORT, http_server)
    made = api.populate([one, NewProxy("two", ANY_PORT, http_server, enabled=False)])
    assert [proxy.enabled for proxy in made] == [True, False]
    again = api.populate([NewProxy("one", made[0].listen, http_server)])
    assert again == (made[0],)

    api.add_toxic("one", "timeout", {"timeout": 0})
    api.update("two", enabled=False)
    api.reset()
    assert all(proxy.enabled and proxy.toxics == () for proxy in api.proxies().values())


def test_populate_says_what_it_kept(api: Toxiproxy) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PartlyPopulated) as caught:
            api.populate([NewProxy("one", ANY_PORT, "x:1"), NewProxy("two", f"127.0.0.1:{port}", "x:1")])
    assert [proxy.name for proxy in caught.value.kept] == ["one"]
    assert not caught.value.did_not_happen
    assert list(api.proxies()) == ["one"]


def test_metrics_count_bytes_of_closed_connections(api: Toxiproxy, http_server: str) -> None:
    listen = api.create("counted", ANY_PORT, http_server).listen
    assert status_through(listen) == 200
    assert "toxiproxy_proxy_received_bytes_total" in api.metrics()


@pytest.mark.parametrize(
    ("ask", "kind", "message"),
    [
        (lambda api: api.proxy("none"), NotFound, "proxy not found"),
        (lambda api: api.delete("none"), NotFound, "proxy not found"),
        (lambda api: api.update("none", enabled=False), NotFound, "proxy not found"),
        (lambda api: api.toxic("p", "none"), NotFound, "toxic not found"),
        (lambda api: api.remove_toxic("p", "none"), NotFound, "toxic not found"),
        (lambda api: api.update_toxic("p", "none", {}), NotFound, "toxic not found"),
        (lambda api: api.create("p", ANY_PORT, "x:1"), AlreadyExists, "proxy already exists"),
        (lambda api: api.add_toxic("p", "latency", {}, name="there"), AlreadyExists, "toxic already exists"),
        (lambda api: api.create("", ANY_PORT, "x:1"), BadRequest, "missing required field: name"),
        (lambda api: api.create("q", ANY_PORT, ""), BadRequest, "missing required field: upstream"),
        (lambda api: api.populate([NewProxy("", "", "")]), BadRequest, "name at proxy 1"),
        (lambda api: api.add_toxic("p", "lateness", {}), BadRequest, "invalid toxic type"),
        (lambda api: api.add_toxic("p", "latency", {}, stream="sideways"), BadRequest, "stream was invalid"),
        (lambda api: api.add_toxic("p", "latency", {"latency": 0.5}), BadRequest, "bad request body"),
        (lambda api: api.create("q", "127.0.0.1:99999", "x:1"), ServerFailed, "99999"),
    ],
)
def test_errors(api: Toxiproxy, ask: Any, kind: type[Rejected], message: str) -> None:
    api.create("p", ANY_PORT, "127.0.0.1:1")
    api.add_toxic("p", "latency", {}, name="there")
    with pytest.raises(Rejected) as caught:
        ask(api)
    assert type(caught.value) is kind
    assert message in str(caught.value)
    assert caught.value.did_not_happen == (kind is not ServerFailed)
    assert list(api.proxies()) == ["p"]
    assert [toxic.name for toxic in api.toxics("p")] == ["there"]


def test_nobody_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with Toxiproxy(url) as api, pytest.raises(Unreachable) as caught:
            api.version()
    assert caught.value.did_not_happen


def test_no_answer_in_time() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Toxiproxy(url, timeout_s=0.2) as api, pytest.raises(Unanswered) as caught:
            api.reset()
    assert not caught.value.did_not_happen


def test_something_that_is_not_toxiproxy(http_server: str) -> None:
    with Toxiproxy(f"http://{http_server}") as api, pytest.raises(ToxiproxyError, match="is this Toxiproxy"):
        api.version()
