"""What calibration has learned, as it reads."""

from __future__ import annotations

import io
from pathlib import Path

from windtunnel.harness.report.console import console
from windtunnel.harness.report.parameters import print_parameters
from windtunnel.spec.parameters import Parameters

ESTIMATE = {
    "distribution": {"kind": "empirical", "quantiles": [1, 2, 9]},
    "n": 120,
    "median_low": 1.8,
    "median_high": 2.25,
}
PARAMETERS = Parameters.model_validate(
    {
        "architecture": "toy",
        "calls": {
            "app->db:call": {"service_ms": ESTIMATE},
            "app->llm:call": {"link_ms": ESTIMATE, "service_ms": ESTIMATE | {"n": 80}, "token_ms": ESTIMATE},
        },
        "cpu_ms": {"app": 3.25},
        "provenance": {
            "runs": ["low-1", "low-2"],
            "rate_per_s": 5,
            "measured_at": "2026-03-01T10:00:00Z",
            "host": "laptop",
            "cores": 2,
            "backend": "embedded",
            "version": "0.1.0",
        },
    }
)


def test_medians_intervals_and_origin_are_shown() -> None:
    stream = io.StringIO()
    print_parameters(PARAMETERS, "3f9c2a71", Path("toy.json"), console(stream))
    text = " ".join(stream.getvalue().split())
    assert "app->db:call 120 - 2 (1.8 to 2.25) - - -" in text
    assert "app->llm:call 80 2 (1.8 to 2.25) 2 (1.8 to 2.25) - 2 (1.8 to 2.25) -" in text
    for words in ("app 3.25", "low-1, low-2", "5 /s, embedded", "laptop (2 cores)", "3f9c2a71", "toy.json"):
        assert words in text
