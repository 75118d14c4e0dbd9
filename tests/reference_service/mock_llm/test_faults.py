"""Rules strike whom they name, as often as they say, and the same requests in every replay."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windtunnel.reference_service.environment import SettingError
from windtunnel.reference_service.mock_llm.answer import digest_of
from windtunnel.reference_service.mock_llm.faults import RULE, RULES, FaultRules, Truncation
from windtunnel.reference_service.mock_llm.frozen import understood
from windtunnel.reference_service.mock_llm.plan import plan_of
from windtunnel.reference_service.mock_llm.reply import Stream
from windtunnel.reference_service.mock_llm.when import Asked


def asked(number: int = 1, prompt: str = "hi", ordinal: int = 0, **headers: str) -> Asked:
    request = {"model": "claude-haiku-4-5", "messages": [{"role": "user", "content": prompt}]}
    return Asked("messages", number, digest_of(request), ordinal, headers, request)


def rules(*texts: str, seed: int = 7) -> FaultRules:
    return FaultRules(seed, [understood(RULE, text) for text in texts])


@pytest.mark.parametrize(
    ("when", "struck", "spared"),
    [
        ('{"requests":[2,5]}', asked(5), asked(4)),
        ('{"every":3}', asked(6), asked(7)),
        ('{"header":{"X-Team":"^blue"}}', asked(**{"x-team": "blue 7"}), asked(**{"x-team": "red"})),
        ('{"header":{"X-Team":"."}}', asked(**{"x-team": "red"}), asked()),
        ('{"prompt":"weather|wind"}', asked(prompt="how is the wind?"), asked(prompt="how are you?")),
        ('{"model":"claude-haiku-4-5"}', asked(), None),
        ('{"stream":true}', None, asked()),
        ('{"api":"chat"}', None, asked()),
        ('{"every":2,"prompt":"hi"}', asked(2), asked(2, prompt="ho")),
    ],
)
def test_who_is_meant(when, struck, spared):
    kept = rules(f'{{"when":{when},"fault":{{"kind":"overloaded"}}}}')
    assert struck is None or kept.strike(struck) is not None
    assert spared is None or kept.strike(spared) is None


def test_the_first_that_strikes_counts_and_each_is_counted():
    kept = rules(
        '{"when":{"prompt":"a"},"fault":{"kind":"overloaded"}}',
        '{"name":"mine","fault":{"kind":"server_error"}}',
        '{"fault":{"kind":"overloaded"}}',
    )
    assert [kept.strike(asked(prompt=text)).kind for text in "aba"] == ["overloaded", "server_error", "overloaded"]
    assert kept.struck == {"overloaded": 2, "mine": 1, "overloaded-2": 0}
    assert kept.remove("mine")
    assert not kept.remove("mine")
    kept.replace(())
    assert kept.strike(asked()) is None


def test_the_first_n_of_all_and_of_each_prompt():
    first = rules('{"first":2,"fault":{"kind":"overloaded"}}')
    assert [first.strike(asked(prompt=text)) is not None for text in "abab"] == [True, True, False, False]
    each = rules('{"first":1,"of_each_prompt":true,"fault":{"kind":"overloaded"}}')
    assert [each.strike(asked(prompt=text)) is not None for text in "abab"] == [True, True, False, False]
    assert [each.strike(asked(prompt=text)) is not None for text in "ca"] == [True, False]


def test_a_rate_strikes_about_its_share_and_always_the_same_whatever_the_order():
    requests = [asked(number, f"q {number % 250}", number // 250) for number in range(2000)]

    def struck(order: list[Asked], seed: int = 7) -> set[tuple[str, int]]:
        kept = rules('{"rate":0.1,"fault":{"kind":"overloaded"}}', seed=seed)
        return {(one.digest, one.ordinal) for one in order if kept.strike(one) is not None}

    once = struck(requests)
    assert 140 <= len(once) <= 260
    assert struck(list(reversed(requests))) == once
    assert struck(requests, seed=8) != once


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[{"fault":{"kind":"weather"}}]', "0.fault"),
        ('[{"fault":{"kind":"stall","at_token":1,"at_event":1}}]', "not both"),
        ('[{"fault":{"kind":"stall","ms":-1}}]', "ms"),
        ('[{"fault":{"kind":"overloaded"},"rate":2}]', "0.rate"),
        ('[{"fault":{"kind":"overloaded"},"often":2}]', "0.often"),
        ('[{"fault":{"kind":"overloaded"},"of_each_prompt":true}]', "first"),
        ('[{"when":{"prompt":"("},"fault":{"kind":"overloaded"}}]', "regular expression"),
        ('[{"fault":{"kind":"error","error":"weather_error"}}]', "0.fault.error.error"),
        ("[", "JSON"),
        ("{}", "valid"),
    ],
)
def test_what_is_malformed_is_told_by_its_path(text, named):
    with pytest.raises(SettingError, match=named):
        understood(RULES, text)


@settings(max_examples=80, deadline=None)
@given(tokens=st.integers(1, 30), seed=st.integers(0, 1000))
def test_a_place_that_is_not_said_is_drawn_from_the_tokens(tokens, seed):
    stream = Stream()
    stream.event(b"start")
    stream.tokens(b"%d" % number for number in range(tokens))
    stream.event(b"stop")
    times = [float(number) for number in range(tokens)]
    plans = [plan_of(stream, times, Truncation(), b"", Random(seed)) for _ in range(2)]
    assert plans[0] == plans[1]
    assert 0 <= sum(plans[0].tokens) < tokens
    assert b"stop" not in b"".join(plans[0].data)
