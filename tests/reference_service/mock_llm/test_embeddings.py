"""Embeddings: unit vectors, the same for the same text, nearer for what means the same; and honest about the model."""

from __future__ import annotations

import base64
import struct

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windtunnel.reference_service.mock_llm import embeddings

from .conftest import NO_TLS

HERE = embeddings.model_for(embeddings.WORDLLAMA) is not None
needs_weights = pytest.mark.skipif(not HERE, reason="found no wheel wordllama: its weights are not here")
MODELS = [embeddings.HASHED, pytest.param(embeddings.WORDLLAMA, marks=needs_weights)]

PAIRS = [
    ("How do I reset my password?", "I forgot my login credentials, how can I change them?"),
    ("What is the price of a ticket?", "How much does it cost to get in?"),
    ("The car would not start this morning.", "My vehicle's engine failed to turn on today."),
    ("Is it going to rain tomorrow?", "What is the weather forecast for the next day?"),
    ("The doctor gave me medicine.", "A physician prescribed some pills for me."),
    ("She sings beautifully.", "Her voice is lovely when she performs songs."),
    ("The stock market fell sharply.", "Share prices dropped a lot."),
    ("He baked bread in the oven.", "A loaf was made by him in the kitchen."),
]


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("model", MODELS)
def test_vectors_are_of_length_one_and_repeatable(model):
    for text in ("hi", "Wind tunnels.", "naïve 你好 🙂", "x" * 5000):
        vector = embeddings.embed(model, text)
        assert (len(vector), cosine(vector, vector)) == (256, pytest.approx(1))
        assert embeddings.embed(model, text) == vector


def hits(model: str) -> int:
    """Of the pairs: whose second is the nearest of all seconds to its first."""
    seconds = [embeddings.embed(model, second) for _, second in PAIRS]
    found = 0
    for place, (first, _) in enumerate(PAIRS):
        vector = embeddings.embed(model, first)
        nearest = max(range(len(PAIRS)), key=lambda other: cosine(vector, seconds[other]))
        found += nearest == place
    return found


@needs_weights
def test_the_weights_know_a_paraphrase():
    assert hits(embeddings.WORDLLAMA) >= 7
    assert hits(embeddings.WORDLLAMA) > hits(embeddings.HASHED)


@needs_weights
def test_the_tokens_are_those_of_the_tokenizer_that_the_weights_belong_to():
    # made with the library `tokenizers` from the same file
    vocabulary, _ = embeddings._loaded()
    expected = {
        "How do I reset my password?": [1128, 437, 306, 10092, 590, 4800, 29973],
        "hello   world": [22172, 259, 3186],
        "naïve café 🙂": [1055, 30085, 345, 274, 28059, 29871, 243, 162, 156, 133],
    }
    assert {text: vocabulary.ids(text) for text in expected} == expected


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=200), st.integers(1, 256))
def test_any_text_has_a_vector_of_any_size(text, dimensions):
    vector = embeddings.shortened(embeddings.embed(embeddings.HASHED, text), dimensions)
    assert len(vector) == dimensions
    assert cosine(vector, vector) == pytest.approx(1) or not any(vector)


def ask(mock_llm, **fields: object) -> httpx.Response:
    body = {"model": embeddings.HASHED, "input": "hi"} | fields
    return httpx.post(
        f"{mock_llm.openai_url}/embeddings", json=body, headers={"authorization": "Bearer k"}, verify=NO_TLS
    )


def test_the_answer_has_its_documented_shape_and_says_which_model_it_was(mock_llm):
    told = ask(mock_llm, model="text-embedding-3-small", input=["one", "two three"]).json()
    assert (told["object"], [each["index"] for each in told["data"]]) == ("list", [0, 1])
    assert told["model"] == (embeddings.WORDLLAMA if HERE else embeddings.HASHED)
    assert told["usage"] == {"prompt_tokens": 1 + 3, "total_tokens": 4}


def test_numbers_and_base64_are_the_same_and_dimensions_are_obeyed(mock_llm):
    plain = ask(mock_llm, dimensions=32).json()["data"][0]["embedding"]
    packed = ask(mock_llm, dimensions=32, encoding_format="base64").json()["data"][0]["embedding"]
    assert struct.unpack("<32f", base64.b64decode(packed)) == pytest.approx(plain)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"model": "gpt-5"}, 404),
        ({"input": ""}, 400),
        ({"input": []}, 400),
        ({"input": [1, 2]}, 400),
        ({"dimensions": 257}, 400),
        ({"dimensions": True}, 400),
        ({"encoding_format": "hex"}, 400),
        ({"input": ["x"] * 2049}, 400),
    ],
)
def test_mistakes_are_refused(mock_llm, change, status):
    response = ask(mock_llm, **change)
    assert (response.status_code, set(response.json())) == (status, {"error"})
