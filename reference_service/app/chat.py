"""The steps of a chat request, in the order that the capacity model mirrors.

1. db begin: the user's message is stored, the conversation is read.
2. cache get: the same conversation asked before? Then its answer is the answer.
3. on a miss the LLM, with retries; then cache set.
4. db finish: the assistant's message is stored. Only then is the request acknowledged.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from windtunnel.reference_service.app.cache import Cache, key_of
from windtunnel.reference_service.app.database import Database, Turn
from windtunnel.reference_service.app.llm import Completion, Llm

SYSTEM_PROMPT = "You are a helpful assistant. Answer briefly."

OnText = Callable[[Turn, str], Awaitable[None]]


@dataclass(frozen=True)
class Reply:
    """An acknowledged answer: both messages are committed. A cached one used no tokens."""

    turn: Turn
    message_id: UUID
    answer: str
    cached: bool
    input_tokens: int
    output_tokens: int


class Chat:
    """Answers messages. `cache` is None in an architecture that has none."""

    def __init__(self, database: Database, cache: Cache | None, llm: Llm, model: str) -> None:
        self._database = database
        self._cache = cache
        self._llm = llm
        self._model = model

    async def reply(self, conversation_id: UUID | None, message: str, on_text: OnText | None) -> Reply:
        """Answer one message, passing its text on as it comes where `on_text` is given. Raises `ServiceError`."""
        turn = await self._database.begin(conversation_id, message)
        key = key_of(self._model, SYSTEM_PROMPT, turn.messages)
        answer = await self._cache.get(key) if self._cache is not None else None
        if answer is not None:
            completion = Completion(answer, 0, 0)
            if on_text is not None:
                await on_text(turn, answer)
        else:
            completion = await self._ask(turn, on_text)
            if self._cache is not None:
                await self._cache.set(key, completion.text)
        message_id = await self._database.finish(turn.conversation_id, completion.text)
        return Reply(
            turn,
            message_id,
            completion.text,
            answer is not None,
            completion.input_tokens,
            completion.output_tokens,
        )

    async def _ask(self, turn: Turn, on_text: OnText | None) -> Completion:
        if on_text is None:
            return await self._llm.complete(SYSTEM_PROMPT, turn.messages, None)

        async def pass_on(text: str) -> None:
            await on_text(turn, text)

        return await self._llm.complete(SYSTEM_PROMPT, turn.messages, pass_on)
