from __future__ import annotations

import pytest

from windtunnel.loadtests.outcome import code_of, outcome_of_event, outcome_of_status


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        (200, None, "ok"),
        (204, None, "ok"),
        (302, None, "error"),
        (404, None, "error"),
        (422, "validation", "error"),
        (429, None, "rejected"),
        (500, None, "error"),
        (502, "llm_error", "error"),
        (503, None, "error"),
        (503, "database_unavailable", "error"),
        (503, "overloaded", "rejected"),
        (503, "timeout", "timeout"),
        (504, None, "timeout"),
    ],
)
def test_by_status(status: int, code: str | None, outcome: str) -> None:
    assert outcome_of_status(status, code) == outcome


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("timeout", "timeout"),
        ("overloaded", "rejected"),
        ("rate_limited", "rejected"),
        ("llm_error", "error"),
        (None, "error"),
    ],
)
def test_by_event(code: str | None, outcome: str) -> None:
    assert outcome_of_event(code) == outcome


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"error": {"code": "timeout", "message": "slow"}}', "timeout"),
        (b'{"error": {"code": 7}}', None),
        (b'{"error": "text"}', None),
        (b"[]", None),
        (b"no healthy upstream", None),
        (b"\xff\xfe", None),
        (b"", None),
    ],
)
def test_code_of(body: bytes, code: str | None) -> None:
    assert code_of(body) == code
