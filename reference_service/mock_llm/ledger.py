"""What the mock LLM counted: the provider's side of the books, which tests and checkers hold against the client's.

An *attempt* is a request for an answer that was understood; an *intent* is what the caller wanted, however often it
had to ask. Attempts belong to one intent when they carry the same idempotency-key, else the same trace (traceparent),
else when they ask the same prompt and the one before did not succeed. The same key after a success is another intent
only where it is the prompt that is the key; an idempotency key or a trace that comes again asks for the same thing
twice, and two completions are then billed for one intent.
"""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from windtunnel.reference_service.mock_llm.when import Asked, text_of

_MOST = 200_000
"""Intents and partial texts that are remembered; the oldest are dropped."""
_EARLY_S = 0.01
"""A retry that comes so little before its time is in time: clocks and timers differ."""

End = Literal["completed", "failed", "cancelled"]


@dataclass
class Intent:
    """What a caller wanted."""

    attempts: int = 0
    completions: int = 0
    not_before_s: float | None = None
    """When a retry was allowed, as it was told."""
    forbidden: bool = False
    """A retry was said to be futile."""
    truncated: bool = False
    """The last attempt ended early without an error."""


@dataclass
class Ledger:
    """Counts since the start or the last reset. Always: received = completed + failed + cancelled + in_flight.

    `in_flight` includes requests that wait for a slot; `output_tokens` counts what was generated, for cancelled
    streams too. A request is booked before the last byte of its answer is sent, so that who has the answer finds it in
    the books.
    """

    received: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    in_flight: int = 0
    peak_in_flight: int = 0
    attempts: int = 0
    intents: int = 0
    duplicate_completions: int = 0
    """Completions beyond the first one of an intent: each was billed."""
    billed_input_tokens: int = 0
    output_tokens: int = 0
    """Generated, and so billed."""
    delivered_output_tokens: int = 0
    """Of answers that were sent completely."""
    retry_after_told: int = 0
    retry_after_ignored: int = 0
    """Retries that came before the time that they were told."""
    futile_retries: int = 0
    """Retries of what was said not to be worth one."""
    truncations: int = 0
    """Answers that ended early without an error."""
    truncations_retried: int = 0
    truncations_accepted: int = 0
    """Partial answers that came back as the assistant's words in a later request: they were taken for complete."""
    injections_obeyed: int = 0
    """Answers that an injected instruction decided."""
    errors: Counter[str] = field(default_factory=Counter)
    """Sent, by type."""
    _intents: OrderedDict[str, Intent] = field(default_factory=OrderedDict, repr=False)
    _partial: OrderedDict[bytes, None] = field(default_factory=OrderedDict, repr=False)

    def arrive(self) -> Visit:
        """A request has come."""
        self.received += 1
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        return Visit(self)

    def clear(self) -> None:
        """Start anew; requests that still run stay received and in flight."""
        running = self.in_flight
        vars(self).update(vars(Ledger(received=running, in_flight=running, peak_in_flight=running)))

    def as_data(self) -> dict[str, Any]:
        """The books as JSON; amplification is null as long as nothing was asked."""
        counts = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        return {
            **counts,
            "errors": dict(self.errors),
            "billed_output_tokens": self.output_tokens,
            "amplification": self.attempts / self.intents if self.intents else None,
        }

    def _asks(self, asked: Asked, now_s: float) -> Intent:
        self.attempts += 1
        key, by_prompt = _key(asked)
        intent = self._intents.get(key)
        if intent is None or (by_prompt and intent.completions):
            self.intents += 1
            intent = self._intents[key] = Intent()
            self._intents.move_to_end(key)
            if len(self._intents) > _MOST:
                self._intents.popitem(last=False)
        intent.attempts += 1
        if intent.attempts > 1:
            self.retry_after_ignored += intent.not_before_s is not None and now_s < intent.not_before_s - _EARLY_S
            self.futile_retries += intent.forbidden
            self.truncations_retried += intent.truncated
        intent.not_before_s, intent.forbidden, intent.truncated = None, False, False
        self._look_for_partial(asked.request)
        return intent

    def _look_for_partial(self, request: Mapping[str, Any]) -> None:
        if not self._partial:
            return
        for message in request["messages"]:
            if message["role"] == "assistant":
                digest = _digest(text_of(message["content"]))
                if digest in self._partial:  # counted once, however often the conversation goes on
                    del self._partial[digest]
                    self.truncations_accepted += 1

    def _keep_partial(self, text: str) -> None:
        self._partial[_digest(text)] = None
        if len(self._partial) > _MOST:
            self._partial.popitem(last=False)


@dataclass
class Visit:
    """One request on its way through the books; only its first end counts."""

    ledger: Ledger
    intent: Intent | None = None
    ended: bool = False

    def asks(self, asked: Asked, now_s: float) -> None:
        """It was understood."""
        self.intent = self.ledger._asks(asked, now_s)

    def obeyed(self) -> None:
        """An injected instruction decides its answer."""
        self.ledger.injections_obeyed += 1

    def generated(self, input_tokens: int, output_tokens: int) -> None:
        """What is billed for it."""
        self.ledger.billed_input_tokens += input_tokens
        self.ledger.output_tokens += output_tokens

    def refused(self, kind: str, now_s: float, retry_after_s: float | None, should_retry: bool | None) -> None:
        """It got an error."""
        self.ledger.errors[kind] += 1
        if retry_after_s is not None:
            self.ledger.retry_after_told += 1
        if self.intent is not None:
            self.intent.not_before_s = None if retry_after_s is None else now_s + retry_after_s
            self.intent.forbidden = should_retry is False
        self.end("failed")

    def truncated(self, text: str) -> None:
        """Its answer ended after this text, and nothing told so."""
        self.ledger.truncations += 1
        if self.intent is not None:
            self.intent.truncated = True
        if text:
            self.ledger._keep_partial(text)
        self.end("failed")

    def end(self, how: End, delivered: int = 0) -> None:
        """It is over; `delivered` output tokens of a complete answer."""
        if self.ended:
            return
        self.ended = True
        ledger = self.ledger
        ledger.in_flight -= 1
        setattr(ledger, how, getattr(ledger, how) + 1)
        if how == "completed":
            ledger.delivered_output_tokens += delivered
            if self.intent is not None:
                self.intent.completions += 1
                ledger.duplicate_completions += self.intent.completions > 1


def _key(asked: Asked) -> tuple[str, bool]:
    """What tells intents apart, and whether that is only the prompt."""
    if key := asked.headers.get("idempotency-key"):
        return f"key {key}", False
    trace = asked.headers.get("traceparent", "").split("-")
    if len(trace) == 4:
        # one request of a user may need several answers: to other prompts
        return f"trace {trace[1]} {asked.digest}", False
    return f"prompt {asked.digest}", True


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.strip().encode(errors="surrogatepass")).digest()
