"""What calibration has learned cannot be more than can be counted, or less than nothing."""

from __future__ import annotations

from typing import Any

import pytest

from windtunnel.spec.parameters import Parameters
from windtunnel.spec.problem import SpecError
from windtunnel.spec.reading import validate


def known(value: float, **more: Any) -> dict[str, Any]:
    estimate = {"distribution": 1, "n": 1, "median_low": 1, "median_high": 1}
    tokens = estimate | {"distribution": {"kind": "exponential", "mean": value}}
    where = {"runs": ["a"], "rate_per_s": 1, "measured_at": "", "host": "", "cores": 1, "backend": "", "version": "0"}
    calls = {"app->llm:call": {"service_ms": estimate, "output_tokens": tokens}}
    return {"architecture": "tiny", "calls": calls, "provenance": where, **more}


def test_numbers_of_the_usual_size_are_known() -> None:
    found = validate(known(200, cpu_ms={"app": 0}), Parameters)
    assert found.call("app", "llm", "call").output_tokens is not None


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (known(1e9), "calls.app->llm:call.output_tokens: found 1e+09 tokens on average, expected at most 100,000,000"),
        (known(1, cpu_ms={"app": -1}), "cpu_ms.app: found -1, expected a number of at least 0"),
        (
            known(1, warmth={"app": [{"idle_up_to_ms": -1, "factor": 1, "n": 1}]}),
            "warmth.app[0].idle_up_to_ms: found -1, expected a number of at least 0",
        ),
    ],
)
def test_a_mistake_names_its_place(said: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SpecError) as caught:
        validate(said, Parameters)
    assert str(caught.value) == sentence
