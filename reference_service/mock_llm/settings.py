"""What the mock LLM is told by its environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import TypeAdapter

from windtunnel.reference_service.environment import Environment, SettingError
from windtunnel.reference_service.mock_llm.distributions import EXPECTED, Distribution
from windtunnel.reference_service.mock_llm.faults import RULES, Rule
from windtunnel.reference_service.mock_llm.frozen import understood
from windtunnel.reference_service.mock_llm.obedience import Obedience
from windtunnel.reference_service.mock_llm.scripts import SCRIPTS, Script
from windtunnel.reference_service.process import ProcessSettings

Told = TypeVar("Told")

OBEDIENCE = TypeAdapter(Obedience)


@dataclass(frozen=True)
class MockSettings:
    """SLOTS requests are decoded at once, at most QUEUE_LIMIT others wait (None: no limit).

    The draws of FIRST_TOKEN_MS and TOKEN_MS are milliseconds, those of OUTPUT_TOKENS are rounded to at least 1. Each
    input token that the prompt cache does not have adds PREFILL_MS_PER_TOKEN to the first token; with b requests in
    the batch everything takes 1 + BATCH_SLOWDOWN * (b - 1) times as long. REQUESTS_PER_MINUTE, INPUT_TOKENS_PER_MINUTE
    and OUTPUT_TOKENS_PER_MINUTE are limits (None: none); beginnings of prompts are cached from CACHE_MIN_TOKENS on.
    FAULTS, ANSWERS and OBEDIENCE are JSON, as the admin API takes them; MODELS names more models, by commas.
    """

    process: ProcessSettings
    slots: int
    queue_limit: int | None
    first_token_ms: Distribution
    token_ms: Distribution
    output_tokens: Distribution
    prefill_s_per_token: float
    batch_slowdown: float
    requests_per_minute: int | None
    input_tokens_per_minute: int | None
    output_tokens_per_minute: int | None
    cache_min_tokens: int
    faults: tuple[Rule, ...]
    answers: tuple[Script, ...]
    obedience: Obedience
    models: tuple[str, ...]

    @classmethod
    def read(cls, values: Mapping[str, str]) -> MockSettings:
        """Raises `SettingError` for the first variable that is missing or malformed."""
        environment = Environment(values)

        def distribution(name: str) -> Distribution:
            return environment.parse(name, Distribution.from_json, EXPECTED, None)

        def json(name: str, kind: TypeAdapter[Told], expected: str, default: Told) -> Told:
            return environment.parse(name, lambda text: understood(kind, text), expected, default)

        return cls(
            process=ProcessSettings.read(environment),
            slots=environment.whole("SLOTS", at_least=1),
            queue_limit=environment.optional_whole("QUEUE_LIMIT"),
            first_token_ms=distribution("FIRST_TOKEN_MS"),
            token_ms=distribution("TOKEN_MS"),
            output_tokens=distribution("OUTPUT_TOKENS"),
            prefill_s_per_token=environment.milliseconds_as_s("PREFILL_MS_PER_TOKEN", 0, zero=True),
            batch_slowdown=environment.parse("BATCH_SLOWDOWN", _not_negative, "a number of 0 or more", 0.0),
            requests_per_minute=environment.optional_whole("REQUESTS_PER_MINUTE", at_least=1),
            input_tokens_per_minute=environment.optional_whole("INPUT_TOKENS_PER_MINUTE", at_least=1),
            output_tokens_per_minute=environment.optional_whole("OUTPUT_TOKENS_PER_MINUTE", at_least=1),
            cache_min_tokens=environment.whole("CACHE_MIN_TOKENS", 1024, at_least=1),
            faults=json("FAULTS", RULES, 'rules such as [{"fault":{"kind":"overloaded"},"rate":0.1}]', ()),
            answers=json("ANSWERS", SCRIPTS, 'scripts such as [{"when":{"prompt":"hi"},"say":"ho"}]', ()),
            obedience=json("OBEDIENCE", OBEDIENCE, 'rates such as {"plain":0.9,"marked":0.1}', Obedience()),
            models=tuple(name.strip() for name in environment.text("MODELS", " ").split(",") if name.strip()),
        )


def _not_negative(found: str) -> float:
    value = float(found)
    if not 0 <= value < float("inf"):
        raise SettingError("it has to be 0 or more")
    return value
