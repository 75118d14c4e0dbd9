"""Message batches through Anthropic's own client: from handing in to the results, and everything that can go wrong."""

from __future__ import annotations

import anthropic
import pytest

from .conftest import BODY

SLOW = {"FIRST_TOKEN_MS": '{"kind":"constant","value":60000}'}


def requests(*prompts: str, **changes: object) -> list[dict]:
    return [
        {"custom_id": f"my-{prompt}", "params": BODY | {"messages": [{"role": "user", "content": prompt}]} | changes}
        for prompt in prompts
    ]


@pytest.fixture
def ended(wait_until):
    """Waits until a batch has ended, and tells it."""

    def wait(client: anthropic.Anthropic, name: str):
        wait_until(lambda: client.messages.batches.retrieve(name).processing_status == "ended")
        return client.messages.batches.retrieve(name)

    return wait


def test_a_batch_answers_as_single_requests_do(mock_llm, client, ended):
    made = client.messages.batches.create(requests=requests("a", "b"))
    assert made.id.startswith("msgbatch_")
    assert made.expires_at > made.created_at
    batch = ended(client, made.id)
    assert (batch.request_counts.succeeded, batch.request_counts.processing) == (2, 0)
    results = {each.custom_id: each.result for each in client.messages.batches.results(made.id)}
    assert list(results) == ["my-a", "my-b"]
    alone = client.messages.create(**requests("a")[0]["params"])
    message = results["my-a"].message
    assert (message.content, message.stop_reason) == (alone.content, alone.stop_reason)
    assert (message.usage.service_tier, message.usage.output_tokens) == ("batch", alone.usage.output_tokens)
    assert mock_llm.ledger()["output_tokens"] >= 3


def test_bad_requests_and_injected_errors_are_results_of_their_own(mock_llm, client, ended):
    mock_llm.faults(
        {"when": {"prompt": "overload"}, "fault": {"kind": "overloaded"}},
        {"when": {"prompt": "expire", "api": "batches"}, "fault": {"kind": "timeout"}},
    )
    bad = requests("bad", model="gpt-99")
    made = client.messages.batches.create(requests=[*requests("fine", "overload", "expire"), *bad])
    counts = ended(client, made.id).request_counts
    assert (counts.succeeded, counts.errored, counts.expired, counts.canceled) == (1, 2, 1, 0)
    results = {each.custom_id: each.result for each in client.messages.batches.results(made.id)}
    assert results["my-overload"].error.error.type == "overloaded_error"
    assert results["my-bad"].error.error.type == "not_found_error"
    assert results["my-expire"].type == "expired"


def test_a_batch_that_runs_counts_nothing_yet_and_can_be_cancelled(start_mock_llm, connect, ended):
    client = connect(start_mock_llm(**SLOW))
    made = client.messages.batches.create(requests=requests("a", "b"))
    assert (made.processing_status, made.request_counts.processing, made.results_url) == ("in_progress", 2, None)
    for refused in (client.messages.batches.delete, lambda name: list(client.messages.batches.results(name))):
        with pytest.raises(anthropic.AnthropicError):
            refused(made.id)
    assert client.messages.batches.cancel(made.id).processing_status == "canceling"
    batch = ended(client, made.id)
    assert (batch.request_counts.canceled, batch.request_counts.processing) == (2, 0)
    assert batch.cancel_initiated_at is not None
    assert {each.result.type for each in client.messages.batches.results(made.id)} == {"canceled"}
    with pytest.raises(anthropic.BadRequestError):
        client.messages.batches.cancel(made.id)


def test_batches_are_listed_page_by_page_and_deleted(client, ended):
    names = [client.messages.batches.create(requests=requests(f"q{number}")).id for number in range(5)]
    for name in names:
        ended(client, name)
    assert [batch.id for batch in client.messages.batches.list(limit=2)] == list(reversed(names))
    page = client.messages.batches.list(limit=2, before_id=names[1])
    assert ([batch.id for batch in page.data], page.has_more) == ([names[3], names[2]], True)
    assert client.messages.batches.delete(names[0]).type == "message_batch_deleted"
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.retrieve(names[0])
    with pytest.raises(anthropic.BadRequestError):
        client.messages.batches.list(after_id="msgbatch_none")


@pytest.mark.parametrize(
    "handed_in",
    [
        [],
        [{"params": {}}],
        [{"custom_id": "a"}],
        [*requests("a"), *requests("a")],
    ],
)
def test_what_is_handed_in_wrongly_is_refused(client, handed_in):
    with pytest.raises(anthropic.BadRequestError):
        client.messages.batches.create(requests=handed_in)


def test_a_reset_forgets_all_batches(mock_llm, client):
    client.messages.batches.create(requests=requests("a"))
    mock_llm.reset()
    assert list(client.messages.batches.list()) == []
