"""JSON Schema of every file we read, for editors: ``# yaml-language-server: $schema=...``."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from windtunnel.spec.architecture import Architecture
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.parameters import Parameters
from windtunnel.spec.scenario import Scenario

FILES: dict[str, type[BaseModel]] = {
    "architecture": Architecture,
    "deployment": Deployment,
    "scenario": Scenario,
    "parameters": Parameters,
}


def json_schema(name: str) -> dict[str, Any]:
    """The schema (draft 2020-12) of one kind of file. KeyError for a name that is not in ``FILES``."""
    schema = FILES[name].model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema


def kind_of(keys: set[str]) -> str | None:
    """Which file it is, by the top-level keys that only one kind has; None where nothing tells."""
    owners = {
        "architecture": {"components", "links"},
        "deployment": {"hosts", "place"},
        "scenario": {"question", "windows", "objectives", "load", "faults"},
        "parameters": {"calls", "provenance", "cpu_ms"},
    }
    best = max(owners, key=lambda name: len(owners[name] & keys))
    return best if owners[best] & keys else None
