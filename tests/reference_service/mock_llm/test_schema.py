"""Values are what their schema allows, the same for the same seed."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windtunnel.reference_service.mock_llm.schema import check_schema, example

LEAF = st.one_of(
    st.fixed_dictionaries({"type": st.just("integer"), "minimum": st.integers(-50, 0), "maximum": st.integers(0, 50)}),
    st.fixed_dictionaries({"type": st.just("integer"), "exclusiveMinimum": st.integers(-9, 9)}),
    st.fixed_dictionaries({"type": st.just("integer"), "multipleOf": st.integers(1, 9)}),
    st.fixed_dictionaries({"type": st.just("number"), "minimum": st.integers(-5, 0), "maximum": st.integers(1, 5)}),
    st.fixed_dictionaries({"type": st.just("string"), "minLength": st.integers(0, 30)}),
    st.fixed_dictionaries({"type": st.just("string"), "maxLength": st.integers(0, 30)}),
    st.fixed_dictionaries({"enum": st.lists(st.integers() | st.text(), min_size=1, max_size=4)}),
    st.fixed_dictionaries({"const": st.integers() | st.none()}),
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.just({"type": ["string", "null"]}),
)


def composed(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.sampled_from(["a", "b", "c"])
    return st.one_of(
        st.dictionaries(names, inner, max_size=3).map(
            lambda found: {"type": "object", "properties": found, "required": sorted(found)}
        ),
        st.tuples(inner, st.integers(0, 3)).map(
            lambda found: {"type": "array", "items": found[0], "minItems": found[1], "maxItems": found[1] + 1}
        ),
        st.lists(inner, min_size=1, max_size=3).map(lambda found: {"anyOf": found}),
    )


def allows(schema: dict[str, Any], value: Any) -> bool:
    """A judge of its own, for what the schemas here say."""
    if "anyOf" in schema:
        return any(allows(one, value) for one in schema["anyOf"])
    if "enum" in schema:
        return value in schema["enum"]
    if "const" in schema:
        return bool(value == schema["const"])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return any(_is(kind, schema, value) for kind in kinds)


def _is(kind: str, schema: dict[str, Any], value: Any) -> bool:
    match kind:
        case "object":
            known = isinstance(value, dict) and set(schema["required"]) <= set(value) <= set(schema["properties"])
            return known and all(allows(schema["properties"][name], each) for name, each in value.items())
        case "array":
            counted = isinstance(value, list) and schema["minItems"] <= len(value) <= schema["maxItems"]
            return counted and all(allows(schema["items"], each) for each in value)
        case "integer" | "number":
            if isinstance(value, bool) or not isinstance(value, int if kind == "integer" else int | float):
                return False
            low, high = schema.get("minimum", float("-inf")), schema.get("maximum", float("inf"))
            above = value > schema.get("exclusiveMinimum", float("-inf"))
            return (
                low <= value <= high
                and above
                and value % schema.get("multipleOf", 1 if kind == "integer" else value or 1) == 0
            )
        case "string":
            return isinstance(value, str) and schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 10**9)
        case "boolean":
            return isinstance(value, bool)
        case _:
            return value is None


@settings(max_examples=300, deadline=None)
@given(st.recursive(LEAF, composed, max_leaves=8), st.integers(0, 1000))
def test_a_value_is_allowed_and_repeatable(schema, seed):
    value = example(schema, Random(seed))
    assert allows(schema, value), (schema, value)
    assert example(schema, Random(seed)) == value
    json.dumps(value)


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"type": "text"}, "x.type"),
        ({"type": []}, "x.type"),
        ({"properties": {"a": {"enum": []}}}, "x.properties.a.enum"),
        ({"items": {"anyOf": [{"minItems": -1}]}}, "x.items.anyOf.0.minItems"),
        ({"minLength": 10**9}, "x.minLength"),
        ({"multipleOf": 0}, "x.multipleOf"),
        ({"required": "a"}, "x.required"),
        ({"properties": []}, "x.properties"),
        ({"$ref": 7}, r"x.\$ref"),
        ({"prefixItems": {}}, "x.prefixItems"),
        ([], "x:"),
    ],
)
def test_what_is_no_schema_is_told_with_its_place(schema, place):
    with pytest.raises(ValueError, match=place):
        check_schema(schema, "x")


def test_a_schema_that_contains_itself_ends():
    tree = {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                },
                "required": ["name", "children"],
            }
        },
    }
    value = example(tree, Random(1))
    assert set(value) == {"name", "children"}
    assert len(json.dumps(value)) < 100_000


def test_a_schema_that_no_value_can_meet_ends_too():
    tree = {"type": "object", "properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}, "required": ["a", "b"]}
    assert set(example(tree, Random(1))) == {"a", "b"}


def test_all_of_is_merged():
    part = {"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"]}
    other = {"properties": {"b": {"const": 2}}, "required": ["b"]}
    assert example({"allOf": [part, other]}, Random(1)) == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("form", "begins"), [("date", "2026-"), ("email", "user"), ("uri", "https://"), ("uuid", "00000000-")]
)
def test_formats_look_like_what_they_are(form, begins):
    assert example({"type": "string", "format": form}, Random(1)).startswith(begins)
