"""What engines execute: a scenario as flat tables of stations, wires, hops, programs, arrivals and faults. Data only.

``compile_model`` writes it from a specification; a program may also build it by hand. An engine reads nothing else.
All times are seconds unless a name says ms, all indexes count from 0, ``math.inf`` stands for no limit.

What every engine does with it is written in ``ENGINES.md`` beside this file, down to the order of things that
happen at one instant; that is what makes two engines equal request by request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from windtunnel.sim.faults.passage import Imagined
from windtunnel.spec.distribution import Distribution
from windtunnel.spec.fault import AnyFault
from windtunnel.spec.load import Schedule
from windtunnel.spec.parameters import Warmth

OUTSIDE = -1
"""The station index of the client, which is no station."""


class Outcome(IntEnum):
    """How a call ends, as the tables number it. The names are spec.architecture.Outcome's."""

    OK = 0
    HIT = 1
    MISS = 2
    TIMEOUT = 3
    ERROR = 4
    REJECTED = 5
    OPEN = 6


SUCCESSFUL = frozenset({Outcome.OK, Outcome.HIT, Outcome.MISS})


@dataclass(frozen=True)
class CoDel:
    """Refuse those who come out of the line when all have waited longer than ``target_s`` for ``interval_s``."""

    target_s: float
    interval_s: float


@dataclass(frozen=True)
class WaitLimit:
    """Refuse those who have waited longer when it is their turn."""

    max_wait_s: float


@dataclass(frozen=True)
class Adaptive:
    """Additive increase, multiplicative decrease of the number of requests worked on."""

    latency_s: float
    minimum: float
    maximum: float
    initial: float
    backoff: float


@dataclass(frozen=True)
class TokenBucket:
    """A rate limit: ``burst`` tokens at most, filled with ``per_s``; a request takes one."""

    per_s: float
    burst: float
    per_tenant: bool = False


@dataclass(frozen=True)
class CachePolicy:
    """What a cache keeps, and for how long."""

    ttl_s: float
    reset_on_hit: bool = False
    max_entries: int | None = None
    hit_ratio: float | None = None
    """Decides by chance; nothing is stored."""
    warm: bool = False
    singleflight: bool = False


@dataclass(frozen=True)
class LLMPolicy:
    """How a language model slows down in company, and what it is limited to."""

    batch_slowdown: float = 0.0
    prefill_s_per_token: float = 0.0
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    prefix_hit_ratio: float = 0.0
    prefix_share: float = 0.0


@dataclass(frozen=True)
class QueuePolicy:
    """How often, and after how long, a message that was not finished is delivered again."""

    visibility_timeout_s: float
    max_receives: int
    limit: int | None


@dataclass(frozen=True)
class Reign:
    """From begin_s on, ``replica`` is a database's primary."""

    begin_s: float
    replica: int


@dataclass(frozen=True)
class AutoscalePolicy:
    """When replicas are added and taken away."""

    minimum: int
    maximum: int
    metric: Literal["concurrency", "cpu", "queue"]
    target: float | None
    """Of a target rule; None: a step rule."""
    steps: tuple[tuple[float, int], ...]
    """(above, add), ascending in above; the last that is exceeded counts."""
    below: float
    remove: int
    interval_s: float
    metrics_delay_s: float
    cold_start_s: float
    cooldown_up_s: float
    cooldown_down_s: float


@dataclass(frozen=True)
class Station:
    """A component and how much of it there is."""

    name: str
    replicas: int
    """Most that can run at once: an autoscaler's maximum."""
    initial: int
    """How many run at the start."""
    host: int
    slots: int | None
    """Requests that one replica works on at once; None: any number."""
    queue_limit: int | None
    """Requests that may wait for a slot of one replica; the next is rejected. None: any number."""
    discipline: Literal["fifo", "priority", "preemptive"]
    shed: CoDel | WaitLimit | Adaptive | None
    rate_limit: TokenBucket | None
    traced: bool
    """It writes spans of its own."""
    cpu_s: float
    """Processor time of one visit; inf: all of its own work is processor work."""
    single_threaded: bool
    """A replica uses one core at most."""
    turn_s: float
    """How long an event loop is at one thing before it takes up the next."""
    warmth: tuple[Warmth, ...]
    cache: CachePolicy | None
    llm: LLMPolicy | None
    queue: QueuePolicy | None
    consumes: int | None
    """Station index of the queue whose messages it works on."""
    workers: int
    """Messages that one replica works on at once."""
    reigns: tuple[Reign, ...]
    """Of a database with standbys: who is primary from when on, ascending; empty: calls are balanced as usual."""
    lag_ms: Distribution | None
    autoscale: AutoscalePolicy | None
    crash_above: int | None
    crash_restart_s: float


@dataclass(frozen=True)
class RetryBudget:
    """``ratio`` tokens per call, ``burst`` at most; a retry takes one."""

    ratio: float
    burst: float


@dataclass(frozen=True)
class Breaker:
    """When calls are no longer tried, and tried again."""

    failures: int | None
    """Consecutive ones; None: by ratio."""
    ratio: float
    calls: int
    open_s: float
    probes: int


@dataclass(frozen=True)
class Ejection:
    """A replica is left out for a while after so many failures in a row."""

    failures: int
    for_s: float


@dataclass(frozen=True)
class Wire:
    """A link. All its state is kept per replica of the caller (the client is one)."""

    name: str
    caller: int
    callee: int
    timeout_s: float
    deadline_s: float
    survives_cancel: bool
    """An exchange whose caller is cancelled goes on to its end."""
    survives_timeout: bool
    """The callee's work goes on, as a zombie, when its caller has stopped waiting."""
    to_database: bool
    """Its pool is one of living connections: a call given up in a black hole keeps its place."""
    retries: int
    backoff_s: float
    jitter: Literal["none", "full", "equal", "decorrelated"]
    max_backoff_s: float
    retry_on: frozenset[Outcome]
    budget: RetryBudget | None
    breaker: Breaker | None
    hedge_after_s: float | None
    balance: Literal["round_robin", "random", "least_requests", "power_of_two", "hash"]
    ejection: Ejection | None
    health_interval_s: float | None
    """Of a gateway's link: its readiness checks; None: it makes none."""
    propagates_deadline: bool
    pool: int | None
    pool_timeout_s: float


@dataclass(frozen=True)
class Hop:
    """A call at its place in a flow. Its index is part of the address of its draws."""

    index: int
    wire: int
    caller: int
    callee: int
    op: str
    role: Literal["work", "lookup", "store"]
    round_trips: int
    request_bytes: int
    response_bytes: int
    streams: bool
    reads: bool
    link_ms: Distribution | None
    service_ms: Distribution
    first_token_ms: Distribution | None
    token_ms: Distribution | None
    output_tokens: Distribution | None
    input_tokens: Distribution | None
    program: Program
    """What the callee does after its own work."""


@dataclass(frozen=True)
class Invoke:
    """Call, and what follows from each outcome."""

    hop: int
    optional: bool
    on: dict[Outcome, Program]


@dataclass(frozen=True)
class Choose:
    """One of several, by chance. ``index`` addresses the draw, like a hop's."""

    index: int
    cumulative: tuple[float, ...]
    branches: tuple[Program, ...]


@dataclass(frozen=True)
class Fork:
    """All at once; goes on when ``need`` of them have ended well, or when so many no longer can."""

    branches: tuple[Program, ...]
    need: int


@dataclass(frozen=True)
class Repeat:
    """Again and again: ``times`` (a draw at ``index``, rounded) or until an outcome; at most ``at_most`` times."""

    index: int
    body: Program
    times: Distribution | None
    until: frozenset[Outcome]
    at_most: int


@dataclass(frozen=True)
class Enqueue:
    """Put a message on a queue; ``program`` is what the worker does with it."""

    queue: int
    optional: bool
    program: Program


Step = Invoke | Choose | Fork | Repeat | Enqueue
Program = tuple[Step, ...]


@dataclass(frozen=True)
class FaultWindow:
    """A fault on a wire, for a while. Replica None: all of them."""

    index: int
    """Of the scenario's fault; part of the address of its draws."""
    begin_s: float
    end_s: float
    wire: int
    caller_replica: int | None
    callee_replica: int | None
    kills: bool
    """The callee itself is gone: its work ends too, and its cache is empty."""
    fault: AnyFault
    imagined: Imagined

    def hits(self, wire: int, caller_replica: int, callee_replica: int) -> bool:
        """Whether a connection between these two suffers from it."""
        return (
            wire == self.wire
            and self.caller_replica in (None, caller_replica)
            and self.callee_replica in (None, callee_replica)
        )


@dataclass(frozen=True)
class Sick:
    """A replica that a wire's callers leave out for a while, since its readiness check fails."""

    wire: int
    replica: int
    begin_s: float
    end_s: float


@dataclass(frozen=True)
class Slow:
    """While it lasts, a station's own work takes ``factor`` times as long."""

    station: int
    replica: int | None
    begin_s: float
    end_s: float
    factor: float


@dataclass(frozen=True)
class ClosedLoop:
    """Users who wait for their answer and think before they ask again."""

    users: int
    think_ms: Distribution
    flows: NDArray[np.float64]
    prompts: NDArray[np.float64]
    tenants: NDArray[np.float64]
    """Cumulated weights, the last one 1: requests are drawn from them by address."""


@dataclass(frozen=True)
class Model:
    """All that an engine needs."""

    seed: int
    duration_s: float
    hosts: tuple[str, ...]
    cores: tuple[float, ...]
    stations: tuple[Station, ...]
    wires: tuple[Wire, ...]
    hops: tuple[Hop, ...]
    flows: tuple[str, ...]
    entries: tuple[Invoke, ...]
    """By flow: the client's call."""
    priorities: tuple[int, ...]
    """By flow, 0 first."""
    beside_s: tuple[tuple[int, str, float], ...]
    """(host, who, processor time) that every request costs outside of the components: load generator, proxy."""
    faults: tuple[FaultWindow, ...]
    sick: tuple[Sick, ...]
    slow: tuple[Slow, ...]
    scrape_s: float
    prompts: int
    """How many different ones there are."""
    tenants: int
    closed: ClosedLoop | None
    """None: an open loop."""
    arrivals: Callable[[], Iterator[Schedule]] = field(repr=False)
    """The requests of an open loop from the beginning, in pieces of any size; numbered through in their order."""
    unmodelled: tuple[str, ...] = ()
    """Faults or parts of them that no engine will show, in words."""
