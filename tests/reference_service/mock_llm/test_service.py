"""The mock over HTTP: Anthropic's own client against it, its physics on the clock, and its books."""

import concurrent.futures
import json
import time

import anthropic
import httpx
import pytest

HEADERS = {"x-api-key": "k", "anthropic-version": "2026-10-21"}
BODY = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}


def constant(value: float) -> str:
    return json.dumps({"kind": "constant", "value": value})


def ask(mock, **fields) -> httpx.Response:
    return mock.client.post("/v1/messages", json=BODY | fields, headers=HEADERS)


@pytest.fixture
def sdk():
    clients = []

    def connect(url: str) -> anthropic.Anthropic:
        clients.append(anthropic.Anthropic(base_url=url, api_key="k", max_retries=0))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def test_the_official_client_understands_message_and_stream_alike(start_mock, sdk):
    client = sdk(start_mock().url)
    message = client.messages.create(**BODY)
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens == len(message.content[0].text.split())
    assert message._request_id.startswith("req_")
    with client.messages.stream(**BODY) as stream:
        pieces = list(stream.text_stream)
        streamed = stream.get_final_message()
    assert len(pieces) == message.usage.output_tokens
    assert streamed.content[0].text == "".join(pieces) == message.content[0].text
    assert (streamed.stop_reason, streamed.usage) == (message.stop_reason, message.usage)
    counted = client.messages.count_tokens(model=BODY["model"], messages=BODY["messages"])
    assert counted.input_tokens == message.usage.input_tokens


def test_the_official_client_understands_the_errors(start_mock, sdk):
    client = sdk(start_mock().url)
    with pytest.raises(anthropic.NotFoundError) as refused:
        client.messages.create(**BODY | {"model": "gpt-7"})
    assert refused.value.type == "not_found_error"
    assert refused.value.request_id == refused.value.body["request_id"]
    with pytest.raises(anthropic.BadRequestError, match="temperature"):
        client.messages.create(**BODY, extra_body={"temperature": 1.0})


def test_events_come_in_their_order_with_their_names(start_mock):
    text = ask(start_mock(OUTPUT_TOKENS=constant(2)), stream=True).text
    names = [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")]
    assert names == [
        *("message_start", "content_block_start", "ping", "content_block_delta", "content_block_delta"),
        *("content_block_stop", "message_delta", "message_stop"),
    ]
    data = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]
    assert [one["type"] for one in data] == names


def test_an_answer_of_no_tokens_is_complete(start_mock, sdk):
    message = sdk(start_mock().url).messages.create(**BODY | {"max_tokens": 0})
    assert (message.content, message.stop_reason, message.usage.output_tokens) == ([], "max_tokens", 0)


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_takes_the_first_token_and_one_step_for_each_other(start_mock, stream):
    mock = start_mock(FIRST_TOKEN_MS=constant(150), TOKEN_MS=constant(20), OUTPUT_TOKENS=constant(11))
    began_s = time.perf_counter()
    arrivals_s = []
    with mock.client.stream("POST", "/v1/messages", json=BODY | {"stream": stream}, headers=HEADERS) as response:
        for chunk in response.iter_raw():
            arrivals_s += [time.perf_counter() - began_s] * chunk.count(b"content_block_delta\n")
    took_s = time.perf_counter() - began_s
    assert 0.350 <= took_s < 0.7
    if stream:
        assert 0.150 <= arrivals_s[0] < 0.3
        # Each against its own absolute time: lateness does not add up.
        assert all(0.148 + 0.020 * place <= at_s for place, at_s in enumerate(arrivals_s))
        assert len(arrivals_s) == 11


def test_one_slot_serves_two_requests_in_twice_the_time(start_mock):
    mock = start_mock(SLOTS="1", FIRST_TOKEN_MS=constant(400), TOKEN_MS=constant(0))
    began_s = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        took_s = sorted(pool.map(lambda _: (ask(mock).raise_for_status(), time.perf_counter() - began_s)[1], range(2)))
    assert 0.4 <= took_s[0] < 0.75
    assert 0.8 <= took_s[1] < 1.15
    ledger = mock.ledger()
    assert (ledger["completed"], ledger["peak_in_flight"], ledger["queue_peak"]) == (2, 2, 1)


def test_a_full_queue_is_overloaded(start_mock, wait_until):
    mock = start_mock(SLOTS="1", QUEUE_LIMIT="0", FIRST_TOKEN_MS=constant(500))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(ask, mock)
        wait_until(lambda: mock.ledger()["in_flight"] == 1)
        refused = ask(mock)
        assert (refused.status_code, refused.json()["error"]["type"]) == (529, "overloaded_error")
        assert refused.headers["request-id"] == refused.json()["request_id"]
        assert running.result().status_code == 200
    ledger = mock.ledger()
    assert (ledger["received"], ledger["completed"], ledger["failed"]) == (2, 1, 1)


def test_two_servers_of_one_seed_answer_alike_and_another_seed_does_not(start_mock):
    def answers(mock) -> list:
        spread = [ask(mock, messages=[{"role": "user", "content": f"question {n}"}]).json() for n in range(4)]
        return [(one["content"], one["usage"]) for one in spread]

    first, second, other = start_mock(), start_mock(), start_mock(SEED="8")
    assert answers(first) == answers(second)
    assert answers(first) != answers(other)


def test_reset_clears_the_books_and_the_memory_of_prompts(start_mock):
    mock = start_mock()
    ids = [ask(mock).json()["id"] for _ in range(2)]
    assert ids[0] != ids[1]
    assert mock.ledger()["completed"] == 2
    cleared = mock.client.post("/admin/reset").json()
    assert {name: value for name, value in cleared.items() if value} == {}
    assert ask(mock).json()["id"] == ids[0]


def test_a_client_that_goes_away_frees_its_slot_at_once(start_mock, wait_until):
    mock = start_mock(SLOTS="1", FIRST_TOKEN_MS=constant(50), TOKEN_MS=constant(2000))
    for stream in (True, False):
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{mock.url}/v1/messages", json=BODY | {"stream": stream}, headers=HEADERS, timeout=0.2)
    wait_until(lambda: mock.ledger()["cancelled"] == 2, within_s=1)
    assert 1 <= mock.ledger()["output_tokens"] <= 2, "what was made until then is billed"
    began_s = time.perf_counter()
    assert ask(mock, max_tokens=1).status_code == 200
    assert time.perf_counter() - began_s < 0.5
    assert mock.ledger()["in_flight"] == 0


def test_a_body_beyond_the_limit_is_refused(start_mock):
    mock = start_mock()
    body = b" " * (32 * 1024 * 1024 + 1)
    refused = mock.client.post("/v1/messages", content=body, headers=HEADERS)
    assert (refused.status_code, refused.json()["error"]["type"]) == (413, "request_too_large")


def test_unknown_paths_have_the_envelope_too(start_mock):
    missing = start_mock().client.get("/v1/complete")
    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "not_found_error")
