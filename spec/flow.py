"""Flows: the classes of requests, what the client sends, and what an answer promises."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from windtunnel.spec.frozen import PATH, Frozen
from windtunnel.spec.steps import Call


class ReadBack(Frozen):
    """How acknowledged writes are looked up afterwards: ``GET path``, then ``list[].id``."""

    path: str
    """Asked with GET; names in braces are filled in as in the flow's own request."""
    list: str
    """Field of the answer that lists what is stored."""
    id: str
    """Field of each of these that holds the id."""


class Acknowledges(Frozen):
    """What a successful answer promises to have stored: names of fields that hold ids, and where to find them."""

    written: Annotated[tuple[str, ...], Field(min_length=1)]
    """Fields of the answer that hold the ids of what was stored."""
    read_back: ReadBack
    """How they are looked up."""


class Request(Frozen):
    """The HTTP request a flow starts with. ``{prompt}`` and remembered names are filled in."""

    method: Literal["GET", "POST", "PUT", "DELETE"] = "GET"
    """Of HTTP."""
    path: Annotated[str, Field(pattern=PATH)]
    """Below the address of the client's link."""
    body: dict[str, JsonValue] | None = Field(default=None, alias="json")
    """Sent as JSON."""
    response: Literal["json", "sse"] = "json"
    """One JSON object, or server-sent events."""
    remembers: tuple[str, ...] = ()
    """Fields of a successful answer that later requests may use in path or body."""


class Flow(Frozen):
    """One class of requests: what the client sends, and what happens inside."""

    request: Request | None = None
    """None: it exists in the model only."""
    acknowledges: Acknowledges | None = None
    """None: an answer promises nothing."""
    priority: Annotated[int, Field(ge=0, le=9)] = 0
    """0 is the most urgent; for components that do not serve in the order of arrival."""
    steps: Annotated[tuple[Call, ...], Field(min_length=1, max_length=1)]
    """The client's one call."""

    @property
    def sent(self) -> Request:
        """What goes over the wire. ValueError for a flow that exists in the model only."""
        if self.request is None:
            raise ValueError("found a flow without a request, expected one that can be sent")
        return self.request
