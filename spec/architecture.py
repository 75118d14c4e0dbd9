"""A service as its engineers draw it: components, links, flows. Hand-written; read by the stack and the simulator.

Time-outs, pools, limits and retries stand here once. The stack hands them to the real service as
environment (``environment``), the simulator reads the same values: the two cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, model_validator

from windtunnel.spec.distribution import Distribution
from windtunnel.spec.frozen import PATH, Frozen, Milliseconds, Name, PositiveMilliseconds
from windtunnel.spec.problem import did_you_mean

CLIENT = "client"
"""The outside: where load comes from. It can be a link's caller, never its callee."""

Outcome = Literal["ok", "hit", "miss", "timeout", "error", "rejected"]
SUCCESSES: frozenset[str] = frozenset({"ok", "hit", "miss"})
Count = Annotated[int, Field(ge=1)]


class Gateway(Frozen):
    """A reverse proxy that balances requests over the replicas behind it (Envoy)."""

    kind: Literal["gateway"]
    health_interval_ms: PositiveMilliseconds = 1000
    """How often each replica behind it is asked for its readiness; one miss takes it out."""


class Service(Frozen):
    """A stateless program of ours or of the user, started once per replica."""

    kind: Literal["service"]
    module: str
    """Python module that is run with ``-m``; it serves HTTP on $HOST:$PORT."""
    max_concurrency: Count | None = None
    """Requests that one replica handles at once; the next is rejected."""
    environment: dict[str, str] = {}
    """Added to what the links give; the same key here wins."""


class Database(Frozen):
    """PostgreSQL with pgvector."""

    kind: Literal["database"]
    max_connections: Count = 100


class Cache(Frozen):
    """A Redis-compatible store (Valkey) that may lose everything at any time."""

    kind: Literal["cache"]
    ttl_s: Annotated[float, Field(gt=0)] = 3600
    max_memory_mb: Count = 64


class LLM(Frozen):
    """A language model behind the Anthropic Messages API; here the mock, with these physics."""

    kind: Literal["llm"]
    slots: Count
    """Requests that are decoded at once; the others wait in the order they came."""
    queue_limit: Annotated[int, Field(ge=0)] | None = None
    """Requests that may wait; the next is answered 529."""
    first_token_ms: Distribution
    token_ms: Distribution
    output_tokens: Distribution


Component = Annotated[Gateway | Service | Database | Cache | LLM, Field(discriminator="kind")]
PROTOCOL: dict[str, Literal["http", "postgres", "redis"]] = {
    "gateway": "http",
    "service": "http",
    "llm": "http",
    "database": "postgres",
    "cache": "redis",
}


class Retries(Frozen):
    """Further attempts after a failed one: exponential backoff with full jitter, uniform(0, backoff_ms * 2^n)."""

    max: Annotated[int, Field(ge=0, le=10)]
    backoff_ms: Milliseconds = 100


class Link(Frozen):
    """Who calls whom, and how long they wait. Each link is a Toxiproxy of its own, per replica on both sides."""

    caller: Name = Field(alias="from")
    callee: Name = Field(alias="to")
    timeout_ms: PositiveMilliseconds
    """One attempt, from the call to its last byte."""
    deadline_ms: PositiveMilliseconds | None = None
    """All attempts together."""
    retries: Retries | None = None
    pool: Count | None = None
    """Connections that one caller replica may hold; a call waits for a free one."""
    pool_timeout_ms: PositiveMilliseconds | None = None
    """How long a call waits for a connection before it is an error."""

    @property
    def name(self) -> str:
        """As faults and reports call it: ``app->llm``."""
        return f"{self.caller}->{self.callee}"


class Call(Frozen):
    """A step of a flow: the component whose steps these are calls another and waits for its answer.

    ``steps`` is what the callee does meanwhile, holding its place; ``on`` is what the caller does next,
    by the call's outcome. An outcome that is not named in ``on`` and is not a success ends the caller's
    own work with that outcome.
    """

    call: Name
    op: Name = "call"
    """Tells calls on the same link apart; parameters are kept per operation."""
    round_trips: Count = 1
    """Request-response exchanges on the wire: a link's added latency is paid that often."""
    request_bytes: Count = 500
    response_bytes: Count = 1000
    """Bytes on the wire, for faults of bandwidth and size."""
    streams: bool = False
    """The answer arrives token by token, and its first token is passed on at once."""
    optional: bool = False
    """A failure does not fail the caller."""
    steps: tuple[Call, ...] = ()
    on: dict[Outcome, tuple[Call, ...]] = {}


class ReadBack(Frozen):
    """How acknowledged writes are looked up afterwards: ``GET path``, then ``list[].id``."""

    path: str
    list: str
    id: str


class Acknowledges(Frozen):
    """What a successful answer promises to have stored: names of fields that hold ids, and where to find them."""

    written: Annotated[tuple[str, ...], Field(min_length=1)]
    read_back: ReadBack


class Request(Frozen):
    """The HTTP request a flow starts with. ``{prompt}`` and remembered names are filled in."""

    method: Literal["GET", "POST", "PUT", "DELETE"] = "GET"
    path: Annotated[str, Field(pattern=PATH)]
    body: dict[str, JsonValue] | None = Field(default=None, alias="json")
    response: Literal["json", "sse"] = "json"
    remembers: tuple[str, ...] = ()
    """Fields of a successful answer that later requests may use in path or body."""


class Flow(Frozen):
    """One class of requests: what the client sends, and what happens inside."""

    request: Request
    acknowledges: Acknowledges | None = None
    steps: Annotated[tuple[Call, ...], Field(min_length=1, max_length=1)]
    """The client's one call."""


class Architecture(Frozen):
    """The whole drawing."""

    name: Name
    description: str = ""
    components: Annotated[dict[Name, Component], Field(min_length=1)]
    links: Annotated[tuple[Link, ...], Field(min_length=1)]
    flows: Annotated[dict[Name, Flow], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> Architecture:
        known = set(self.components)
        links: dict[str, Link] = {}
        for index, link in enumerate(self.links):
            for side, name in (("from", link.caller), ("to", link.callee)):
                allowed = known | {CLIENT} if side == "from" else known
                if name not in allowed:
                    raise problem_at(f"links[{index}].{side}", f"{name!r}", "a declared component", name, allowed)
            if link.name in links:
                raise problem_at(f"links[{index}]", f"a second link {link.name}", "each link once")
            links[link.name] = link
        for name, flow in self.flows.items():
            owners: list[str] = []
            self._check(CLIENT, flow.steps, f"flows.{name}.steps", links, owners)
        return self

    def _check(
        self, caller: str, steps: tuple[Call, ...], path: str, links: dict[str, Link], owners: list[str]
    ) -> None:
        for index, step in enumerate(steps):
            here = f"{path}[{index}]"
            if step.call not in self.components:
                raise problem_at(f"{here}.call", f"{step.call!r}", "a declared component", step.call, self.components)
            link = links.get(f"{caller}->{step.call}")
            if link is None:
                raise problem_at(
                    here, f"a call from {caller} to {step.call}", f"a link {caller}->{step.call} under links"
                )
            owned = [link.name] if link.retries and link.retries.max else []
            if owned and owners:
                raise problem_at(
                    here,
                    f"retries on {owners[-1]} and again on {link.name}",
                    "one owner of retries on each path; take one of the two away",
                )
            self._check(step.call, step.steps, f"{here}.steps", links, owners + owned)
            for outcome, then in step.on.items():
                self._check(caller, then, f"{here}.on.{outcome}", links, owners)

    def link(self, caller: str, callee: str) -> Link:
        """The link between two components. KeyError where there is none."""
        for link in self.links:
            if (link.caller, link.callee) == (caller, callee):
                return link
        raise KeyError(f"{caller}->{callee}")

    def callees(self, caller: str) -> tuple[str, ...]:
        """Whom a component calls, in the order of the links."""
        return tuple(link.callee for link in self.links if link.caller == caller)

    def calls(self, flow: str) -> Iterator[tuple[str, Call]]:
        """Every (caller, call) that a flow may make, depth first."""
        return walk(CLIENT, self.flows[flow].steps)


def walk(caller: str, steps: tuple[Call, ...]) -> Iterator[tuple[str, Call]]:
    """Every (caller, call) below these steps, depth first."""
    for step in steps:
        yield caller, step
        yield from walk(step.call, step.steps)
        for then in step.on.values():
            yield from walk(caller, then)


def problem_at(path: str, found: str, expected: str, word: str = "", known: Any = ()) -> ValueError:
    """A mistake that only the whole drawing shows; ``reading`` turns it into a Problem with its line."""
    hint = did_you_mean(word, known) if word else None
    error = ValueError(f"found {found}, expected {expected}")
    error.problem = (path, found, expected, hint)  # type: ignore[attr-defined]
    return error


def environment(architecture: Architecture, component: str, addresses: dict[str, str]) -> dict[str, str]:
    """What a service is told: ``<CALLEE>_URL`` and the link's and the callee's limits, by one convention.

    ``addresses`` maps each callee to the proxied ``host:port`` that this replica has to use.
    """
    values: dict[str, str] = {}
    scheme = {
        "http": "http://{}",
        "postgres": "postgresql://windtunnel@{}/windtunnel",
        "redis": "redis://{}/0",
    }
    for link in architecture.links:
        if link.caller != component:
            continue
        callee = architecture.components[link.callee]
        prefix = link.callee.upper()
        settings: dict[str, float | int | None] = {
            "TIMEOUT_MS": link.timeout_ms,
            "DEADLINE_MS": link.deadline_ms,
            "POOL": link.pool,
            "POOL_TIMEOUT_MS": link.pool_timeout_ms,
            "RETRIES": link.retries.max if link.retries else None,
            "RETRY_BACKOFF_MS": link.retries.backoff_ms if link.retries else None,
            "TTL_S": callee.ttl_s if isinstance(callee, Cache) else None,
        }
        values[f"{prefix}_URL"] = scheme[PROTOCOL[callee.kind]].format(addresses[link.callee])
        values |= {f"{prefix}_{key}": f"{value:g}" for key, value in settings.items() if value is not None}
    own = architecture.components[component]
    if isinstance(own, LLM):
        values["SLOTS"] = str(own.slots)
        if own.queue_limit is not None:
            values["QUEUE_LIMIT"] = str(own.queue_limit)
        for key in ("first_token_ms", "token_ms", "output_tokens"):
            values[key.upper()] = getattr(own, key).model_dump_json(by_alias=True)
    if isinstance(own, Service):
        if own.max_concurrency is not None:
            values["MAX_CONCURRENCY"] = str(own.max_concurrency)
        values |= own.environment
    return values
