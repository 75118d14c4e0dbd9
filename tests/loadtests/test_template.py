from __future__ import annotations

import pytest
from pydantic import JsonValue

from windtunnel.loadtests.template import fill_body, fill_path


def test_a_path_cannot_be_broken_out_of() -> None:
    assert fill_path("/v1/{kind}/{id}?of={id}", {"kind": "a", "id": "x/y?z"}) == "/v1/a/x%2Fy%3Fz?of=x%2Fy%3Fz"


def test_a_body_is_filled_at_any_depth_and_keeps_the_type_of_a_whole_value() -> None:
    body: JsonValue = {
        "message": "{prompt}",
        "of": ["{id}", {"text": "number {id}"}],
        "stream": True,
        "n": 1.5,
        "none": None,
    }
    assert fill_body(body, {"prompt": 'say "{id}"', "id": 7}) == {
        "message": 'say "{id}"',
        "of": [7, {"text": "number 7"}],
        "stream": True,
        "n": 1.5,
        "none": None,
    }


def test_a_missing_value_is_no_empty_text() -> None:
    with pytest.raises(KeyError):
        fill_path("/{id}", {})
    with pytest.raises(KeyError):
        fill_body({"id": "{id}"}, {})
