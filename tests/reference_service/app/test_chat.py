"""The steps of a chat over HTTP: both forms of the answer, the cache, the history, and what is refused."""

import json
import threading
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest


def events_of(response: httpx.Response) -> list[tuple[str, dict]]:
    blocks = [block.split("\n") for block in response.text.strip().split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


def stored(url: str, conversation_id: str) -> list[tuple[str, str]]:
    query = "SELECT role, content FROM messages WHERE conversation_id = %s ORDER BY seq"
    with psycopg.connect(url) as connection:
        return connection.execute(query, (UUID(conversation_id),)).fetchall()


def test_answer_acknowledges_two_stored_messages(start_mock, start_app, postgres_url):
    llm = start_mock()
    app = start_app(llm.url)
    response = app.chat("What is lift?")
    assert response.status_code == 200
    body = response.json()
    assert set(body) == {"conversation_id", "user_message_id", "message_id", "answer", "cached", "usage"}
    assert body["cached"] is False
    assert body["usage"]["output_tokens"] == llm.ledger()["output_tokens"] == len(body["answer"].split())
    assert body["usage"]["input_tokens"] > 0
    assert stored(postgres_url, body["conversation_id"]) == [("user", "What is lift?"), ("assistant", body["answer"])]


def test_stream_carries_the_same_answer_in_pieces(start_mock, start_app, postgres_url):
    app = start_app(start_mock().url)
    plain = app.chat("What is drag?").json()
    response = app.chat("What is drag?", stream=True)
    assert response.headers["content-type"].startswith("text/event-stream")
    (first, start), *deltas, (last, done) = events_of(response)
    assert (first, last) == ("start", "done")
    assert {name for name, _ in deltas} == {"delta"}
    assert len(deltas) == done["usage"]["output_tokens"]
    answer = "".join(delta["text"] for _, delta in deltas)
    assert answer == plain["answer"]
    assert done == start | {"message_id": done["message_id"], "cached": False, "usage": plain["usage"]}
    assert stored(postgres_url, done["conversation_id"]) == [("user", "What is drag?"), ("assistant", answer)]


def test_identical_conversation_is_answered_from_the_cache(start_mock, start_app, valkey_url, postgres_url):
    llm = start_mock()
    app = start_app(llm.url, CACHE_URL=valkey_url, CACHE_TIMEOUT_MS="500", CACHE_TTL_S="60")
    question = f"Cached? {uuid4()}"
    first = app.chat(question).json()
    again = app.chat(question).json()
    streamed = events_of(app.chat(question, stream=True))
    assert (first["cached"], again["cached"]) == (False, True)
    assert again["answer"] == first["answer"] == streamed[1][1]["text"]
    assert [name for name, _ in streamed] == ["start", "delta", "done"]
    assert again["usage"] == {"input_tokens": 0, "output_tokens": 0}
    assert llm.ledger()["received"] == 1
    assert again["conversation_id"] != first["conversation_id"]
    assert stored(postgres_url, again["conversation_id"]) == [("user", question), ("assistant", first["answer"])]
    # The same words later in a conversation are another question.
    assert app.chat(question, conversation_id=first["conversation_id"]).json()["cached"] is False


def test_history_grows_by_two_messages_a_turn(start_mock, start_app):
    app = start_app(start_mock().url)
    first = app.chat("one").json()
    second = app.chat("two", conversation_id=first["conversation_id"]).json()
    history = app.client.get(f"/v1/conversations/{first['conversation_id']}").json()
    assert history["conversation_id"] == first["conversation_id"] == second["conversation_id"]
    assert [(m["role"], m["content"], m["message_id"]) for m in history["messages"]] == [
        ("user", "one", first["user_message_id"]),
        ("assistant", first["answer"], first["message_id"]),
        ("user", "two", second["user_message_id"]),
        ("assistant", second["answer"], second["message_id"]),
    ]
    times = [message["created_at"] for message in history["messages"]]
    assert times == sorted(times)
    # The whole conversation was the prompt.
    assert second["usage"]["input_tokens"] > first["usage"]["input_tokens"]


def test_a_client_may_name_its_conversation(start_mock, start_app):
    app = start_app(start_mock().url)
    name = str(uuid4())
    assert app.client.get(f"/v1/conversations/{name}").status_code == 404
    assert app.chat("hello", conversation_id=name).json()["conversation_id"] == name
    assert len(app.client.get(f"/v1/conversations/{name}").json()["messages"]) == 2


BAD_REQUESTS = [
    (b"{}", "message"),
    (b"not json", "JSON"),
    (b'{"message": ""}', "message"),
    (json.dumps({"message": "x" * 8001}).encode(), "message"),
    (b'{"message": "a\\u0000b"}', "message"),
    (b'{"message": "\\ud800"}', "message"),
    (b'{"message": "x", "conversation_id": "seven"}', "conversation_id"),
    (b'{"message": "x", "steam": true}', "steam"),
]


def test_bad_requests_are_refused_with_the_field_named(start_app):
    app = start_app("http://127.0.0.1:1")  # the LLM is never asked
    for body, named in BAD_REQUESTS:
        response = app.client.post("/v1/chat", content=body, headers={"content-type": "application/json"})
        assert (response.status_code, response.json()["error"]["code"]) == (422, "validation"), body
        assert named in response.json()["error"]["message"], body


def test_concurrency_beyond_the_limit_is_refused_at_once(start_mock, start_app, wait_until):
    llm = start_mock(FIRST_TOKEN_MS='{"kind":"constant","value":1000}')
    app = start_app(llm.url, MAX_CONCURRENCY="1")
    answers = []
    slow = threading.Thread(target=lambda: answers.append(app.chat("slow")))
    slow.start()
    wait_until(lambda: llm.ledger()["in_flight"] == 1)
    refused = app.chat("refused")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")
    assert float(refused.headers["retry-after"]) > 0
    assert refused.elapsed.total_seconds() < 0.5
    assert app.client.get("/readyz").status_code == 200
    slow.join(timeout=10)
    assert answers[0].status_code == 200
    assert app.chat("next").status_code == 200


def test_client_that_goes_away_frees_the_slot_of_the_llm(start_mock, start_app, wait_until):
    llm = start_mock(
        SLOTS="1", FIRST_TOKEN_MS='{"kind":"constant","value":50}', TOKEN_MS='{"kind":"constant","value":500}'
    )
    app = start_app(llm.url)
    for stream in (True, False):
        with (
            pytest.raises(httpx.ReadTimeout),
            app.client.stream(
                "POST", "/v1/chat", json={"message": "never mind", "stream": stream}, timeout=0.3
            ) as response,
        ):
            response.read()
    wait_until(lambda: llm.ledger()["cancelled"] == 2, within_s=2)
    assert llm.ledger()["in_flight"] == llm.ledger()["completed"] == 0
