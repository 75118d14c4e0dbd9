"""A plan survives its file, and a plan that no generator could carry out is refused with the place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from windtunnel.spec.load_plan import LoadPlan, placeholders
from windtunnel.spec.problem import SpecError
from windtunnel.spec.reading import parse, validate


def values(**more: Any) -> dict[str, Any]:
    chat = {
        "request": {"method": "POST", "path": "/chat", "json": {"message": "{prompt}"}, "remembers": ["conversation"]},
        "steps": [{"call": "app"}],
    }
    history = {"request": {"path": "/conversations/{conversation}"}, "steps": [{"call": "app"}]}
    return {
        "entry_url": "http://127.0.0.1:8080",
        "load": {"rate_per_s": 10, "flows": {"history": 1}},
        "duration_s": 5,
        "seed": 1,
        "flows": {"chat": chat, "history": history},
        "timeout_ms": 1000,
        "nonce": "0123456789abcdef",
        "output": "somewhere",
    } | more


def test_a_plan_is_the_same_after_its_file() -> None:
    plan = validate(values(zero_unix_s=1795507730.4191768, seed=2**63 - 1), LoadPlan)
    assert parse(plan.model_dump_json(by_alias=True), LoadPlan) == plan
    assert plan.output == Path("somewhere")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"nonce": "0123"}, "nonce: found '0123'"),
        ({"entry_url": "http://127.0.0.1:8080/v1"}, "entry_url: found 'http://127.0.0.1:8080/v1'"),
        ({"timeout_ms": 0}, "timeout_ms: found 0, expected a number above 0"),
        ({"retries": 3}, "retries: found an unknown key"),
        (
            {"load": {"rate_per_s": 10, "flows": {"histroy": 1}}},
            "load.flows.histroy: found 'histroy', expected a declared flow; did you mean 'history'?",
        ),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(more: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SpecError) as refusal:
        validate(values(**more), LoadPlan)
    assert sentence in str(refusal.value)


def test_a_name_that_no_flow_remembers_is_refused() -> None:
    plan = values()
    plan["flows"]["history"]["request"]["path"] = "/conversations/{conversatoin}"
    with pytest.raises(SpecError) as refusal:
        validate(plan, LoadPlan)
    assert str(refusal.value) == (
        "flows.history.request: found {conversatoin}, expected {prompt} or a name that some flow remembers;"
        " did you mean 'conversation'?"
    )


def test_placeholders_are_found_at_any_depth() -> None:
    body: JsonValue = {"{not_a_key}": ["{a}", {"x": "to {b} and {c}"}, 7, None], "y": "{Upper} {} { d }"}
    assert placeholders(body) == {"a", "b", "c"}
