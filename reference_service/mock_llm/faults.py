"""What goes wrong on purpose, for which requests, and how often: the LLM's row of the fault catalogue.

A rule names a fault and the requests it is for. Whether it strikes a request is decided by counting (`first`) or by a
draw (`rate`) that is addressed by the seed, the rule, the prompt and how often the prompt was asked before, so that a
replay strikes the same requests whatever else goes on. The first rule that strikes counts. Used by the provider, which
hands the fault to the plan of the answer, and by the admin API, which changes the rules while requests run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, model_validator

from windtunnel.reference_service.mock_llm.answer import draws
from windtunnel.reference_service.mock_llm.errors import ApiError, ErrorType
from windtunnel.reference_service.mock_llm.frozen import Frozen
from windtunnel.reference_service.mock_llm.when import Asked, When

Milliseconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Place = Annotated[int, Field(ge=0)]


class RateLimit(Frozen):
    """429 with retry-after, as when a limit per minute is used up. No limit's bucket is touched."""

    kind: Literal["rate_limit"] = "rate_limit"
    retry_after_s: Annotated[int, Field(ge=0)] = 1
    ramp: bool = False
    """With the error code of too steep a ramp (`ramp_limit_exceeded`)."""


class SpendLimit(Frozen):
    """429 without retry-after and with x-should-retry: false: a spending cap is reached, another try is futile."""

    kind: Literal["spend_limit"] = "spend_limit"


class Overloaded(Frozen):
    """529 overloaded_error."""

    kind: Literal["overloaded"] = "overloaded"
    retry_after_s: Annotated[int, Field(ge=0)] | None = None


class ServerError(Frozen):
    """500 api_error."""

    kind: Literal["server_error"] = "server_error"


class Error(Frozen):
    """Any other error of the API's table, with its status."""

    kind: Literal["error"] = "error"
    error: ErrorType
    message: str = "injected"
    retry_after_s: Annotated[int, Field(ge=0)] | None = None


class Timeout(Frozen):
    """Nothing is answered; after `after_ms` (None: never) 504 timeout_error. No decode slot is held."""

    kind: Literal["timeout"] = "timeout"
    after_ms: Milliseconds | None = None


class SlowFirstToken(Frozen):
    """The first token comes later by `ms`."""

    kind: Literal["slow_first_token"] = "slow_first_token"
    ms: Milliseconds


class Brownout(Frozen):
    """Prefill and every token take `factor` times as long."""

    kind: Literal["brownout"] = "brownout"
    factor: Annotated[float, Field(ge=1, le=1000)]


class Placed(Frozen):
    """Where in an answer: before this token or this event, from 0. Neither: before a token drawn from the seed.

    A place beyond the last token is before what closes the answer. Of an answer that is not streamed the place is the
    same share of its body.
    """

    at_token: Place | None = None
    at_event: Place | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Placed:
        if self.at_token is not None and self.at_event is not None:
            raise ValueError("expected at_token or at_event, not both")
        return self


class Stall(Placed):
    """The answer stops for `ms` (None: for ever) and holds its slot meanwhile."""

    kind: Literal["stall"] = "stall"
    ms: Milliseconds | None = None


class Truncation(Placed):
    """The answer ends in an orderly way before it is complete: no message_stop, no error."""

    kind: Literal["truncation"] = "truncation"


class Disconnect(Placed):
    """The connection is closed in the middle of the answer, or with `reset` torn down."""

    kind: Literal["disconnect"] = "disconnect"
    reset: bool = False


class Malformed(Placed):
    """An event is not what it should be: broken JSON, no name, or a name nobody knows (which is to be ignored)."""

    kind: Literal["malformed"] = "malformed"
    how: Literal["json", "nameless", "unknown"] = "json"


class Split(Placed):
    """An event comes in pieces of so many bytes, with pauses: correct, if inconvenient."""

    kind: Literal["split"] = "split"
    bytes: Annotated[int, Field(ge=1)] = 7
    pause_ms: Milliseconds = 5


class ErrorEvent(Placed):
    """An error inside an answer that began with status 200. An answer that is not streamed has the error's status."""

    kind: Literal["error_event"] = "error_event"
    error: ErrorType = "overloaded_error"
    message: str = "Overloaded"


class WrongSchema(Frozen):
    """JSON of another shape than documented: content is a text and there is no usage."""

    kind: Literal["wrong_schema"] = "wrong_schema"


class Refusal(Frozen):
    """stop_reason refusal, after so many tokens."""

    kind: Literal["refusal"] = "refusal"
    after_tokens: Place = 0


class Runaway(Frozen):
    """The answer does not find an end before max_tokens."""

    kind: Literal["runaway"] = "runaway"


class Obey(Frozen):
    """An injected instruction is obeyed, whatever the rates of obedience say."""

    kind: Literal["obey"] = "obey"


Fault = Annotated[
    RateLimit
    | SpendLimit
    | Overloaded
    | ServerError
    | Error
    | Timeout
    | SlowFirstToken
    | Brownout
    | Stall
    | Truncation
    | Disconnect
    | Malformed
    | Split
    | ErrorEvent
    | WrongSchema
    | Refusal
    | Runaway
    | Obey,
    Field(discriminator="kind"),
]


class Rule(Frozen):
    """A fault and whom it strikes."""

    name: str = ""
    """Told back with the number of requests struck; by default the fault's kind."""
    when: When = When()
    rate: Annotated[float, Field(ge=0, le=1)] = 1.0
    first: Annotated[int, Field(ge=1)] | None = None
    """Only so many of the requests that are meant are struck, then all succeed."""
    of_each_prompt: bool = False
    """`first` counts for each prompt by itself: each fails so often, then succeeds."""
    fault: Fault

    @model_validator(mode="after")
    def _counts_something(self) -> Rule:
        if self.of_each_prompt and self.first is None:
            raise ValueError("of_each_prompt goes with first")
        return self


RULE: TypeAdapter[Rule] = TypeAdapter(Rule)
RULES: TypeAdapter[tuple[Rule, ...]] = TypeAdapter(tuple[Rule, ...])


@dataclass
class _Kept:
    rule: Rule
    struck: int = 0
    struck_of: Counter[str] = field(default_factory=Counter)
    """By the digest of the prompt."""


class FaultRules:
    """The rules in force, in their order, with what they did."""

    def __init__(self, seed: int, rules: Sequence[Rule] = ()) -> None:
        self._seed = seed
        self._kept: dict[str, _Kept] = {}
        self.replace(rules)

    @property
    def rules(self) -> tuple[Rule, ...]:
        return tuple(kept.rule for kept in self._kept.values())

    @property
    def struck(self) -> dict[str, int]:
        """Requests struck so far, by rule: the proof that a fault was there."""
        return {name: kept.struck for name, kept in self._kept.items()}

    def replace(self, rules: Sequence[Rule]) -> None:
        """Other rules; all counts start anew."""
        self._kept = {}
        for rule in rules:
            self.add(rule)

    def add(self, rule: Rule) -> str:
        """One more rule, or another one under the name of an old one. Answers its name."""
        name = rule.name
        if not name:
            taken = Counter(kept.rule.fault.kind for kept in self._kept.values())[rule.fault.kind]
            name = rule.fault.kind if not taken else f"{rule.fault.kind}-{taken + 1}"
        self._kept[name] = _Kept(rule.model_copy(update={"name": name}))
        return name

    def remove(self, name: str) -> bool:
        """Whether there was such a rule."""
        return self._kept.pop(name, None) is not None

    def strike(self, asked: Asked) -> Fault | None:
        """What goes wrong with this request, if anything."""
        for kept in self._kept.values():
            rule = kept.rule
            if not rule.when.meets(asked):
                continue
            struck = kept.struck_of[asked.digest] if rule.of_each_prompt else kept.struck
            if rule.first is not None and struck >= rule.first:
                continue
            if rule.rate < 1 and draws(self._seed, asked.digest, f"{rule.name} {asked.ordinal}").random() >= rule.rate:
                continue
            kept.struck += 1
            if rule.of_each_prompt:
                kept.struck_of[asked.digest] += 1
            return rule.fault
        return None


def error_of(fault: Fault) -> ApiError | None:
    """The error that a fault answers a request with at once, if that is what it does."""
    match fault:
        case RateLimit(retry_after_s=after_s, ramp=ramp):
            code = "ramp_limit_exceeded" if ramp else None
            return ApiError("rate_limit_error", "Rate limited (injected)", retry_after_s=after_s, code=code)
        case SpendLimit():
            message = "You have reached your specified API usage limits (injected)"
            return ApiError("rate_limit_error", message, code="enforced_spend_limit_reached", should_retry=False)
        case Overloaded(retry_after_s=after_s):
            return ApiError("overloaded_error", "Overloaded", retry_after_s=after_s)
        case ServerError():
            return ApiError("api_error", "Internal server error")
        case Error(error=kind, message=message, retry_after_s=after_s):
            return ApiError(kind, message, retry_after_s=after_s)
        case _:
            return None
