"""What the mock LLM is told by its environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from windtunnel.reference_service.environment import Environment
from windtunnel.reference_service.mock_llm.distributions import EXPECTED, Distribution
from windtunnel.reference_service.process import ProcessSettings


@dataclass(frozen=True)
class MockSettings:
    """`slots` requests are decoded at once, at most `queue_limit` others wait (None: no limit).

    The draws of `first_token_ms` and `token_ms` are milliseconds, those of `output_tokens` are rounded to at least 1.
    """

    process: ProcessSettings
    slots: int
    queue_limit: int | None
    first_token_ms: Distribution
    token_ms: Distribution
    output_tokens: Distribution

    @classmethod
    def read(cls, values: Mapping[str, str]) -> MockSettings:
        """Raises `SettingError` for the first variable that is missing or malformed."""
        environment = Environment(values)

        def distribution(name: str) -> Distribution:
            return environment.parse(name, Distribution.from_json, EXPECTED, None)

        return cls(
            process=ProcessSettings.read(environment),
            slots=environment.whole("SLOTS", at_least=1),
            queue_limit=environment.optional_whole("QUEUE_LIMIT"),
            first_token_ms=distribution("FIRST_TOKEN_MS"),
            token_ms=distribution("TOKEN_MS"),
            output_tokens=distribution("OUTPUT_TOKENS"),
        )
