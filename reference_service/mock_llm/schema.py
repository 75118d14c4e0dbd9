"""JSON values by JSON Schema, drawn from a seed: structured outputs and the inputs of tool calls.

Source: JSON Schema 2020-12. Known are type, enum, const, properties, required, items, prefixItems, bounds, multipleOf,
lengths, the usual formats, anyOf, oneOf, allOf and local $ref. A `pattern` is not solved: the value is a plain text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random
from typing import Any

from windtunnel.reference_service.mock_llm.words import WORDS

_DEEPEST = 6
"""Below, only what a schema requires is made, so that recursive schemas end."""
_DEEPEST_REFERENCE = 12
"""Below, no reference is followed: a schema that requires itself has no value that ends."""
_BOTTOM = 40
_FORMATS = {
    "date": "2026-03-{:02d}",
    "date-time": "2026-03-{:02d}T12:00:00Z",
    "time": "12:{:02d}:00Z",
    "email": "user{}@example.com",
    "uri": "https://example.com/{}",
    "uuid": "00000000-0000-4000-8000-0000000000{:02d}",
    "ipv4": "192.0.2.{}",
    "hostname": "host{}.example.com",
}


_KINDS = ("object", "array", "string", "integer", "number", "boolean", "null")
_COUNTS = ("minItems", "maxItems", "minLength", "maxLength")
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_LARGEST = 10_000
"""Items or characters that a schema may demand."""


def check_schema(schema: Any, where: str, depth: int = 0) -> None:
    """Raises `ValueError`, with the place, for what is no schema or could not be followed."""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict) or depth > _BOTTOM:
        raise ValueError(f"{where}: Input should be a schema of at most {_BOTTOM} levels")
    kinds = schema.get("type", "object")
    for kind in kinds if isinstance(kinds, list) and kinds else [kinds]:
        if kind not in _KINDS:
            raise ValueError(f"{where}.type: Input should be one of {', '.join(_KINDS)}")
    for name in ("enum", "anyOf", "oneOf", "allOf"):
        if name in schema and not (isinstance(schema[name], list) and schema[name]):
            raise ValueError(f"{where}.{name}: Input should be a list that is not empty")
    for name in _COUNTS:
        if name in schema and not (type(schema[name]) is int and 0 <= schema[name] <= _LARGEST):
            raise ValueError(f"{where}.{name}: Input should be a whole number from 0 to {_LARGEST}")
    for name in _BOUNDS:
        bound = schema.get(name, 1)
        if isinstance(bound, bool) or not isinstance(bound, int | float) or (name == "multipleOf" and bound <= 0):
            raise ValueError(f"{where}.{name}: Input should be a number")
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        raise ValueError(f"{where}.required: Input should be a list of names")
    for name in ("$ref", "format"):
        if not isinstance(schema.get(name, ""), str):
            raise ValueError(f"{where}.{name}: Input should be a string")
    for name in ("properties", "$defs", "definitions"):
        parts = schema.get(name, {})
        if not isinstance(parts, dict):
            raise ValueError(f"{where}.{name}: Input should be an object")
        for key, part in parts.items():
            check_schema(part, f"{where}.{name}.{key}", depth + 1)
    for name in ("anyOf", "oneOf", "allOf", "prefixItems"):
        parts = schema.get(name, [])
        if not isinstance(parts, list):
            raise ValueError(f"{where}.{name}: Input should be a list")
        for place, part in enumerate(parts):
            check_schema(part, f"{where}.{name}.{place}", depth + 1)
    if "items" in schema:
        check_schema(schema["items"], f"{where}.items", depth + 1)


def example(schema: Mapping[str, Any] | bool, random: Random) -> Any:
    """A value that the schema allows."""
    return _value(schema, random, schema if isinstance(schema, Mapping) else {}, 0)


def _value(schema: Any, random: Random, root: Mapping[str, Any], depth: int) -> Any:
    schema = _resolved(schema, random, root, depth)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return random.choice(schema["enum"])
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = random.choice([one for one in kind if one != "null"] or kind)
    if kind is None:
        kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
    match kind:
        case "object":
            return _object(schema, random, root, depth)
        case "array":
            return _array(schema, random, root, depth)
        case "integer" | "number":
            return _number(schema, random, whole=kind == "integer")
        case "boolean":
            return random.random() < 0.5
        case "null":
            return None
        case _:
            return _string(schema, random)


def _resolved(schema: Any, random: Random, root: Mapping[str, Any], depth: int) -> Mapping[str, Any]:
    """Without $ref, allOf, anyOf and oneOf: followed, merged, one of them chosen."""
    if not isinstance(schema, Mapping) or depth > _BOTTOM or ("$ref" in schema and depth > _DEEPEST_REFERENCE):
        return {}
    if "$ref" in schema:
        return _resolved(_at(schema["$ref"], root), random, root, depth + 1)
    found = dict(schema)
    for part in found.pop("allOf", ()):
        found = _merged(found, _resolved(part, random, root, depth + 1))
    for key in ("anyOf", "oneOf"):
        options = found.pop(key, ())
        if options:
            chosen = options[0] if depth > _DEEPEST else random.choice(options)
            found = _merged(found, _resolved(chosen, random, root, depth + 1))
    return found


def _merged(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**left, **right}
    if "properties" in left and "properties" in right:
        merged["properties"] = {**left["properties"], **right["properties"]}
    if "required" in left and "required" in right:
        merged["required"] = [*left["required"], *right["required"]]
    return merged


def _at(reference: str, root: Mapping[str, Any]) -> Any:
    found: Any = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        if part:
            found = found.get(part.replace("~1", "/").replace("~0", "~"), {}) if isinstance(found, Mapping) else {}
    return found


def _object(schema: Mapping[str, Any], random: Random, root: Mapping[str, Any], depth: int) -> dict[str, Any]:
    properties = schema.get("properties") or {}
    required = schema.get("required") or ()
    wanted = [name for name in properties if name in required or depth < _DEEPEST]
    made = {name: _value(properties[name], random, root, depth + 1) for name in wanted}
    return made | {name: "" for name in required if name not in made}


def _array(schema: Mapping[str, Any], random: Random, root: Mapping[str, Any], depth: int) -> list[Any]:
    first = [_value(part, random, root, depth + 1) for part in schema.get("prefixItems") or ()]
    fewest = schema.get("minItems", 0 if depth >= _DEEPEST or "prefixItems" in schema else 1)
    most = min(schema.get("maxItems", fewest + 2), fewest + 2)
    count = fewest if depth >= _DEEPEST else random.randint(fewest, max(fewest, most))
    items = schema.get("items", {})
    made = [*first, *(_value(items, random, root, depth + 1) for _ in range(count - len(first)))]
    if schema.get("uniqueItems"):
        made = [value for place, value in enumerate(made) if value not in made[:place]]
    return made


def _number(schema: Mapping[str, Any], random: Random, *, whole: bool) -> int | float:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is None:
        low = 0 if high is None else high - 100
    if high is None:
        high = low + 100
    step = schema.get("multipleOf", 1 if whole else 0)
    if not step:
        # strictly between, where a bound is excluded
        return float(round(low + (high - low) * (0.05 + 0.9 * random.random()), 6))
    first = math.ceil(low / step)
    last = math.floor(high / step)
    first += schema.get("exclusiveMinimum") == first * step
    last -= schema.get("exclusiveMaximum") == last * step
    steps = random.randint(first, max(first, last))
    return int(steps * step) if whole else float(round(steps * step, 10))


def _string(schema: Mapping[str, Any], random: Random) -> str:
    form = _FORMATS.get(schema.get("format", ""))
    if form is not None:
        return form.format(random.randint(1, 28))
    text = " ".join(random.choice(WORDS) for _ in range(random.randint(1, 4)))
    while len(text) < schema.get("minLength", 0):
        text += f" {random.choice(WORDS)}"
    return text[: schema["maxLength"]] if "maxLength" in schema else text
