"""The parts of a service, one class per kind. What is known of each beside its place in the drawing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from windtunnel.spec.distribution import Distribution, Tokens
from windtunnel.spec.frozen import Count, Frozen, Name, NonNegative, Positive, PositiveMilliseconds, Ratio
from windtunnel.spec.problem import problem_at
from windtunnel.spec.station import LimitedStation, Station


class Gateway(LimitedStation):
    """A reverse proxy that balances requests over the replicas behind it (Envoy)."""

    kind: Literal["gateway"]
    health_interval_ms: PositiveMilliseconds = 1000
    """How often each replica behind it is asked for its readiness; one miss takes it out."""


class Consumes(Frozen):
    """A service that works through a queue's messages, beside whatever calls it gets."""

    queue: Name
    """A component of kind queue."""
    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Messages that one replica works on at once."""


class Service(LimitedStation):
    """A stateless program of ours or of the user, started once per replica."""

    kind: Literal["service"]
    module: str | None = None
    """Python module that is run with ``-m``; it serves HTTP on $HOST:$PORT. None: it exists in the model only."""
    environment: dict[str, str] = {}
    """Added to what the links give; the same key here wins."""
    consumes: Consumes | None = None
    """The queue that it is a worker of."""


class Failover(Frozen):
    """How a standby takes over when the primary is gone."""

    lease_ttl_s: Positive
    """Seconds from the primary's death until the others notice it."""
    promotion_s: NonNegative
    """Seconds from then until the promoted standby takes writes."""


class Database(LimitedStation):
    """PostgreSQL with pgvector."""

    kind: Literal["database"]
    max_connections: Count = 100
    """Of the real server."""
    standbys: Annotated[int, Field(ge=0, le=100)] = 0
    """Copies beside the primary. Replica 0 is the first primary."""
    failover: Failover | None = None
    """None: when the primary is gone, nobody takes its place."""
    replication_lag_ms: Distribution | None = None
    """How much older than the primary's a standby's answer is."""

    @model_validator(mode="after")
    def _has_standbys(self) -> Database:
        for key in ("failover", "replication_lag_ms"):
            if getattr(self, key) is not None and not self.standbys:
                raise problem_at(key, "it without standbys", "standbys of at least 1")
        return self


class Cache(LimitedStation):
    """A Redis-compatible store (Valkey) that may lose everything at any time."""

    kind: Literal["cache"]
    ttl_s: Positive = 3600
    """Seconds that an entry lives."""
    max_memory_mb: Count = 64
    """Of the real server."""
    ttl_resets_on: Literal["fetch", "hit"] = "fetch"
    """When an entry's life starts anew: only when it is stored again, or also whenever it is found."""
    max_entries: Count | None = None
    """Entries that it holds; the least recently used goes first. None: any number."""
    hit_ratio: Ratio | None = None
    """Decides hit or miss by chance, instead of by what is stored."""
    start: Literal["cold", "warm"] = "cold"
    """warm: at the start the most popular prompts are there, up to max_entries."""
    singleflight: bool = False
    """Callers of one replica that miss the same prompt at the same time wait for the first of them."""

    @model_validator(mode="after")
    def _decides_once(self) -> Cache:
        if self.hit_ratio is not None and self.max_entries is not None:
            raise problem_at("hit_ratio", "it beside max_entries", "one of the two: chance, or what is stored")
        return self


class PrefixCache(Frozen):
    """Prompts that begin like an earlier one need less work."""

    hit_ratio: Ratio
    """Chance that a request profits."""
    share: Ratio
    """Of its input tokens that then need no prefill."""


class LLM(Station):
    """A language model behind the Anthropic Messages API; here the mock, with these physics."""

    kind: Literal["llm"]
    slots: Count
    """Requests that one replica decodes at once; the others wait."""
    first_token_ms: Distribution
    """From admission to the first token, alone in the batch, beside the prefill below."""
    token_ms: Distribution
    """Per further token, alone in the batch."""
    output_tokens: Tokens
    """Tokens of an answer."""
    discipline: Literal["fifo", "priority"] = "fifo"
    """Who is next of those that wait: the first that came, or the most urgent flow's."""
    input_tokens: Tokens | None = None
    """Tokens of a request."""
    prefill_ms_per_token: NonNegative = 0
    """Milliseconds that each input token adds to the time to the first token."""
    batch_slowdown: NonNegative = 0
    """With b requests in a batch everything takes 1 + batch_slowdown * (b - 1) times as long as alone."""
    requests_per_minute: Count | None = None
    """Of one replica; more are answered 429 with the time after which to come again."""
    tokens_per_minute: Count | None = None
    """Input and output tokens of one replica; more are answered 429 with the time after which to come again."""
    prefix_cache: PrefixCache | None = None
    """None: every request needs the whole prefill."""

    @property
    def places(self) -> int | None:
        """Requests that one replica works on at once."""
        return self.slots

    @property
    def _limit_key(self) -> str:
        return "slots"


class Queue(Frozen):
    """Keeps messages until a worker has finished them; reached by ``enqueue`` alone."""

    kind: Literal["queue"]
    visibility_timeout_s: Positive = 30
    """A message that is not finished so many seconds after a worker took it is delivered again."""
    max_receives: Annotated[int, Field(ge=1, le=1000)] = 3
    """Deliveries; a message that is not finished after the last is a dead letter. All of them are simulated."""
    limit: Count | None = None
    """Messages that may wait; the next is rejected. None: any number."""


Component = Annotated[Gateway | Service | Database | Cache | LLM | Queue, Field(discriminator="kind")]
PROTOCOL: dict[str, Literal["http", "postgres", "redis"]] = {
    "gateway": "http",
    "service": "http",
    "llm": "http",
    "database": "postgres",
    "cache": "redis",
}
"""What a link to a component speaks; a queue has no links."""
