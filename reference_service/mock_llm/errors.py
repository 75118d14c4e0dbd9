"""The API's errors: a type, the status that follows from it, and what they say about trying again."""

from __future__ import annotations

from typing import Any, Literal, get_args

ErrorType = Literal[
    "invalid_request_error",
    "authentication_error",
    "billing_error",
    "permission_error",
    "not_found_error",
    "conflict_error",
    "request_too_large",
    "rate_limit_error",
    "api_error",
    "timeout_error",
    "overloaded_error",
]
_STATUSES = (400, 401, 402, 403, 404, 409, 413, 429, 500, 504, 529)
STATUS_OF: dict[str, int] = dict(zip(get_args(ErrorType), _STATUSES, strict=True))


class ApiError(Exception):
    """An error as the API's envelope carries it; the status follows from the type.

    `code` tells kinds of one type apart (`error.details.error_code`). `should_retry` becomes the header
    x-should-retry, which overrides what clients would do by themselves.
    """

    def __init__(
        self,
        kind: ErrorType,
        message: str,
        *,
        retry_after_s: int | None = None,
        code: str | None = None,
        should_retry: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.kind: ErrorType = kind
        self.status = STATUS_OF[kind]
        self.retry_after_s = retry_after_s
        self.code = code
        self.should_retry = should_retry

    def envelope(self, request_id: str) -> dict[str, Any]:
        """The body of the answer."""
        error: dict[str, Any] = {"type": self.kind, "message": str(self)}
        if self.code is not None:
            error["details"] = {"error_code": self.code}
        return {"type": "error", "error": error, "request_id": request_id}

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """What the error adds to the answer's headers."""
        found: list[tuple[bytes, bytes]] = []
        if self.retry_after_s is not None:
            found.append((b"retry-after", b"%d" % self.retry_after_s))
        if self.should_retry is not None:
            found.append((b"x-should-retry", b"true" if self.should_retry else b"false"))
        return found
