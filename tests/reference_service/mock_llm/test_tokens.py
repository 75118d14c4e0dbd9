"""Pieces make up their text, and sizes add up."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from windtunnel.reference_service.mock_llm.tokens import input_tokens, pieces, segments, tokens_of


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300))
def test_the_pieces_of_a_text_are_the_text(text):
    found = pieces(text)
    assert "".join(found) == text
    assert all(found)


def test_words_are_about_a_token_each():
    assert pieces("Two plain words, (really)!") == ("Two", " plain", " words", ",", " (", "really", ")", "!")


def test_a_picture_has_a_size_of_its_own_however_it_is_encoded():
    def request(data: str) -> dict:
        block = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
        return {"messages": [{"role": "user", "content": [block]}]}

    assert input_tokens(request("a" * 10)) == input_tokens(request("a" * 100_000)) == 1503


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=3), min_size=1, max_size=4))
def test_segments_are_all_of_a_request(contents):
    messages = [{"role": "user", "content": [{"type": "text", "text": text} for text in texts]} for texts in contents]
    found = list(segments({"messages": messages}))
    assert len(found) == sum(len(texts) for texts in contents)
    assert sum(each.begins_message for each in found) == len(contents)
    characters = sum(len(text) for texts in contents for text in texts)
    assert input_tokens({"messages": messages}) == tokens_of(characters, len(contents))
