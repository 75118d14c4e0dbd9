"""How a component takes requests on: how many at once, who waits, who is sent away. Shared by all kinds that work.

What stands here beside ``max_concurrency`` and ``queue_limit`` is known to the capacity model; the stack refuses it
where the real server has nothing of the kind.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from windtunnel.spec.frozen import AtLeastOne, Count, Frozen, Milliseconds, Positive, PositiveMilliseconds, Whole
from windtunnel.spec.problem import problem_at


class CoDel(Frozen):
    """Controlled delay: when requests have waited longer than the target for a whole interval, some are rejected."""

    kind: Literal["codel"]
    target_ms: PositiveMilliseconds
    """A wait that is acceptable for good."""
    interval_ms: PositiveMilliseconds = 100
    """For how long waits may be above the target before anybody is rejected."""


class WaitLimit(Frozen):
    """Who has waited too long is rejected when its turn comes, instead of being worked on."""

    kind: Literal["deadline"]
    max_wait_ms: PositiveMilliseconds
    """Longest wait that is still worth an answer."""


class Adaptive(Frozen):
    """Takes the place of max_concurrency: grows with good answers, shrinks by a share after a bad one."""

    kind: Literal["adaptive"]
    latency_ms: PositiveMilliseconds
    """From admission to the end of the work; slower is bad."""
    minimum: AtLeastOne = 1
    """Requests worked on at once, at least."""
    maximum: AtLeastOne = 1000
    """Requests worked on at once, at most."""
    initial: AtLeastOne = 20
    """Requests worked on at once, at the start."""
    backoff: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """What a slow or failed request multiplies the limit with."""

    @model_validator(mode="after")
    def _ordered(self) -> Adaptive:
        if not self.minimum <= self.initial <= self.maximum:
            raise problem_at(
                "initial",
                f"{self.initial:g}",
                f"a number between minimum {self.minimum:g} and maximum {self.maximum:g}",
            )
        return self


Shed = Annotated[CoDel | WaitLimit | Adaptive, Field(discriminator="kind")]


class RateLimit(Frozen):
    """A token bucket: a request that finds no token is rejected."""

    per_s: Positive
    """Tokens that come in, a second."""
    burst: AtLeastOne
    """Tokens that the bucket holds; it is full at the start."""
    per: Literal["all", "tenant"] = "all"
    """One bucket for everybody, or one for each tenant."""


class Crash(Frozen):
    """A replica that is asked too much dies, cutting all its calls, and comes back by itself."""

    above_in_flight: Count
    """Requests in one replica, waiting ones too, that it still survives."""
    restart_s: Positive
    """Seconds from its death until it answers again."""


class Station(Frozen):
    """What every component that does work may have."""

    queue_limit: Whole | None = None
    """Requests that may wait in one replica; the next is rejected. None: of a service with max_concurrency 0, else
    any number."""
    discipline: Literal["fifo", "priority", "preemptive"] = "fifo"
    """Who is next of those that wait: the first that came; the most urgent flow's; or that one at once, in the place
    of a less urgent one, whose work is resumed later."""
    shed: Shed | None = None
    """Who is sent away before the queue is full."""
    rate_limit: RateLimit | None = None
    """Applied by each replica, before anything else."""
    processor_bound: bool = False
    """All of its own work is processor work. For calls without calibrated parameters."""
    cpu_ms: Milliseconds | None = None
    """Processor time of one visit, of its own work. For calls without calibrated parameters."""
    crash: Crash | None = None
    """None: it survives whatever is asked of it."""

    @property
    def places(self) -> int | None:
        """Requests that one replica works on at once, where that is a fixed number. None: any number."""
        return None

    @model_validator(mode="after")
    def _limited(self) -> Station:
        adaptive = isinstance(self.shed, Adaptive)
        needs = f"{self._limit_key}: without it nobody waits"
        if adaptive and self.places is not None:
            raise problem_at("shed", f"an adaptive limit and {self._limit_key}", "one of the two")
        if self.shed is not None and not adaptive and self.places is None:
            raise problem_at("shed", self.shed.kind, needs)
        if self.discipline != "fifo" and self.places is None and not adaptive:
            raise problem_at("discipline", repr(self.discipline), needs)
        if self.processor_bound and self.cpu_ms is not None:
            raise problem_at("cpu_ms", "it beside processor_bound", "one of the two")
        return self

    @property
    def _limit_key(self) -> str:
        return "max_concurrency"


class LimitedStation(Station):
    """One whose limit is called max_concurrency: all but the language model."""

    max_concurrency: Count | None = None
    """Requests that one replica works on at once. None: any number."""

    @property
    def places(self) -> int | None:
        """Requests that one replica works on at once. None: any number, or an adaptive limit."""
        return self.max_concurrency
