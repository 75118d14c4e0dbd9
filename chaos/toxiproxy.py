"""A client for the control API of Toxiproxy (2.12 line): every route, typed. Used by faults, by the stack and by tests.

ToxiproxyError                something went wrong; ``did_not_happen`` says whether the operation surely had no effect
    Unreachable               no connection: it did not happen
    Unanswered                sent, and no (intelligible) answer came: it may have happened
    Rejected                  the server answered with an error
        BadRequest            400: it did not happen
        NotFound              404, no such proxy, toxic or route: it did not happen
        AlreadyExists         409: it did not happen
        ServerFailed          5xx, such as an address that cannot be bound: it may have happened in part
            PartlyPopulated   populate stopped in the middle; ``kept`` are the proxies that stayed

Source: github.com/Shopify/toxiproxy, api.go and toxic_collection.go of v2.12.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self
from urllib.parse import quote

import httpx

Stream = Literal["downstream", "upstream"]

TOXICS: Mapping[str, tuple[str, ...]] = {
    "latency": ("latency", "jitter"),
    "bandwidth": ("rate",),
    "slow_close": ("delay",),
    "timeout": ("timeout",),
    "reset_peer": ("timeout",),
    "slicer": ("average_size", "size_variation", "delay"),
    "limit_data": ("bytes",),
    "noop": (),
}
"""The eight toxics and their attributes: milliseconds, but rate in kilobytes a second, slicer.delay in
microseconds, sizes in bytes; whole numbers all. The server ignores any other attribute and says nothing."""


class ToxiproxyError(Exception):
    """Something went wrong with the control API."""

    did_not_happen: bool
    """True: the operation surely had no effect. False: it may have had one."""


class Unreachable(ToxiproxyError):
    """No connection to the control API could be made."""

    did_not_happen = True


class Unanswered(ToxiproxyError):
    """The request was sent; no answer came in time, or none that Toxiproxy would give."""

    did_not_happen = False


class Rejected(ToxiproxyError):
    """The server answered with an error; ``status`` is the HTTP status, ``message`` what it said."""

    did_not_happen = True

    def __init__(self, operation: str, status: int, message: str) -> None:
        """Keep what was asked, and what came back."""
        self.status = status
        self.message = message
        super().__init__(f"{operation}: Toxiproxy answered {status}: {message}")


class BadRequest(Rejected):
    """400: a missing field, an unknown type of toxic, a wrong stream, a value of the wrong type."""


class NotFound(Rejected):
    """404: no such proxy or toxic, or a route that is switched off (metrics)."""


class AlreadyExists(Rejected):
    """409: the name of a proxy or a toxic is taken."""


class ServerFailed(Rejected):
    """5xx: an address that cannot be bound or looked up, or a handler that took longer than 25 s."""

    did_not_happen = False


class PartlyPopulated(ServerFailed):
    """``populate`` stopped in the middle; ``kept`` are the proxies that it had made by then."""

    def __init__(self, operation: str, status: int, message: str, kept: tuple[ProxyState, ...]) -> None:
        """Keep the proxies beside the message."""
        super().__init__(operation, status, message)
        self.kept = kept


_REJECTIONS: Mapping[int, type[Rejected]] = {400: BadRequest, 404: NotFound, 409: AlreadyExists}


@dataclass(frozen=True)
class ToxicState:
    """A toxic as the server has it."""

    name: str
    type: str
    stream: str
    """As it was given: ``downstream`` or ``upstream``, in any case."""
    toxicity: float
    """Share of the connections that it takes, drawn by the server once a connection (a float32)."""
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class ProxyState:
    """A proxy as the server has it."""

    name: str
    listen: str
    """host:port, a port 0 resolved once the proxy has been started."""
    upstream: str
    enabled: bool
    toxics: tuple[ToxicState, ...]
    """Upstream ones first, then downstream ones, each in the order they were added."""

    def toxic(self, name: str) -> ToxicState | None:
        """The toxic of that name, or None."""
        return next((toxic for toxic in self.toxics if toxic.name == name), None)


@dataclass(frozen=True)
class NewProxy:
    """What ``populate`` is given."""

    name: str
    listen: str
    upstream: str
    enabled: bool = True


class Toxiproxy:
    """The control API at ``url`` (``http://127.0.0.1:8474``). Every method raises ToxiproxyError.

    May be used by several threads. ``timeout_s`` bounds connecting, and each wait for bytes.
    """

    def __init__(self, url: str, timeout_s: float = 5) -> None:
        """Nothing is sent yet. ``trust_env`` is off: a proxy of the environment must not see control traffic."""
        self.url = url.rstrip("/")
        self._http = httpx.Client(base_url=self.url, timeout=timeout_s, trust_env=False)

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._http.close()

    def __enter__(self) -> Self:
        """Use it in a ``with``."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def version(self) -> str:
        """``2.12.0``."""
        return str(_field(self._object("GET", "/version"), "version"))

    def proxies(self) -> dict[str, ProxyState]:
        """All proxies by name."""
        return {name: _proxy(state) for name, state in self._object("GET", "/proxies").items()}

    def proxy(self, name: str) -> ProxyState:
        """One proxy."""
        return _proxy(self._object("GET", proxy_path(name)))

    def create(self, name: str, listen: str, upstream: str, enabled: bool = True) -> ProxyState:
        """A new proxy; port 0 in ``listen`` comes back resolved (of an enabled one). ``upstream`` is not looked up."""
        body = {"name": name, "listen": listen, "upstream": upstream, "enabled": enabled}
        return _proxy(self._object("POST", "/proxies", body))

    def populate(self, proxies: Iterable[NewProxy]) -> tuple[ProxyState, ...]:
        """Make them all; one that exists is replaced only if its listen or upstream differs.

        The server checks all first (BadRequest: none was made), then makes one after the other: PartlyPopulated
        when one fails.
        """
        body = [{"name": p.name, "listen": p.listen, "upstream": p.upstream, "enabled": p.enabled} for p in proxies]
        response = self._send("POST", "/populate", body)
        if response.is_server_error:
            answer = _json(response) or {}
            kept = tuple(_proxy(state) for state in answer.get("proxies") or ())
            raise PartlyPopulated("POST /populate", response.status_code, _message(response), kept)
        return tuple(_proxy(state) for state in _field(_checked(response), "proxies") or ())

    def update(
        self, name: str, *, listen: str | None = None, upstream: str | None = None, enabled: bool | None = None
    ) -> ProxyState:
        """Change what is given. Another listen or upstream, or ``enabled=False``, drops all open connections."""
        body = {"listen": listen, "upstream": upstream, "enabled": enabled}
        return _proxy(
            self._object("PATCH", proxy_path(name), {key: item for key, item in body.items() if item is not None})
        )

    def delete(self, name: str) -> None:
        """Stop a proxy and forget it."""
        self._ask("DELETE", proxy_path(name))

    def toxics(self, proxy: str) -> tuple[ToxicState, ...]:
        """All toxics of a proxy, upstream ones first."""
        answer = _checked(self._send("GET", f"{proxy_path(proxy)}/toxics"))
        return tuple(_toxic(state) for state in answer)

    def toxic(self, proxy: str, name: str) -> ToxicState:
        """One toxic."""
        return _toxic(self._object("GET", toxic_path(proxy, name)))

    def add_toxic(
        self,
        proxy: str,
        type: str,
        attributes: Mapping[str, Any],
        *,
        stream: Stream = "downstream",
        toxicity: float = 1.0,
        name: str | None = None,
    ) -> ToxicState:
        """Add one of TOXICS at the end of its stream's chain; ``name`` is ``<type>_<stream>`` if not given.

        Look at the attributes of the answer: the server ignores one that it does not know.
        """
        body: dict[str, Any] = {"type": type, "attributes": dict(attributes), "stream": stream, "toxicity": toxicity}
        return _toxic(self._object("POST", f"{proxy_path(proxy)}/toxics", body | ({"name": name} if name else {})))

    def update_toxic(
        self, proxy: str, name: str, attributes: Mapping[str, Any], *, toxicity: float | None = None
    ) -> ToxicState:
        """Change attributes (those not given stay as they are) and toxicity; stream and type cannot change."""
        body: dict[str, Any] = {"attributes": dict(attributes)}
        return _toxic(
            self._object("PATCH", toxic_path(proxy, name), body | ({} if toxicity is None else {"toxicity": toxicity}))
        )

    def remove_toxic(self, proxy: str, name: str) -> None:
        """Take a toxic away. The server answers once every open connection has let go of it."""
        self._ask("DELETE", toxic_path(proxy, name))

    def reset(self) -> None:
        """Enable all proxies and remove all toxics."""
        self._ask("POST", "/reset")

    def metrics(self) -> str:
        """Prometheus text. NotFound unless the server runs with -proxy-metrics or -runtime-metrics."""
        return self._ask("GET", "/metrics").text

    def _object(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        answer = _checked(self._send(method, path, body))
        if not isinstance(answer, dict):
            raise Unanswered(f"{method} {path}: found {type(answer).__name__}, expected an object")
        return answer

    def _ask(self, method: str, path: str) -> httpx.Response:
        response = self._send(method, path)
        _raise_for(response)
        return response

    def _send(self, method: str, path: str, body: object = None) -> httpx.Response:
        operation = f"{method} {self.url}{path}"
        try:
            return self._http.request(method, path, json=body)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
            raise Unreachable(f"{operation}: {error or type(error).__name__}") from error
        except httpx.TransportError as error:
            raise Unanswered(f"{operation}: {error or type(error).__name__}") from error


def proxy_path(proxy: str) -> str:
    """The route of a proxy: ``/proxies/app.0~llm.0``."""
    return f"/proxies/{quote(proxy, safe='')}"


def toxic_path(proxy: str, toxic: str) -> str:
    """The route of a toxic: ``/proxies/app.0~llm.0/toxics/latency_downstream``."""
    return f"{proxy_path(proxy)}/toxics/{quote(toxic, safe='')}"


def _checked(response: httpx.Response) -> Any:
    _raise_for(response)
    answer = _json(response)
    if answer is None:
        raise Unanswered(f"{_operation(response)}: found {response.text[:80]!r}, expected JSON: is this Toxiproxy?")
    return answer


def _raise_for(response: httpx.Response) -> None:
    if response.is_success:
        return
    status = response.status_code
    kind = ServerFailed if response.is_server_error else _REJECTIONS.get(status, Rejected)
    raise kind(_operation(response), status, _message(response))


def _operation(response: httpx.Response) -> str:
    return f"{response.request.method} {response.request.url}"


def _message(response: httpx.Response) -> str:
    """The ``error`` of the body (JSON, declared as text/plain), or the bare text of 403, 404 and 405 answers."""
    answer = _json(response)
    if isinstance(answer, dict) and "error" in answer:
        return str(answer["error"])
    return response.text.strip() or response.reason_phrase


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _field(answer: Any, name: str) -> Any:
    if not isinstance(answer, dict) or name not in answer:
        raise Unanswered(f"found {str(answer)[:80]!r}, expected an object with {name!r}: is this Toxiproxy?")
    return answer[name]


def _proxy(state: Any) -> ProxyState:
    return ProxyState(
        name=_field(state, "name"),
        listen=_field(state, "listen"),
        upstream=_field(state, "upstream"),
        enabled=_field(state, "enabled"),
        toxics=tuple(_toxic(toxic) for toxic in _field(state, "toxics")),
    )


def _toxic(state: Any) -> ToxicState:
    return ToxicState(
        name=_field(state, "name"),
        type=_field(state, "type"),
        stream=_field(state, "stream"),
        toxicity=_field(state, "toxicity"),
        attributes=_field(state, "attributes"),
    )
