"""The errors that a client of a service can see, and how they look on the wire.

    ServiceError
    ├── TimedOut               504  timeout               a call or all its attempts took too long
    ├── LlmFailed              502  llm_error             the LLM answered with an error, or not completely
    │   └── LlmRejected        502  llm_error             it was asked too much (429, 529)
    ├── DatabaseUnavailable    503  database_unavailable  no connection, or it broke
    ├── Overloaded             503  overloaded            this replica handles as many requests as it may
    ├── ShuttingDown           503  shutting_down         the process ends and could not finish this request
    └── UnknownConversation    404  not_found

`outcome` is the word that a span carries for the error (see tracing). A failed write may still have happened
after `TimedOut` and `DatabaseUnavailable`: the answer to it was lost, not necessarily the write.
"""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from windtunnel.reference_service.tracing import OUTCOME


class ServiceError(Exception):
    """An error with a status, a code, and whether another attempt may help."""

    status = 500
    code = "internal"
    outcome = "error"
    headers: dict[str, str] = {}
    retryable = False
    retry_after_s: float | None = None

    def content(self) -> dict[str, Any]:
        return {"error": {"code": self.code, "message": str(self)}}


class TimedOut(ServiceError):
    """The call did not end in time; whether it had an effect is unknown."""

    status, code, outcome, retryable = 504, "timeout", "timeout", True


class LlmFailed(ServiceError):
    """The LLM's answer is an error or incomplete; `retry_after_s` is what the provider asks for, if it does."""

    status, code = 502, "llm_error"

    def __init__(self, message: str, *, retryable: bool, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class LlmRejected(LlmFailed):
    """The provider sheds load or limits the rate."""

    outcome = "rejected"


class DatabaseUnavailable(ServiceError):
    """No connection could be made or it broke; what was being written may or may not be there."""

    status, code = 503, "database_unavailable"


class Overloaded(ServiceError):
    """The replica's limit of concurrent requests is reached; nothing was done."""

    status, code, outcome = 503, "overloaded", "rejected"
    headers = {"retry-after": "1"}


class ShuttingDown(ServiceError):
    """The request was cut off by the end of the process."""

    status, code = 503, "shutting_down"


class UnknownConversation(ServiceError):
    """No conversation has this id."""

    status, code = 404, "not_found"


class JsonResponse(Response):
    """A JSON body; rendered by the standard library, compactly."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


async def send_error(error: ServiceError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the error and note its outcome for the request's span."""
    scope[OUTCOME] = error.outcome
    await JsonResponse(error.content(), error.status, error.headers)(scope, receive, send)
