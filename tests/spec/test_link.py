"""Links: how failure is gone about, and what does not go together."""

from __future__ import annotations

import math

import pytest

from windtunnel.spec.architecture import Architecture, Link
from windtunnel.spec.reading import parse

from .sentences import sentences
from .worlds import ARCHITECTURE


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("[timeout, rejected]", "[timeout, ok]", "retries.on: found 'ok', expected failures: a success is not"),
        ("[timeout, rejected]", "[timeout, reject]", "retries.on[1]: found 'reject', expected one of ok, hit, miss"),
        ("[timeout, rejected]", "[]", "links[6].retries.on: found an empty list, expected at least 1 of them"),
        ("jitter: decorrelated", "jitter: correlated", "did you mean 'decorrelated'?"),
        ("max_backoff_ms: 900", "max_backoff_ms: 0", "links[6].retries.max_backoff_ms: found 0, expected a number"),
        ("budget: {ratio: 0.2}", "budget: {ratio: 0}", "links[6].retries.budget.ratio: found 0, expected a number"),
        ("{ratio: 0.5, calls", "{failures: 3, ratio: 0.5, calls", "links[6].breaker: found failures and ratio,"),
        ("{ratio: 0.5, calls", "{calls", "links[6].breaker: found neither failures nor ratio, expected one of"),
        ("{ratio: 0.5, calls", "{ratio: 0, calls", "links[6].breaker.ratio: found 0, expected a number above 0"),
        ("open_ms: 1000, probes: 2", "probes: 2", "links[6].breaker.open_ms: found nothing, expected a number"),
        ("after_ms: 50", "after_ms: -50", "links[5].hedge.after_ms: found -50, expected a number above 0"),
        ("balance: hash", "balance: hsh", "did you mean 'hash'?"),
        ("for_s: 10", "for_s: 0", "links[1].ejection.for_s: found 0, expected a number above 0"),
        ("on_timeout: abandon", "on_timeout: forget", "links[2].on_timeout: found 'forget', expected one of cancel"),
        ("timeout_ms: 300,", "timeout_ms: 0,", "links[5].timeout_ms: found 0, expected a number above 0, or never"),
        ("timeout_ms: 300,", "timeout_ms: nevr,", "expected a number, or never; did you mean 'never'?"),
    ],
)  # fmt: skip
def test_a_mistake_names_its_place(old: str, new: str, sentence: str) -> None:
    (only,) = sentences(ARCHITECTURE, old, new, Architecture)
    assert sentence in only


def test_a_caller_that_never_gives_up() -> None:
    assert parse("{from: a, to: b, timeout_ms: never}", Link).limit_ms == math.inf
    assert parse("{from: a, to: b, timeout_ms: 5}", Link).limit_ms == 5


def test_what_old_files_say_means_what_it_meant() -> None:
    link = parse("{from: a, to: b, timeout_ms: 5, retries: {max: 1, backoff_ms: 100}}", Link)
    assert link.retries is not None
    assert (link.retries.jitter, link.retries.on, link.retries.budget) == ("full", None, None)
    assert (link.breaker, link.hedge, link.ejection, link.balance) == (None, None, None, "round_robin")
