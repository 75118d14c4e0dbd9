"""The JSON Schemas accept what we bring along and refuse a misspelt word."""

from __future__ import annotations

import pytest
import yaml

from windtunnel.harness import catalogue
from windtunnel.spec.reading import CoreLoader
from windtunnel.spec.schema import FILES, json_schema, kind_of


@pytest.mark.parametrize("name", FILES)
def test_every_file_has_a_schema_that_describes_its_keys(name: str) -> None:
    schema = json_schema(name)
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) <= set(schema["properties"])


def test_faults_stand_in_the_schema_as_they_are_written() -> None:
    latency = json_schema("scenario")["properties"]["faults"]["items"]["oneOf"][0]
    assert latency["required"] == ["latency", "latency_ms"]
    assert "kind" not in latency["properties"]


def test_steps_and_numbers_stand_in_the_schema_as_they_are_written() -> None:
    schema = json_schema("architecture")
    steps = schema["$defs"]["Call"]["properties"]["steps"]["items"]["oneOf"]
    assert {step["$ref"].rpartition("/")[2] for step in steps} == {"Call", "Choose", "Parallel", "Repeat", "Enqueue"}
    number, distribution = schema["$defs"]["LLM"]["properties"]["token_ms"]["anyOf"]
    assert number == {"type": "number", "minimum": 0}
    assert set(distribution["discriminator"]["mapping"]) >= {"constant", "gamma", "weibull", "pareto"}


@pytest.mark.parametrize("name", ["architecture", "deployment", "scenario"])
def test_every_key_is_described(name: str) -> None:
    """Editors show it, and it is where units and meanings are said."""
    schema = json_schema(name)
    undescribed = [
        f"{model}.{key}"
        for model, body in {name: schema, **schema["$defs"]}.items()
        for key, field in body.get("properties", {}).items()
        if not field.get("description") and "$ref" not in field and "const" not in field
    ]
    assert undescribed == []


def test_a_file_is_told_by_its_keys() -> None:
    for folder, kind in ((catalogue.SCENARIOS, "scenario"), (catalogue.ARCHITECTURES, None)):
        for file in folder.glob("*.yaml"):
            keys = set(yaml.load(file.read_text(), CoreLoader))
            assert kind_of(keys) == (kind or ("deployment" if "." in file.stem else "architecture"))
    assert kind_of({"nonsense"}) is None
