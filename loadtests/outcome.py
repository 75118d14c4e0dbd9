"""What an answer means: ok, timeout, rejected or error, by its HTTP status and the code in its body."""

from __future__ import annotations

import json
from typing import Literal

Outcome = Literal["ok", "timeout", "rejected", "error"]


def outcome_of_status(status: int, code: str | None) -> Outcome:
    """Of a whole answer: 2xx is ok, 504 or code ``timeout`` a timeout, 429 or 503 ``overloaded`` a rejection."""
    if 200 <= status < 300:
        return "ok"
    if status == 504 or code == "timeout":
        return "timeout"
    if status == 429 or (status == 503 and code == "overloaded"):
        return "rejected"
    return "error"


def outcome_of_event(code: str | None) -> Outcome:
    """Of an ``error`` event in a stream, which has no status of its own."""
    if code == "timeout":
        return "timeout"
    return "rejected" if code in ("overloaded", "rate_limited") else "error"


def code_of(body: bytes) -> str | None:
    """The code in ``{"error": {"code": ...}}``, or None where the body is something else."""
    try:
        code = json.loads(body)["error"]["code"]
    except (ValueError, KeyError, TypeError):
        return None
    return code if isinstance(code, str) else None
