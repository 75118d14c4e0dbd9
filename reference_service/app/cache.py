"""The app's answer cache in a Redis-compatible server. It may only ever help: its failures count as misses."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING, cast

from windtunnel.reference_service.app.settings import CacheSettings
from windtunnel.reference_service.tracing import OUTCOME, Tracing

if TYPE_CHECKING:
    from redis.asyncio import Redis

_WARM_CONNECTIONS = 8
_KEY_PREFIX = "answer:"


def key_of(model: str, system: str, messages: tuple[tuple[str, str], ...]) -> str:
    """The address of an answer: everything that it depends on."""
    return _KEY_PREFIX + hashlib.sha256(json.dumps([model, system, messages]).encode()).hexdigest()


class Cache:
    """Answers by key. `get` returns None for a miss and for a cache that is down; `set` never fails."""

    def __init__(self, settings: CacheSettings, tracing: Tracing) -> None:
        self._settings = settings
        self._tracing = tracing
        self._redis: Redis | None = None

    async def open(self) -> None:
        # Imported here, as an architecture without a cache need not wait for it.
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.maint_notifications import MaintNotificationsConfig

        timeout_s = self._settings.timeout_s
        self._redis = Redis.from_url(
            self._settings.url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),  # a retry would be a second call that no model knows of
            driver_info=None,
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
        # Connections are kept for good; opening some at once spares the first requests the wait.
        pings = (self._redis.ping() for _ in range(_WARM_CONNECTIONS))
        await asyncio.gather(*pings, return_exceptions=True)

    async def close(self) -> None:
        if self._redis is not None:
            await self._redis.aclose()

    async def get(self, key: str) -> str | None:
        """The answer, or None."""
        return await self._operation("get", key, None)

    async def set(self, key: str, answer: str) -> None:
        """Keep the answer for the time to live."""
        await self._operation("set", key, answer)

    async def _operation(self, op: str, key: str, answer: str | None) -> str | None:
        from redis.exceptions import RedisError
        from redis.exceptions import TimeoutError as RedisTimeout

        assert self._redis is not None, "the cache must be opened first"
        with self._tracing.call("cache", op) as span:
            try:
                async with asyncio.timeout(self._settings.timeout_s):
                    if answer is not None:
                        await self._redis.set(key, answer.encode(), ex=self._settings.ttl_s)
                        return None
                    found = cast("bytes | None", await self._redis.get(key))
            except (TimeoutError, RedisTimeout):
                span.set_attribute(OUTCOME, "timeout")
                return None
            except (RedisError, OSError):
                span.set_attribute(OUTCOME, "error")
                return None
            span.set_attribute(OUTCOME, "miss" if found is None else "hit")
            return None if found is None else found.decode()
