"""A few seconds of what ``python -m tests.fuzz`` does for hours, and that it would see what it looks for."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest
import yaml

from tests.fuzz.campaign import KINDS, Ledger, batch, table
from tests.fuzz.trial import tried
from tests.fuzz.valid import ARCHITECTURE, SCENARIO, Case
from tests.fuzz.words import said, sayable
from tests.spec import worlds
from windtunnel.harness import foretell
from windtunnel.spec.architecture import Architecture
from windtunnel.spec.reading import parse

ASKED = """\
question: Does it run?
architecture: ./drawn.yaml
load: {arrivals: constant, rate_per_s: 20, flows: {ask: 1}}
windows: {warm_up_s: 0, during_s: 1}
objectives: {during: {error_ratio: {max: 0}}}
"""
DRAWN = """\
name: drawn
components: {app: {kind: service}}
links: [{from: client, to: app, timeout_ms: 1000}]
flows: {ask: {steps: [{call: app, service_ms: 1}]}}
"""
GOOD = Case({SCENARIO: ASKED.encode(), ARCHITECTURE: DRAWN.encode()}, ("--engine", "simpy"))


def changed(old: str, new: str, broken: str) -> Case:
    """The good case with another word in its scenario."""
    assert old in ASKED
    return replace(GOOD, files={**GOOD.files, SCENARIO: ASKED.replace(old, new, 1).encode()}, broken=broken)


@pytest.mark.parametrize(("kind", "count"), [("valid", 30), ("broken", 90)])
def test_every_spec_ends_in_a_run_or_in_a_sentence(kind: str, count: int) -> None:
    ledger = Ledger()
    found = batch(KINDS[kind], 20261124, count, ledger, set(), tried)
    print(table(ledger))
    assert not found, f"{found[0].flaw.told}\n{found[0].case}"
    assert ledger.cases >= count / 2
    ends = {end.split()[1] for end in ledger.ends}
    assert "passed" in ends if kind == "valid" else "refused" in ends


def test_a_good_spec_ends_in_a_run() -> None:
    assert (tried(GOOD).end, tried(GOOD).flaw) == ("passed", None)
    assert tried(changed("max: 0", "min: 1", "")).end == "failed"


def test_a_mistake_ends_in_a_sentence() -> None:
    trial = tried(changed("rate_per_s: 20", "rate_per_s: fast", "a word"))
    assert (trial.end, trial.flaw) == ("refused", None)
    assert trial.sentences == ("asked.yaml:3: load.rate_per_s: found 'fast', expected a number",)


def test_what_is_large_is_only_checked() -> None:
    assert tried(changed("during_s: 1", "during_s: 1e6", "a number")).end == "checked"


@pytest.mark.parametrize(
    ("case", "limit_s", "signature"),
    [
        (changed("rate_per_s: 20", "rate_per_s: fast", ""), 60, "exit code 2: asked.yaml:#: load.rate_per_s"),
        (replace(GOOD, options=("--engine", "simpy", "--nonsense")), 60, "exit code 2: Usage"),
        (replace(GOOD, options=("--nonsense",), broken="option"), 60, "no sentence: Usage"),
        (changed("rate_per_s: 20", "rate_per_s: 20_000", ""), 0.2, "took too long in"),
        (replace(GOOD, files={}, broken="no files"), 60, ""),
    ],
)
def test_a_flaw_is_seen(case: Case, limit_s: float, signature: str) -> None:
    flaw = tried(case, limit_s).flaw
    assert (flaw.signature if flaw else "").startswith(signature)
    assert (flaw is None) == (not signature)


def test_a_signal_ends_more_than_one_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foretell, "judge", lambda _: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        batch(KINDS["valid"], 1, 5, Ledger(), set(), lambda _: tried(GOOD))
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_flaw_is_made_smaller_and_found_once() -> None:
    ledger, known = Ledger(), set[str]()
    strict = lambda case: tried(replace(case, options=("--nonsense",)))  # noqa: E731
    (found,) = batch(KINDS["valid"], 1, 20, ledger, known, strict)
    parts = yaml.safe_load(found.case.files[ARCHITECTURE])
    assert len(parts["components"]) <= 3
    known.add(found.flaw.signature)
    assert batch(KINDS["valid"], 2, 5, ledger, known, strict) == []


def test_words_are_counted() -> None:
    words = set(said(parse(worlds.ARCHITECTURE, Architecture)))
    assert words <= sayable() | {"Retries.on=ok"}
    assert {"Link.balance=hash", "Retries.on=timeout", "Queue.limit", "Repeat.until=hit"} <= words
