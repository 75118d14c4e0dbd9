"""Faults, as an operator calls them. ``chaos/faults`` does them, ``sim/faults`` imagines them, one file a kind in each.

In a file a fault is its kind and its target, then its settings:

    - latency: app->llm
      latency_ms: 500
      at: during

Faults on links can be done and imagined. Those on components and zones are known to the model only, so far.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, JsonValue
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from windtunnel.spec.frozen import (
    ComponentName,
    Count,
    Frozen,
    LinkName,
    Milliseconds,
    Name,
    Positive,
    PositiveMilliseconds,
    Ratio,
    Whole,
)
from windtunnel.spec.problem import problem_at

WindowName = Literal["before", "during", "after"]
Stream = Literal["downstream", "upstream"]


class LinkFault(Frozen):
    """On every connection of a link, from the start of its window to the window's end."""

    target: LinkName
    """``app->llm``, or one replica's: ``app.0->llm``."""
    at: WindowName = "during"


class Latency(LinkFault):
    """Every answer is late: uniform between latency_ms - jitter_ms and latency_ms + jitter_ms."""

    kind: Literal["latency"]
    latency_ms: PositiveMilliseconds
    jitter_ms: Milliseconds = 0
    stream: Stream = "downstream"


class Bandwidth(LinkFault):
    """The wire carries only so many kilobytes (1,000 bytes) a second."""

    kind: Literal["bandwidth"]
    rate_kb_per_s: Count
    stream: Stream = "downstream"


class Blackhole(LinkFault):
    """Nothing gets through and nobody is told; with close_after_ms the connection is closed after that time."""

    kind: Literal["blackhole"]
    close_after_ms: Milliseconds = 0
    stream: Stream = "downstream"


class Reset(LinkFault):
    """Connections are torn down (TCP RST) after after_ms."""

    kind: Literal["reset"]
    after_ms: Milliseconds = 0
    stream: Stream = "downstream"


class Outage(LinkFault):
    """The callee is down: open connections are closed, new ones refused."""

    kind: Literal["outage"]


class SlowClose(LinkFault):
    """Connections take delay_ms longer to close."""

    kind: Literal["slow_close"]
    delay_ms: PositiveMilliseconds
    stream: Stream = "downstream"


class Fragmentation(LinkFault):
    """Data arrives in pieces of size_bytes, delay_us apart."""

    kind: Literal["fragmentation"]
    size_bytes: Count
    variation_bytes: Whole = 0
    delay_us: Whole = 0
    stream: Stream = "downstream"


class Truncation(LinkFault):
    """Every connection is closed after that many bytes."""

    kind: Literal["truncation"]
    bytes: Count
    stream: Stream = "downstream"


class Toxic(LinkFault):
    """A Toxiproxy toxic by its own name and attributes, for what has no word of ours yet."""

    kind: Literal["toxic"]
    type: str
    attributes: dict[str, JsonValue] = {}
    toxicity: Ratio = 1.0
    stream: Stream = "downstream"


class ComponentFault(Frozen):
    """On a component or one replica of it, from the start of its window to the window's end."""

    target: ComponentName
    """``db``: all its replicas; ``db.0``: that one."""
    at: WindowName = "during"


class Kill(ComponentFault):
    """The process is gone: its calls are cut, new ones refused. It is started again when the window ends."""

    kind: Literal["kill"]


class Brownout(ComponentFault):
    """It works, but slowly: all of its own work takes factor times as long."""

    kind: Literal["brownout"]
    factor: Positive


class RandomOutages(ComponentFault):
    """Each replica for itself is killed and started again, after exponential times."""

    kind: Literal["random_outages"]
    mtbf_s: Positive
    """Mean time between failures: from a start to the next outage."""
    mttr_s: Positive
    """Mean time to repair: from an outage to the next start."""


class ZoneOutage(Frozen):
    """Every replica that stands in a zone is killed, from the start of its window to the window's end."""

    kind: Literal["zone_outage"]
    target: Name
    """A zone of the deployment."""
    at: WindowName = "during"


AnyLinkFault = Latency | Bandwidth | Blackhole | Reset | Outage | SlowClose | Fragmentation | Truncation | Toxic
AnyFault = AnyLinkFault | Kill | Brownout | RandomOutages | ZoneOutage


def _kinds(union: Any) -> tuple[str, ...]:
    return tuple(get_args(cls.model_fields["kind"].annotation)[0] for cls in get_args(union))


KINDS = _kinds(AnyFault)
LINK_KINDS = _kinds(AnyLinkFault)
"""Those that can be done on real wires, too."""
MODEL_KINDS = tuple(kind for kind in KINDS if kind not in LINK_KINDS)
"""Those that only the model knows, so far."""


def _spread(value: Any) -> Any:
    """``{latency: app->llm, ...}`` as ``{kind: latency, target: app->llm, ...}``."""
    if not isinstance(value, dict) or "kind" in value:
        return value
    kinds = [key for key in value if key in KINDS]
    if len(kinds) != 1:
        settings = {name for cls in get_args(AnyFault) for name in cls.model_fields}
        strange = next((str(key) for key in value if key not in settings), "")
        found = f"{', '.join(kinds)} together" if kinds else f"keys {', '.join(map(str, value)) or 'none'}"
        raise problem_at("", found, f"one kind of fault ({', '.join(KINDS)})", strange, KINDS)
    kind = kinds[0]
    return {"kind": kind, "target": value[kind]} | {key: item for key, item in value.items() if key != kind}


class _AsWritten:
    """In the JSON Schema a fault looks as it is written, so that editors complete it."""

    @classmethod
    def __get_pydantic_json_schema__(cls, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        written = []
        for kind in get_args(AnyFault):
            schema = handler.resolve_ref_schema(handler(kind.__pydantic_core_schema__))
            name = get_args(kind.model_fields["kind"].annotation)[0]
            properties = {key: value for key, value in schema["properties"].items() if key not in ("kind", "target")}
            written.append(
                {
                    "type": "object",
                    "description": schema.get("description", ""),
                    "properties": {name: schema["properties"]["target"]} | properties,
                    "required": [name, *(key for key in schema["required"] if key not in ("kind", "target"))],
                    "additionalProperties": False,
                }
            )
        return {"oneOf": written}


Fault = Annotated[Annotated[AnyFault, Field(discriminator="kind")], BeforeValidator(_spread), _AsWritten]
