"""The prompt cache: what is marked is kept for its time, read by what begins alike, and counted once."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windtunnel.reference_service.mock_llm.prefix_cache import NO_CACHE, PrefixCache
from windtunnel.reference_service.mock_llm.tokens import input_tokens

LONG = "word " * 200


def block(text: str, ttl: str | None = None) -> dict:
    control = {"cache_control": {"type": "ephemeral", "ttl": ttl}} if ttl else {}
    return {"type": "text", "text": text, **control}


def request(*blocks: dict, system: str | list | None = None, model: str = "m", **fields: object) -> dict:
    made = {"model": model, "messages": [{"role": "user", "content": list(blocks)}], **fields}
    return made | ({"system": system} if system else {})


def test_what_is_not_marked_is_not_cached():
    cache = PrefixCache(1)
    asked = request(block(LONG))
    cache.keep(cache.use(asked, 0), 0)
    assert cache.use(asked, 1) is NO_CACHE


def test_a_marked_beginning_is_written_once_and_read_from_then_on():
    cache = PrefixCache(10)
    first = request(block("a"), system=[block(LONG, "5m")])
    written = cache.use(first, 0)
    assert (written.read, written.created_5m, written.created_1h) == (0, 250, 0)
    assert cache.use(first, 0) == written, "it cannot be read before the first token was there"
    cache.keep(written, 1)
    other = cache.use(request(block("something else"), system=[block(LONG, "5m")]), 2)
    assert (other.read, other.created) == (250, 0)
    assert cache.use(request(block("a"), system=[block(LONG, "5m")], model="n"), 2).read == 0
    assert cache.use(request(block("a"), system=[block("X" + LONG, "5m")]), 2).read == 0


def test_the_time_begins_anew_with_each_use():
    cache = PrefixCache(10)
    asked = request(block(LONG, "5m"))
    cache.keep(cache.use(asked, 0), 0)
    for at_s in (299, 598, 897):
        use = cache.use(asked, at_s)
        assert use.read > 0
        cache.keep(use, at_s)
    assert cache.use(asked, 897 + 300).read == 0


def test_an_hour_is_an_hour():
    cache = PrefixCache(10)
    asked = request(block(LONG, "1h"))
    use = cache.use(asked, 0)
    assert (use.created_5m, use.created_1h) == (0, input_tokens(asked))
    cache.keep(use, 0)
    assert cache.use(asked, 3599).read == input_tokens(asked)
    assert cache.use(asked, 3600).read == 0


def test_a_short_beginning_is_not_kept():
    cache = PrefixCache(1024)
    asked = request(block(LONG, "5m"))
    use = cache.use(asked, 0)
    cache.keep(use, 0)
    assert (use.created, cache.use(asked, 1).read) == (0, 0)


def test_a_conversation_reads_what_it_said_before():
    cache = PrefixCache(10)
    messages = [{"role": "user", "content": LONG}]
    sizes = []
    for turn in range(4):
        asked = {"model": "m", "messages": messages, "cache_control": {"type": "ephemeral"}}
        use = cache.use(asked, turn)
        cache.keep(use, turn)
        sizes.append((use.read, use.created, input_tokens(asked)))
        messages = [*messages, {"role": "assistant", "content": f"answer {turn}"}, {"role": "user", "content": LONG}]
    assert sizes[0] == (0, sizes[0][2], sizes[0][2])
    for (_, _, before), (read, created, size) in pairwise(sizes):
        assert (read, read + created) == (before, size)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([None, "5m", "1h"])), min_size=1, max_size=4),
        min_size=1,
        max_size=8,
    )
)
def test_read_and_written_never_exceed_the_prompt_and_a_repetition_only_reads(requests):
    cache = PrefixCache(1)
    for number, blocks in enumerate(requests):
        asked = request(*(block(letter * 50, ttl) for letter, ttl in blocks))
        use = cache.use(asked, number)
        size = input_tokens(asked)
        assert 0 <= use.read <= size
        assert 0 <= use.created <= size - use.read
        cache.keep(use, number)
        again = cache.use(asked, number + 0.5)
        assert again.created == 0
        assert again.read == pytest.approx(use.read + use.created)
