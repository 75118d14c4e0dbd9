"""What the app is told by its environment: its links with their time-outs, pools and retries, and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from windtunnel.reference_service.environment import Environment
from windtunnel.reference_service.process import ProcessSettings


@dataclass(frozen=True)
class DatabaseSettings:
    """`timeout_s` bounds one operation, waiting included; `pool_timeout_s` the wait for one of `pool` connections."""

    url: str
    timeout_s: float
    pool: int
    pool_timeout_s: float


@dataclass(frozen=True)
class CacheSettings:
    """`timeout_s` bounds one operation; an answer is kept for `ttl_s` (whole seconds)."""

    url: str
    timeout_s: float
    ttl_s: int


@dataclass(frozen=True)
class LlmSettings:
    """`timeout_s` bounds one attempt until its last byte, `deadline_s` all of them; `retries` are additional attempts.

    Before additional attempt n (from 0) the app waits uniform(0, backoff_s * 2**n).
    """

    url: str
    timeout_s: float
    deadline_s: float
    retries: int
    backoff_s: float
    model: str
    max_tokens: int
    api_key: str


@dataclass(frozen=True)
class AppSettings:
    """`cache` is None where the architecture has none; `max_concurrency` None means no limit."""

    process: ProcessSettings
    database: DatabaseSettings
    cache: CacheSettings | None
    llm: LlmSettings
    max_concurrency: int | None

    @classmethod
    def read(cls, values: Mapping[str, str]) -> AppSettings:
        """Raises `SettingError` for the first variable that is missing or malformed."""
        environment = Environment(values)
        return cls(
            process=ProcessSettings.read(environment),
            database=DatabaseSettings(
                url=environment.url("DB_URL", "postgresql", "postgres"),
                timeout_s=environment.milliseconds_as_s("DB_TIMEOUT_MS"),
                pool=environment.whole("DB_POOL", at_least=1),
                pool_timeout_s=environment.milliseconds_as_s("DB_POOL_TIMEOUT_MS"),
            ),
            cache=_read_cache(environment) if environment.has("CACHE_URL") else None,
            llm=LlmSettings(
                url=environment.url("LLM_URL", "http", "https"),
                timeout_s=environment.milliseconds_as_s("LLM_TIMEOUT_MS"),
                deadline_s=environment.milliseconds_as_s("LLM_DEADLINE_MS"),
                retries=environment.whole("LLM_RETRIES"),
                backoff_s=environment.milliseconds_as_s("LLM_RETRY_BACKOFF_MS", zero=True),
                model=environment.text("LLM_MODEL", "claude-haiku-4-5"),
                max_tokens=environment.whole("LLM_MAX_TOKENS", 1024, at_least=1),
                api_key=environment.text("LLM_API_KEY", "no-key-needed"),
            ),
            max_concurrency=environment.optional_whole("MAX_CONCURRENCY", at_least=1),
        )


def _read_cache(environment: Environment) -> CacheSettings:
    return CacheSettings(
        url=environment.url("CACHE_URL", "redis"),
        timeout_s=environment.milliseconds_as_s("CACHE_TIMEOUT_MS"),
        ttl_s=environment.whole("CACHE_TTL_S", at_least=1),
    )
