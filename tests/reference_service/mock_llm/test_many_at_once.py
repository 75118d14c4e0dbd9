"""Many clients at once, with faults, limits and people who hang up: the books balance and nothing is left behind."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

import httpx
import pytest

from .conftest import BODY, NO_TLS

RULES = [
    {"rate": 0.15, "fault": {"kind": "overloaded", "retry_after_s": 1}},
    {"rate": 0.15, "fault": {"kind": "truncation"}},
    {"rate": 0.15, "fault": {"kind": "disconnect"}},
    {"rate": 0.15, "fault": {"kind": "error_event"}},
    {"rate": 0.15, "fault": {"kind": "stall", "ms": 30}},
]
PHYSICS = {
    **{"SLOTS": "8", "QUEUE_LIMIT": "20", "BATCH_SLOWDOWN": "0.05", "OUTPUT_TOKENS_PER_MINUTE": "600"},
    **{"FIRST_TOKEN_MS": '{"kind":"exponential","mean":100}', "TOKEN_MS": '{"kind":"exponential","mean":2}'},
}


@pytest.mark.parametrize("seed", [1, 2])
def test_the_books_balance_and_output_tokens_are_never_overspent(start_mock_llm, wait_until, seed):
    mock = start_mock_llm(**PHYSICS, SEED=str(seed))
    mock.faults(*RULES)
    random = Random(seed)
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
    seen: Counter[str] = Counter()

    async def one(client: httpx.AsyncClient, number: int, patience_s: float) -> None:
        message = {"role": "user", "content": f"question {number}"}
        body = BODY | {"max_tokens": 50, "stream": number % 3 > 0, "messages": [message]}
        try:
            async with asyncio.timeout(patience_s):
                response = await client.post("/v1/messages", json=body, headers=headers)
                seen[str(response.status_code)] += 1
        except TimeoutError:
            seen["gone"] += 1
        except httpx.HTTPError:
            seen["cut"] += 1

    async def all_of_them() -> None:
        async with httpx.AsyncClient(base_url=mock.url, timeout=10, verify=NO_TLS) as client:
            patience_s = [0.05 if random.random() < 0.2 else 20 for _ in range(120)]
            await asyncio.gather(*(one(client, number, limit_s) for number, limit_s in enumerate(patience_s)))

    asyncio.run(all_of_them())
    wait_until(lambda: mock.ledger()["in_flight"] == 0)
    books = mock.ledger()
    assert books["received"] == books["completed"] + books["failed"] + books["cancelled"]
    assert books["queue_peak"] <= 20
    assert books["truncations"] <= books["faults"]["truncation"]
    # who has hung up does not see what he is answered
    assert 0 < seen["429"] <= books["errors"]["rate_limit_error"]
    assert 0 < seen["529"] <= books["errors"]["overloaded_error"]
    assert 0 < books["delivered_output_tokens"] <= books["output_tokens"] <= 600 * (1 + 20 / 60)
