"""Forms of OAuth requests: urlencoded, small, and each parameter once (RFC 6749, section 3.1). Used by service."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request

from windtunnel.reference_service.auth.errors import InvalidRequest

_MAX_BYTES = 16_384
_MAX_FIELDS = 32


async def read_form(request: Request) -> dict[str, str]:
    """The body as a form. Raises `InvalidRequest`."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise InvalidRequest("expected application/x-www-form-urlencoded")
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _MAX_BYTES:
            raise InvalidRequest("the form is too large")
    return parse_form(body)


def parse_form(encoded: bytes) -> dict[str, str]:
    """The parameters of a form or a query. Raises `InvalidRequest`; PostgreSQL stores no NUL, so none is taken."""
    try:
        pairs = parse_qsl(encoded.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise InvalidRequest("the form is not urlencoded UTF-8") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise InvalidRequest("a parameter is given twice")
    if any("\x00" in text for pair in pairs for text in pair):
        raise InvalidRequest("a parameter has a NUL character")
    return form
