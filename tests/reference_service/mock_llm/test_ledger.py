"""The books balance whatever happens, and tell what clients do wrong."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from windtunnel.reference_service.mock_llm.answer import digest_of
from windtunnel.reference_service.mock_llm.ledger import Ledger, Visit
from windtunnel.reference_service.mock_llm.when import Asked

TRACE = "00-{:032x}-00f067aa0ba902b7-01"


def asked(prompt: str = "hi", said: str | None = None, **headers: str) -> Asked:
    messages = [{"role": "user", "content": prompt}]
    if said is not None:
        messages = [messages[0], {"role": "assistant", "content": said}, {"role": "user", "content": "and?"}]
    request = {"model": "m", "messages": messages}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Asked("messages", 1, digest_of(request), 0, named, request)


def visit(ledger: Ledger, now_s: float = 0.0, **fields: str) -> Visit:
    made = ledger.arrive()
    made.asks(asked(**fields), now_s)
    return made


def test_attempts_of_one_trace_are_one_intent_for_each_prompt():
    ledger = Ledger()
    for number, prompt in ((1, "a"), (1, "a"), (1, "b"), (2, "a")):
        visit(ledger, prompt=prompt, traceparent=TRACE.format(number)).end("completed")
    assert (ledger.attempts, ledger.intents, ledger.duplicate_completions) == (4, 3, 1)
    assert ledger.as_data()["amplification"] == pytest.approx(4 / 3)


def test_without_a_name_attempts_belong_together_until_one_succeeds():
    ledger = Ledger()
    for how in ("failed", "cancelled", "completed", "completed"):
        visit(ledger).end(how)
    assert (ledger.attempts, ledger.intents, ledger.duplicate_completions) == (4, 2, 0)


def test_a_hedge_that_completes_too_is_billed_twice_for_one_intent():
    ledger = Ledger()
    both = [visit(ledger), visit(ledger)]
    for each in both:
        each.generated(10, 5)
        each.end("completed", delivered=5)
    assert (ledger.intents, ledger.duplicate_completions, ledger.output_tokens) == (1, 1, 10)


@pytest.mark.parametrize(("after_s", "ignored"), [(1.0, 1), (1.98, 1), (2.0, 0), (60.0, 0)])
def test_a_retry_before_its_time_is_counted(after_s, ignored):
    ledger = Ledger()
    visit(ledger, now_s=100).refused("rate_limit_error", 100, 2, None)
    visit(ledger, now_s=100 + after_s).end("completed")
    assert (ledger.retry_after_told, ledger.retry_after_ignored) == (1, ignored)


def test_another_s_request_is_not_a_retry():
    ledger = Ledger()
    visit(ledger, prompt="a").refused("rate_limit_error", 0, 60, None)
    visit(ledger, prompt="b")
    assert ledger.retry_after_ignored == 0


def test_a_retry_of_what_was_futile_is_counted_once_for_each_time_it_was_said():
    ledger = Ledger()
    visit(ledger).refused("rate_limit_error", 0, None, False)
    visit(ledger).refused("rate_limit_error", 0, None, False)
    visit(ledger).end("completed")
    assert ledger.futile_retries == 2


def test_a_partial_text_that_comes_back_was_accepted_and_a_whole_one_is_not_partial():
    ledger = Ledger()
    visit(ledger).truncated("half an ans")
    visit(ledger, prompt="x", said="another answer")
    assert ledger.truncations_accepted == 0
    visit(ledger, prompt="x", said=" half an ans ")
    visit(ledger, prompt="x", said="half an ans")
    assert (ledger.truncations, ledger.truncations_accepted) == (1, 1)


def test_an_empty_partial_text_accuses_nobody():
    ledger = Ledger()
    visit(ledger).truncated("")
    visit(ledger, said="")
    assert ledger.truncations_accepted == 0


def test_only_the_first_end_counts_and_running_requests_survive_a_clearing():
    ledger = Ledger()
    first, second = visit(ledger), visit(ledger)
    first.end("completed", delivered=3)
    first.end("failed")
    ledger.clear()
    assert (ledger.received, ledger.in_flight, ledger.completed, ledger.peak_in_flight) == (1, 1, 0, 1)
    second.end("cancelled")
    assert (ledger.cancelled, ledger.in_flight) == (1, 0)


class Books(RuleBasedStateMachine):
    """Any sequence of arrivals and ends."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.open: list[Visit] = []
        self.now_s = 0.0

    @rule(prompt=st.sampled_from("abc"), key=st.sampled_from([None, "k1", "k2"]), understood=st.booleans())
    def arrives(self, prompt: str, key: str | None, understood: bool) -> None:
        made = self.ledger.arrive()
        if understood:
            made.asks(asked(prompt, **({"idempotency_key": key} if key else {})), self.now_s)
        self.open.append(made)

    def _one(self, number: int) -> Visit | None:
        return self.open.pop(number % len(self.open)) if self.open else None

    @rule(number=st.integers(0, 9), size=st.integers(0, 50), how=st.sampled_from(["completed", "cancelled"]))
    def ends(self, number: int, size: int, how: str) -> None:
        if one := self._one(number):
            one.generated(7, size)
            one.end(how, delivered=size)

    @rule(number=st.integers(0, 9), after_s=st.sampled_from([None, 1, 5]), again=st.sampled_from([None, False]))
    def is_refused(self, number: int, after_s: float | None, again: bool | None) -> None:
        if one := self._one(number):
            one.refused("rate_limit_error", self.now_s, after_s, again)

    @rule(number=st.integers(0, 9), size=st.integers(0, 50))
    def is_truncated(self, number: int, size: int) -> None:
        if one := self._one(number):
            one.generated(7, size)
            one.truncated("partial" if size else "")

    @rule(passed_s=st.floats(0, 10))
    def time_passes(self, passed_s: float) -> None:
        self.now_s += passed_s

    @invariant()
    def balances(self) -> None:
        books = self.ledger
        assert books.received == books.completed + books.failed + books.cancelled + books.in_flight
        assert books.in_flight == len(self.open) <= books.peak_in_flight <= books.received
        assert books.intents <= books.attempts <= books.received
        assert books.delivered_output_tokens <= books.output_tokens
        assert books.completed - books.duplicate_completions <= books.intents + (books.received - books.attempts)
        assert books.retry_after_ignored <= books.retry_after_told
        assert books.truncations_retried + books.truncations_accepted <= books.truncations
        assert sum(books.errors.values()) <= books.failed


Books.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestBooks = Books.TestCase
