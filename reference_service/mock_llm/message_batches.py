"""Message batches: many requests handed in at once, answered in their own time, fetched as JSON lines.

Source: the Messages Batches API. A batch takes as long as its slowest answer takes alone: it does not compete with
interactive requests for decode slots or limits. Counts stay 0 until it has ended.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import parse_qs

from windtunnel.reference_service.mock_llm.anthropic_wire import message
from windtunnel.reference_service.mock_llm.errors import ApiError
from windtunnel.reference_service.mock_llm.faults import Timeout, error_of
from windtunnel.reference_service.mock_llm.provider import Provider
from windtunnel.reference_service.mock_llm.reply import Reply
from windtunnel.reference_service.mock_llm.tokens import input_tokens
from windtunnel.reference_service.mock_llm.validation import check, invalid, json_object

MAX_BODY_BYTES = 256 * 1024 * 1024
_MOST_REQUESTS = 100_000
_LIFE = timedelta(hours=24)
_OUTCOMES = ("processing", "succeeded", "errored", "canceled", "expired")


@dataclass
class MessageBatch:
    """One batch; `results` by custom_id, in the order of the requests."""

    id: str
    created: datetime
    requests: dict[str, Any]
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    status: Literal["in_progress", "canceling", "ended"] = "in_progress"
    cancelled: datetime | None = None
    ended: datetime | None = None
    work: asyncio.Task[None] | None = None

    def as_data(self, base_url: str) -> dict[str, Any]:
        """As the API tells it."""
        counts = dict.fromkeys(_OUTCOMES, 0)
        if self.status == "ended":
            counts |= Counter(result["type"] for result in self.results.values())
        else:
            counts["processing"] = len(self.requests)
        over = self.status == "ended"
        return {
            "id": self.id,
            "type": "message_batch",
            "processing_status": self.status,
            "request_counts": counts,
            "created_at": _told(self.created),
            "expires_at": _told(self.created + _LIFE),
            "ended_at": _told(self.ended),
            "cancel_initiated_at": _told(self.cancelled),
            "archived_at": None,
            "results_url": f"{base_url}/v1/messages/batches/{self.id}/results" if over else None,
        }


class MessageBatches:
    """All of a provider. Every method raises `ApiError`."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._batches: dict[str, MessageBatch] = {}

    def clear(self) -> None:
        """End and forget all of them."""
        for batch in self._batches.values():
            if batch.work is not None:
                batch.work.cancel()
        self._batches.clear()

    def create(self, body: bytes, version: str) -> MessageBatch:
        """Begin to answer. Requests are checked one by one later, as the API does: a bad one is an errored result."""
        handed_in = json_object(body).get("requests")
        if not isinstance(handed_in, list) or not handed_in:
            raise invalid("requests: at least one request is required")
        if len(handed_in) > _MOST_REQUESTS:
            raise invalid(f"requests: at most {_MOST_REQUESTS} requests are allowed")
        requests: dict[str, Any] = {}
        for place, each in enumerate(handed_in):
            if not isinstance(each, dict) or not isinstance(each.get("custom_id"), str) or not each["custom_id"]:
                raise invalid(f"requests.{place}.custom_id: Field required")
            if not isinstance(each.get("params"), dict):
                raise invalid(f"requests.{place}.params: Field required")
            if each["custom_id"] in requests:
                raise invalid(f"requests.{place}.custom_id: {each['custom_id']} is not unique")
            requests[each["custom_id"]] = each["params"]
        name = hashlib.sha256(body).hexdigest()[:18]
        batch = MessageBatch(f"msgbatch_{name}{len(self._batches):06d}", _now(), requests)
        self._batches[batch.id] = batch
        batch.work = asyncio.get_running_loop().create_task(self._run(batch, version))
        return batch

    def get(self, name: str) -> MessageBatch:
        """The batch of this id."""
        if name not in self._batches:
            raise ApiError("not_found_error", f"No batch found with id {name}")
        return self._batches[name]

    def page(self, query: bytes, base_url: str) -> dict[str, Any]:
        """The newest first, from or up to an id."""
        newest = [batch.as_data(base_url) for batch in reversed(self._batches.values())]
        return page_of(newest, query)

    def cancel(self, name: str) -> MessageBatch:
        """What is not answered yet will not be."""
        batch = self.get(name)
        if batch.status == "ended":
            raise invalid(f"Batch {name} has already ended")
        batch.status, batch.cancelled = "canceling", _now()
        if batch.work is not None:
            batch.work.cancel()
        return batch

    def delete(self, name: str) -> dict[str, Any]:
        """Forget a batch that has ended."""
        batch = self.get(name)
        if batch.status != "ended":
            raise invalid(f"Batch {name} cannot be deleted while it is {batch.status}")
        del self._batches[name]
        return {"id": name, "type": "message_batch_deleted"}

    def results(self, name: str) -> bytes:
        """A line of JSON for each request."""
        batch = self.get(name)
        if batch.status != "ended":
            raise invalid(f"Batch {name} has not ended: {batch.status}")
        lines = [{"custom_id": custom_id, "result": result} for custom_id, result in batch.results.items()]
        return "".join(f"{json.dumps(line)}\n" for line in lines).encode()

    async def _run(self, batch: MessageBatch, version: str) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            answered = [(name, *self._answer(params, version)) for name, params in batch.requests.items()]
            for name, result, takes_s in sorted(answered, key=lambda each: each[2]):
                await asyncio.sleep(max(0.0, began_s + takes_s - loop.time()))
                batch.results[name] = result
                if result["type"] == "succeeded":
                    usage = result["message"]["usage"]
                    ledger = self._provider.ledger
                    ledger.billed_input_tokens += usage["input_tokens"]
                    ledger.output_tokens += usage["output_tokens"]
                    ledger.delivered_output_tokens += usage["output_tokens"]
        finally:  # also when cancelled
            batch.results = {name: batch.results.get(name, {"type": "canceled"}) for name in batch.requests}
            batch.status, batch.ended = "ended", _now()

    def _answer(self, params: Mapping[str, Any], version: str) -> tuple[dict[str, Any], float]:
        """The result of one request and how long it takes."""
        provider = self._provider
        number = provider.next_number()
        try:
            request = check({**params}, version, provider.models.anthropic)
            asked = provider.asked("batches", number, {}, request)
            fault = provider.faults.strike(asked)
            if fault is not None and (error := error_of(fault)) is not None:
                raise error
        except ApiError as error:
            return {"type": "errored", "error": error.envelope(f"req_{number:024d}")}, 0.0
        if isinstance(fault, Timeout):
            return {"type": "expired"}, 0.0
        answer = provider.answer(asked, fault)
        size = input_tokens(request)
        name = f"{asked.digest[:18]}{asked.ordinal:06d}"
        reply = Reply(name, request["model"], size, answer, service_tier="batch")
        return {"type": "succeeded", "message": message(reply)}, provider.pace(asked, answer, size, fault).end_s


def page_of(items: list[dict[str, Any]], query: bytes) -> dict[str, Any]:
    """A page of a list, as all lists of the API have it: limit, after_id, before_id."""
    asked = {name: values[-1] for name, values in parse_qs(query.decode("latin-1")).items()}
    limit = asked.get("limit", "20")
    if not limit.isdigit() or not 1 <= int(limit) <= 1000:
        raise invalid("limit: Input should be between 1 and 1000")
    ids = [item["id"] for item in items]
    for cursor in ("after_id", "before_id"):
        if cursor in asked and asked[cursor] not in ids:
            raise invalid(f"{cursor}: {asked[cursor]} is not known")
    if "before_id" in asked:
        before = items[: ids.index(asked["before_id"])]
        page, more = before[-int(limit) :], len(before) > int(limit)
    else:
        rest = items[ids.index(asked["after_id"]) + 1 :] if "after_id" in asked else items
        page, more = rest[: int(limit)], len(rest) > int(limit)
    return {
        "data": page,
        "has_more": more,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
    }


def _now() -> datetime:
    return datetime.now(UTC)


def _told(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")
