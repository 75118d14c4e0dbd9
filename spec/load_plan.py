"""All that the load generator has to know, in one JSON file; written by the harness, read by ``windtunnel.loadtests``.

The generator is a process of its own because it monkey-patches; this file is the whole of what the two share.
Its answers lie in ``output``: samples.parquet (``spec.run.SAMPLES``), promises.parquet (``PROMISES``), generator.json.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import pyarrow as pa
from pydantic import Field, JsonValue, model_validator

from windtunnel.spec.flow import Flow
from windtunnel.spec.frozen import Frozen, Name, Positive, PositiveMilliseconds
from windtunnel.spec.load import Load
from windtunnel.spec.problem import problem_at
from windtunnel.spec.seeds import Seed

PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
PROMPT = "prompt"
"""The one placeholder that is not remembered: the text of the request's question."""

PROMISES = pa.schema(
    [
        pa.field("request", pa.int64(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),  # of the flow's ``read_back``, filled in
    ]
)
"""One row per id that a successful answer promised, with the path under which it is looked up."""


def placeholders(template: JsonValue) -> frozenset[str]:
    """The names in braces anywhere in the strings of a path or a body; keys of objects are not looked at."""
    if isinstance(template, str):
        return frozenset(PLACEHOLDER.findall(template))
    parts: Iterable[JsonValue] = ()
    if isinstance(template, dict):
        parts = template.values()
    elif isinstance(template, list):
        parts = template
    return frozenset(name for part in parts for name in placeholders(part))


def remembered_names(flow: Flow) -> frozenset[str]:
    """What a request of this flow needs from an earlier answer."""
    return (placeholders(flow.sent.path) | placeholders(flow.sent.body)) - {PROMPT}


class LoadPlan(Frozen):
    """One run of the generator."""

    entry_url: Annotated[str, Field(pattern=r"^https?://[^/]+$")]
    """Scheme, host and port; the flows bring the paths."""
    load: Load
    duration_s: Positive
    seed: Seed
    flows: dict[Name, Flow]
    """The architecture's; those that ``load`` does not name may be used to get the first remembered value."""
    timeout_ms: PositiveMilliseconds
    """How long the client waits for one answer, from its sending to its last byte."""
    nonce: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    """First half of each request's trace id; the other half is the request's number, big-endian."""
    zero_unix_s: float | None = None
    """The run's zero by the wall clock. None: as soon as the generator is ready, which then says when that was."""
    output: Path

    @model_validator(mode="after")
    def _consistent(self) -> LoadPlan:
        for name, flow in self.flows.items():
            if flow.request is None:
                raise problem_at(f"flows.{name}.request", "nothing", "a request: this flow exists in the model only")
        known = {PROMPT} | {name for flow in self.flows.values() for name in flow.sent.remembers}
        if self.load.arrivals == "closed":
            raise problem_at("load.arrivals", "'closed'", "an open load: only the model knows users that think")
        for name in self.load.flows:
            if name not in self.flows:
                raise problem_at(f"load.flows.{name}", f"{name!r}", "a declared flow", name, self.flows)
        for name, flow in self.flows.items():
            for unknown in sorted(remembered_names(flow) - known):
                raise problem_at(
                    f"flows.{name}.request",
                    f"{{{unknown}}}",
                    "{prompt} or a name that some flow remembers",
                    unknown,
                    known,
                )
        return self
