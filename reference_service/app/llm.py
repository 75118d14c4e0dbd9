"""The app's link to the LLM: streams through the `anthropic` SDK, with retries of our own.

The SDK's retries and spans are switched off: retries have one owner, and its spans would be counted as calls.
A stream that ends without message_stop is an error here, because the SDK reports nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, cast

from opentelemetry import trace

from windtunnel.reference_service.app.retry import Retry
from windtunnel.reference_service.app.settings import LlmSettings
from windtunnel.reference_service.errors import LlmFailed, LlmRejected, ServiceError, TimedOut
from windtunnel.reference_service.tracing import Tracing, headers_to_pass_on

if TYPE_CHECKING:
    from anthropic import APIStatusError, AsyncAnthropic
    from anthropic.types import MessageParam

# Less than the keep-alive time of the server, so that no request meets a connection that is being closed.
_KEEP_ALIVE_S = 30.0
_REJECTIONS = frozenset({"rate_limit_error", "overloaded_error"})
_RETRYABLE_STATUSES = frozenset({408, 409, 429})

OnText = Callable[[str], Awaitable[None]]


@dataclass(frozen=True)
class Completion:
    """A complete answer and what the provider says it cost."""

    text: str
    input_tokens: int
    output_tokens: int


class Llm:
    """Asks the LLM. The jitter of its retries comes from the seed and the replica's name."""

    def __init__(self, settings: LlmSettings, tracing: Tracing, *, seed: int, replica: str) -> None:
        self._settings = settings
        self._tracing = tracing
        self._retry = Retry(
            timeout_s=settings.timeout_s,
            deadline_s=settings.deadline_s,
            retries=settings.retries,
            backoff_s=settings.backoff_s,
            random=Random(f"{seed}/{replica}/retry"),
        )
        self._client: AsyncAnthropic | None = None

    async def open(self) -> None:
        # The largest import of all; here, so that only a process that serves pays for it.
        import httpx2
        from anthropic import AsyncAnthropic, DefaultAsyncHttpxClient

        timeout_s = self._settings.timeout_s
        self._client = AsyncAnthropic(
            base_url=self._settings.url,
            api_key=self._settings.api_key,
            max_retries=0,
            timeout=timeout_s,
            open_telemetry={"traces": False, "propagation": False},
            http_client=DefaultAsyncHttpxClient(
                timeout=timeout_s,
                limits=httpx2.Limits(
                    max_connections=None, max_keepalive_connections=None, keepalive_expiry=_KEEP_ALIVE_S
                ),
                trust_env=False,  # a proxy from the environment would be a link that the architecture does not have
            ),
        )

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def complete(self, system: str, messages: tuple[tuple[str, str], ...], on_text: OnText | None) -> Completion:
        """The answer to a conversation, its text passed on as it comes where `on_text` is given.

        Raises `TimedOut`, `LlmFailed` or `LlmRejected`. Once text was passed on there are no more attempts.
        """
        passed_on = False

        async def pass_on(text: str) -> None:
            nonlocal passed_on
            if on_text is not None:
                passed_on = True
                await on_text(text)

        async def attempt(number: int, until_s: float) -> Completion:
            attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": self._settings.model}
            with self._tracing.call("llm", "messages", attempt=number, attributes=attributes) as span:
                return await self._bounded(system, messages, pass_on, span, until_s)

        return await self._retry.run(attempt, may_retry=lambda: not passed_on)

    async def _bounded(
        self,
        system: str,
        messages: tuple[tuple[str, str], ...],
        pass_on: OnText,
        span: trace.Span,
        until_s: float,
    ) -> Completion:
        import httpx2
        from anthropic import APIError, APIStatusError, APITimeoutError

        try:
            async with asyncio.timeout_at(until_s):
                return await self._stream(system, messages, pass_on, span)
        except (TimeoutError, APITimeoutError, httpx2.TimeoutException):
            raise TimedOut("the LLM did not answer in time") from None
        except APIStatusError as error:
            raise _understood(error) from None
        except (APIError, httpx2.HTTPError, ValueError) as error:  # connection, protocol, broken JSON
            raise LlmFailed(f"the LLM's answer failed: {error!r}", retryable=True) from None

    async def _stream(
        self, system: str, messages: tuple[tuple[str, str], ...], pass_on: OnText, span: trace.Span
    ) -> Completion:
        assert self._client is not None, "the LLM must be opened first"
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        texts: list[str] = []
        input_tokens = output_tokens = 0
        complete = False
        stream = await self._client.messages.create(
            model=self._settings.model,
            max_tokens=self._settings.max_tokens,
            system=system,
            messages=cast("list[MessageParam]", [{"role": role, "content": text} for role, text in messages]),
            stream=True,
            extra_headers=headers_to_pass_on(span),
        )
        async with stream:
            async for event in stream:
                if event.type == "content_block_delta" and event.delta.type == "text_delta":
                    if not texts:
                        span.set_attribute("windtunnel.first_token_ms", (loop.time() - began_s) * 1000)
                    texts.append(event.delta.text)
                    await pass_on(event.delta.text)
                elif event.type == "message_start":
                    input_tokens = event.message.usage.input_tokens
                elif event.type == "message_delta":
                    output_tokens = event.usage.output_tokens
                elif event.type == "message_stop":
                    complete = True
        if not complete:
            raise LlmFailed("the LLM's stream ended before its message was complete", retryable=True)
        span.set_attributes({"gen_ai.usage.input_tokens": input_tokens, "gen_ai.usage.output_tokens": output_tokens})
        return Completion("".join(texts), input_tokens, output_tokens)


def _understood(error: APIStatusError) -> ServiceError:
    """What an error of the API means for us, from its type (errors inside a stream have status 200) and status."""
    headers = error.response.headers
    rejected = error.type in _REJECTIONS or error.status_code in (429, 529)
    in_stream = error.status_code < 400
    retryable = rejected or in_stream or error.status_code >= 500 or error.status_code in _RETRYABLE_STATUSES
    if "x-should-retry" in headers:
        retryable = headers["x-should-retry"] == "true"
    kind = LlmRejected if rejected else LlmFailed
    return kind(
        f"the LLM answered {error.status_code}: {error.api_message or error.message}",
        retryable=retryable,
        retry_after_s=_seconds(headers.get("retry-after")),
    )


def _seconds(header: str | None) -> float | None:
    try:
        return max(0.0, float(header)) if header is not None else None
    except ValueError:  # a date: rare enough to leave to our own backoff
        return None
