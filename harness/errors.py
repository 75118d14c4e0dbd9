"""What can go wrong in the harness itself.

    HarnessError (RuntimeError)     there is no run to judge; the command ends with 3, never with a pass

A stack that does not start is a StackError (``harness.stack.errors``), a file that cannot be used a
SpecError (``spec.problem``).
"""

from __future__ import annotations


class HarnessError(RuntimeError):
    """The harness itself failed; the message says at what."""
