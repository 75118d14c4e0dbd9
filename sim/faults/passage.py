"""What a fault does to data on its way over a link: the words that all simulated faults share. Used by the engine.

A call sends its request upstream and its answer downstream: two legs. A fault's ``passage`` says what becomes of
one leg that starts while the fault is there; it is a pure function of the fault, the leg and uniform draws.
The physics are Toxiproxy's (2.12, toxics/*.go), since that is what does the fault for real.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from windtunnel.spec.fault import Stream

Draw = Callable[[int], float]
"""The n-th uniform number in (0, 1) of this call under this fault; the same n gives the same number."""


@dataclass(frozen=True)
class Leg:
    """What one call sends one way."""

    stream: Stream
    bytes: int
    round_trips: int = 1
    pieces: int = 1
    """Chunks that are sent one after the other: the tokens of a streamed answer."""
    spread_ms: float = 0.0
    """From the first piece's departure to the last one's."""


@dataclass(frozen=True)
class Passage:
    """What becomes of a leg."""

    first_ms: float = 0.0
    """The first piece arrives that much later."""
    last_ms: float = 0.0
    """The last piece arrives that much later."""
    lost: bool = False
    """Nothing arrives; whoever waits for it is told nothing."""
    broken_off: bool = False
    """Pieces arrive, but the last one does not."""
    cut_after_ms: float | None = None
    """So long after the first piece's departure the connection ends, and the caller sees an error."""
    rearmed: bool = False
    """The cut counts from the last data seen: another leg of the same call puts it off."""


CLEAR = Passage()
"""Nothing happens."""


@dataclass(frozen=True)
class Facts:
    """A call as it looks on the wire, for a fault to say whether it knows what it would do to it."""

    call: str
    request_bytes: int
    response_bytes: int


def _no_cut(_: Any) -> float | None:
    return None


def _known(_: Any, __: Sequence[Facts]) -> str | None:
    return None


@dataclass(frozen=True)
class Imagined:
    """A kind of fault, imagined. Settings are those of the same kind in ``spec.fault``."""

    passage: Callable[[Any, Leg, Draw], Passage]
    begins: Callable[[Any], float | None] = _no_cut
    """Milliseconds until calls that are under way when it begins are cut; None: they are not."""
    closes_on_heal: bool = False
    """Calls that are under way when it heals are cut then."""
    unmodelled: Callable[[Any, Sequence[Facts]], str | None] = _known
    """What it would do that is not imagined, in words; None: nothing."""


def backlog(leg: Leg, piece_ms: float) -> float:
    """How much later the last of evenly spaced pieces leaves a server that takes ``piece_ms`` for each.

    Pieces i = 0..n-1 come at i*s; the last one leaves at max over j of j*s + (n-j)*c, and that is linear in j,
    so that it is one of the two ends.
    """
    gap_ms = leg.spread_ms / (leg.pieces - 1) if leg.pieces > 1 else 0.0
    return max(piece_ms, leg.pieces * piece_ms - (leg.pieces - 1) * gap_ms)
