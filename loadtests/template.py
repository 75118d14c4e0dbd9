"""Fills ``{prompt}`` and remembered names into paths and bodies; used for each request and each promise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from pydantic import JsonValue

from windtunnel.spec.load_plan import PLACEHOLDER


def fill_path(path: str, values: Mapping[str, JsonValue]) -> str:
    """The path with each placeholder replaced by its value, percent-encoded. KeyError where a value is missing."""
    return PLACEHOLDER.sub(lambda match: quote(str(values[match[1]]), safe=""), path)


def fill_body(body: JsonValue, values: Mapping[str, JsonValue]) -> JsonValue:
    """The body with each placeholder replaced. KeyError where a value is missing.

    A string that is nothing but a placeholder becomes the value itself, so that a remembered number stays one.
    """
    if isinstance(body, dict):
        return {key: fill_body(part, values) for key, part in body.items()}
    if isinstance(body, list):
        return [fill_body(part, values) for part in body]
    if not isinstance(body, str):
        return body
    if whole := re.fullmatch(PLACEHOLDER, body):
        return values[whole[1]]
    return PLACEHOLDER.sub(lambda match: str(values[match[1]]), body)
