"""What can go wrong with a stack, in sentences that a user can act on. Raised by everything in this folder.

StackError (RuntimeError)   the stack cannot do what was asked
├── Missing                 something it needs is not on this machine and cannot be had; nothing was changed
├── NotReady                a process did not become ready, or ended while it was starting
├── Failed                  a helping command (initdb, a build) ended with an error or ran out of time
├── Refused                 the supervisor could not do one thing; nothing was changed
├── Lost                    the supervisor or what it owned is gone, or a lease ran out: what runs is unknown
├── NotReset                data or faults of an earlier run may still be there
└── LeftBehind              something could not be ended or removed
"""

from __future__ import annotations

from pathlib import Path


class StackError(RuntimeError):
    """The stack cannot do what was asked; the message is a sentence for the user."""


class Missing(StackError):
    """Something the stack needs is not on this machine and cannot be had."""


class NotReady(StackError):
    """A process did not become ready in time, or ended while it was starting."""


class Failed(StackError):
    """A helping command ended with an error or ran out of time; whether it changed something is unknown."""


class Refused(StackError):
    """The supervisor answered that it could not do this one thing; nothing was changed."""


class Lost(StackError):
    """The supervisor is gone, or a lease ran out."""


class NotReset(StackError):
    """The data or the faults of an earlier run may still be there."""


class LeftBehind(StackError):
    """Something could not be ended or removed; each item is named."""


def tail(log: Path, lines: int = 12) -> str:
    """The end of a log, indented, to stand below a sentence; says so when there is none."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "  (no log was written)"
    last = [line for line in text.splitlines() if line.strip()][-lines:]
    return "\n".join(f"  | {line}" for line in last) or "  (its log is empty)"
