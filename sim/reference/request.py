"""A request, and a strand: who calls, and on whose behalf. Used by the whole engine."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from windtunnel.sim.model import Outcome

if TYPE_CHECKING:
    from windtunnel.sim.reference.exchange import Exchange


@dataclass(frozen=True)
class Owed:
    """Processor time that no call waits for."""

    host: int
    owner: str
    work_s: float
    thread: Hashable = None
    """None: one of its own."""


@dataclass(eq=False)
class Request:
    """What a client has asked for."""

    number: int
    flow: int
    prompt: int
    tenant: int
    priority: int
    base: int
    """Its part of the address of a draw."""
    intended_s: float
    input_tokens: int | None = None
    output_tokens: int | None = None
    """A trace's, where there is one."""
    owed: list[Owed] | None = None
    """Until its client has the answer; None: the client has gone."""
    written: tuple[int, float] | None = None
    """Where, and when, its last call to a replicated database that does not only read ended well."""


@dataclass(eq=False)
class Strand:
    """Somebody who runs a program: an exchange's callee, a branch of a fork, a worker, a client."""

    request: Request
    base: int
    """Of its draws: the request's, turned by repeats and deliveries."""
    replica: int
    """Of the component that runs it."""
    deadline_s: float
    within: Exchange | None
    """The exchange whose caller hears the first tokens."""
    last: Outcome | None = None
    """Of the last call in this strand since it has turned."""

    def turn(self, base: int) -> None:
        """Draw with another base from here on, and forget the last call: an iteration of a repeat begins, or the
        last one is over."""
        self.base = base
        self.last = None
