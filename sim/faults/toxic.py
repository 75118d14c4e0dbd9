"""toxic, imagined: a Toxiproxy toxic by its own name is the kind of fault that stands for it, where we know one.

What we do not know (another type, an attribute that is missing or strange, toxicity below 1, which the real server
draws by itself) is said to be unmodelled.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from windtunnel.sim.faults import bandwidth, blackhole, fragmentation, latency, reset, slow_close, truncation
from windtunnel.sim.faults.passage import CLEAR, Draw, Facts, Imagined, Leg, Passage
from windtunnel.spec.fault import (
    Bandwidth,
    Blackhole,
    Fragmentation,
    Latency,
    LinkFault,
    Reset,
    SlowClose,
    Toxic,
    Truncation,
)

NAMED: dict[str, tuple[type[LinkFault], Imagined, dict[str, str]]] = {
    "latency": (Latency, latency.IMAGINED, {"latency": "latency_ms", "jitter": "jitter_ms"}),
    "bandwidth": (Bandwidth, bandwidth.IMAGINED, {"rate": "rate_kb_per_s"}),
    "timeout": (Blackhole, blackhole.IMAGINED, {"timeout": "close_after_ms"}),
    "reset_peer": (Reset, reset.IMAGINED, {"timeout": "after_ms"}),
    "slow_close": (SlowClose, slow_close.IMAGINED, {"delay": "delay_ms"}),
    "slicer": (
        Fragmentation,
        fragmentation.IMAGINED,
        {"average_size": "size_bytes", "size_variation": "variation_bytes", "delay": "delay_us"},
    ),
    "limit_data": (Truncation, truncation.IMAGINED, {"bytes": "bytes"}),
}
"""Toxiproxy's type: our kind, how it is imagined, and our names for its attributes."""


def named(toxic: Toxic) -> tuple[LinkFault, Imagined] | None:
    """The fault that a toxic is, with its imagination; None where we know none."""
    if toxic.toxicity < 1 or toxic.type not in NAMED:
        return None
    kind, imagined, names = NAMED[toxic.type]
    if not set(toxic.attributes) <= set(names):
        return None
    settings = {names[name]: value for name, value in toxic.attributes.items()}
    word = kind.model_fields["kind"].annotation.__args__[0]  # type: ignore[union-attr]  # Literal["latency"]
    try:
        fault = kind.model_validate(
            {"kind": word, "target": toxic.target, "at": toxic.at, "stream": toxic.stream, **settings}
        )
    except ValidationError:
        return None
    return fault, imagined


def passage(toxic: Toxic, leg: Leg, draw: Draw) -> Passage:
    """As the fault that it is; nothing where it is unknown or does nothing."""
    known = named(toxic)
    return known[1].passage(known[0], leg, draw) if known else CLEAR


def unmodelled(toxic: Toxic, calls: Sequence[Facts]) -> str | None:
    """Everything about a toxic that has no name of ours, or what its named kind leaves out."""
    known = named(toxic)
    if known:
        return known[1].unmodelled(known[0], calls)
    if toxic.type == "noop":
        return None
    attributes = ", ".join(f"{name} {value}" for name, value in sorted(toxic.attributes.items())) or "no attributes"
    return f"toxic {toxic.type} on {toxic.target} with {attributes}, toxicity {toxic.toxicity:g}"


IMAGINED = Imagined(passage, unmodelled=unmodelled)
