"""The admin API: what it takes, what it tells, and that a reset brings everything back."""

from __future__ import annotations

import httpx
import pytest

from .conftest import BODY, NO_TLS

RULE = {"fault": {"kind": "stall", "at_token": 3}}


def admin(mock, method: str, path: str, content: object = None) -> httpx.Response:
    return httpx.request(method, f"{mock.url}/admin/{path}", json=content, verify=NO_TLS)


def test_rules_are_added_read_back_and_removed(mock_llm):
    assert admin(mock_llm, "POST", "faults", RULE).json() == {"name": "stall"}
    assert admin(mock_llm, "POST", "faults", RULE | {"name": "a/b c"}).status_code == 201
    told = admin(mock_llm, "GET", "faults").json()["faults"]
    assert [(rule["name"], rule["struck"], rule["fault"]["at_token"]) for rule in told] == [
        ("stall", 0, 3),
        ("a/b c", 0, 3),
    ]
    assert admin(mock_llm, "DELETE", "faults/a%2Fb%20c").json() == {"removed": True}
    assert admin(mock_llm, "DELETE", "faults/none").json() == {"removed": False}
    assert admin(mock_llm, "DELETE", "faults").json() == {"faults": []}


def test_what_was_read_back_can_be_put_again(mock_llm):
    for path, content in (("faults", [RULE]), ("answers", [{"say": ["a", "b"]}])):
        told = admin(mock_llm, "PUT", path, content).json()[path]
        for each in told:
            each.pop("struck", None)
        assert admin(mock_llm, "PUT", path, told).status_code == 200
    rates = {"plain": 0.5, "marked": 0.25}
    assert admin(mock_llm, "PUT", "obedience", rates).json() == admin(mock_llm, "GET", "obedience").json() == rates


@pytest.mark.parametrize(
    ("path", "content", "named"),
    [
        ("faults", [{"fault": {"kind": "weather"}}], "0.fault"),
        ("faults", {"fault": {"kind": "overloaded"}}, "array"),
        ("answers", [{}], "one of say, echo and tool"),
        ("answers", [{"say": "a", "echo": True}], "one of say, echo and tool"),
        ("obedience", {"plain": 2}, "plain"),
        ("obedience", {"polite": 1}, "polite"),
    ],
)
def test_mistakes_are_sentences_and_change_nothing(mock_llm, path, content, named):
    admin(mock_llm, "PUT", "faults", [RULE])
    refused = admin(mock_llm, "PUT", path, content)
    assert refused.status_code == 400
    assert named in refused.json()["error"]
    assert len(admin(mock_llm, "GET", "faults").json()["faults"]) == 1


@pytest.mark.parametrize(("method", "path"), [("GET", "weather"), ("PUT", "ledger"), ("GET", "faults/a/b")])
def test_what_is_not_there_is_404(mock_llm, method, path):
    assert admin(mock_llm, method, path).status_code == 404


def test_a_reset_brings_back_what_the_environment_said(start_mock_llm, connect):
    mock = start_mock_llm(
        FAULTS='[{"first":1,"fault":{"kind":"overloaded"}}]',
        ANSWERS='[{"say":"as at the start"}]',
        REQUESTS_PER_MINUTE="2",
    )
    client = connect(mock, max_retries=1)
    for _ in range(2):  # the second request of each round would be one too many without the reset
        assert client.messages.create(**BODY).content[0].text == "as at the start"
        mock.answers({"say": "changed"})
        mock.faults()
        mock.obedience(plain=1, marked=1)
        assert mock.ledger()["faults"] == {}
        mock.reset()
        ledger = mock.ledger()
        assert ledger["faults"] == {"overloaded": 0}
        assert ledger["received"] == ledger["attempts"] == ledger["output_tokens"] == 0
        assert admin(mock, "GET", "obedience").json() == {"plain": 0.0, "marked": 0.0}
