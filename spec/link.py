"""Links: who calls whom, how long they wait, and how they go about failure. Told to the service, read by the model."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from windtunnel.spec.frozen import AtLeastOne, Count, Frozen, Milliseconds, Name, Positive, PositiveMilliseconds
from windtunnel.spec.outcome import SUCCESSES, Outcome
from windtunnel.spec.problem import problem_at


class RetryBudget(Frozen):
    """Each call earns a share of a retry; who has not earned a whole one does not retry."""

    ratio: Positive
    """Retries that one call earns."""
    burst: AtLeastOne = 10
    """Retries that can be saved up; all are there at the start."""


class Retries(Frozen):
    """Further attempts after a failed one: exponential backoff, backoff_ms * 2^n before attempt n + 1, with jitter.

    The jitters are those of M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    max: Annotated[int, Field(ge=0, le=10)]
    """Further attempts of one call."""
    backoff_ms: Milliseconds = 100
    """Before the first of them."""
    jitter: Literal["none", "full", "equal", "decorrelated"] = "full"
    """none: the backoff as it is; full: uniform from 0 to it; equal: half of it and uniform up to the other half;
    decorrelated: uniform from backoff_ms to three times the pause before."""
    max_backoff_ms: PositiveMilliseconds | None = None
    """No pause is longer. None: it goes on doubling."""
    on: Annotated[tuple[Outcome, ...], Field(min_length=1)] | None = None
    """Which outcomes are tried again. None: every failure."""
    budget: RetryBudget | None = None
    """None: only max limits them."""

    @field_validator("on")
    @classmethod
    def _failures(cls, on: tuple[Outcome, ...] | None) -> tuple[Outcome, ...] | None:
        good = next((outcome for outcome in on or () if outcome in SUCCESSES), None)
        if good is not None:
            raise problem_at("", repr(good), "failures: a success is not tried again")
        return on


class Breaker(Frozen):
    """After too many failures nothing is sent for a while; then a few probes decide."""

    failures: Count | None = None
    """So many in a row open it."""
    ratio: Annotated[float, Field(gt=0, le=1)] | None = None
    """Such a share of failures among the last ``calls`` opens it."""
    calls: Count = 20
    """How many ended calls ``ratio`` looks at."""
    open_ms: PositiveMilliseconds
    """How long nothing is sent."""
    probes: Count = 1
    """Calls that are let through then at once; so many successes close it, one failure opens it again."""

    @model_validator(mode="after")
    def _one_rule(self) -> Breaker:
        if (self.failures is None) == (self.ratio is None):
            found = "neither failures nor ratio" if self.failures is None else "failures and ratio"
            raise problem_at("", found, "one of failures and ratio")
        return self


class Hedge(Frozen):
    """A second exchange when the first has not answered in time; the first success counts, the other is cancelled."""

    after_ms: PositiveMilliseconds
    """After the start of the first exchange."""


class Ejection(Frozen):
    """Outlier detection: a callee's replica that fails in a row is left out for a while."""

    failures: Count
    """In a row, seen by one replica of the caller."""
    for_s: Positive
    """Seconds that it is left out."""


class Link(Frozen):
    """Who calls whom, and how long they wait. Each link is a Toxiproxy of its own, per replica on both sides."""

    caller: Name = Field(alias="from")
    """A component, or client."""
    callee: Name = Field(alias="to")
    """A component that is no queue."""
    timeout_ms: PositiveMilliseconds | Literal["never"]
    """One attempt, from the call to its last byte. never: the caller waits for as long as it takes (model only)."""
    deadline_ms: PositiveMilliseconds | None = None
    """All attempts together."""
    on_timeout: Literal["cancel", "abandon"] | None = None
    """What becomes of the callee's work when the caller stops waiting: it ends and its places are free, or it goes on
    and holds them. None: cancel; but a query whose caller was cancelled itself runs to its end."""
    retries: Retries | None = None
    """None: one attempt. On a path through several links, only one may retry."""
    breaker: Breaker | None = None
    """None: calls are made whatever became of the earlier ones."""
    hedge: Hedge | None = None
    """None: one exchange at a time."""
    balance: Literal["round_robin", "random", "least_requests", "power_of_two", "hash"] = "round_robin"
    """Which replica of the callee is called; hash: the same one for the same prompt (rendezvous hashing)."""
    ejection: Ejection | None = None
    """None: a replica that fails is called like the others."""
    propagates_deadline: bool = False
    """The callee knows until when its caller waits, and makes no call that would end later."""
    pool: Count | None = None
    """Connections that one caller replica may hold; a call waits for a free one."""
    pool_timeout_ms: PositiveMilliseconds | None = None
    """How long a call waits for a connection before it is an error."""

    @property
    def limit_ms(self) -> float:
        """Of one attempt; infinite for a caller that never gives up."""
        return math.inf if self.timeout_ms == "never" else self.timeout_ms

    @property
    def name(self) -> str:
        """As faults and reports call it: ``app->llm``."""
        return f"{self.caller}->{self.callee}"
