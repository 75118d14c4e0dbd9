"""One provider with all that it remembers: its batch, limits, cache, rules and books. Shared by the endpoints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from windtunnel.reference_service.mock_llm.answer import (
    Answer,
    Pace,
    compose,
    digest_of,
    pace,
    refused,
)
from windtunnel.reference_service.mock_llm.batch import Batch
from windtunnel.reference_service.mock_llm.faults import Brownout, Fault, FaultRules, Obey, Refusal, Runaway
from windtunnel.reference_service.mock_llm.ledger import Ledger, Visit
from windtunnel.reference_service.mock_llm.limits import Limits
from windtunnel.reference_service.mock_llm.models import Models
from windtunnel.reference_service.mock_llm.obedience import obeyed
from windtunnel.reference_service.mock_llm.pacemaker import Pacemaker
from windtunnel.reference_service.mock_llm.prefix_cache import PrefixCache
from windtunnel.reference_service.mock_llm.scripts import Scripts
from windtunnel.reference_service.mock_llm.settings import MockSettings
from windtunnel.reference_service.mock_llm.when import Api, Asked


class Provider:
    """What `reset` brings back to the start."""

    def __init__(self, settings: MockSettings) -> None:
        self.settings = settings
        self.seed = settings.process.seed
        self.models = Models(settings.models)
        self.batch = Batch(settings.slots, settings.queue_limit, settings.batch_slowdown)
        self.pacemaker = Pacemaker(self.batch)
        self.ledger = Ledger()
        self.limits = Limits(
            settings.requests_per_minute, settings.input_tokens_per_minute, settings.output_tokens_per_minute
        )
        self.cache = PrefixCache(settings.cache_min_tokens)
        self.faults = FaultRules(self.seed, settings.faults)
        self.scripts = Scripts(settings.answers)
        self.obedience = settings.obedience
        self._asked: Counter[str] = Counter()
        self._number = 0
        self._others = 0

    def reset(self) -> None:
        """As it was at the start, but for requests that still run."""
        self.ledger.clear()
        self.batch.waiting_peak = self.batch.waiting
        self.limits.clear()
        self.cache.clear()
        self.faults = FaultRules(self.seed, self.settings.faults)
        self.scripts = Scripts(self.settings.answers)
        self.obedience = self.settings.obedience
        self._asked.clear()
        self._number = self._others = 0

    def books(self) -> dict[str, Any]:
        """The ledger, with what else was counted."""
        return {**self.ledger.as_data(), "queue_peak": self.batch.waiting_peak, "faults": self.faults.struck}

    def next_request(self) -> int:
        """Of a request that asks for no answer, from 1."""
        self._others += 1
        return self._others

    def next_number(self) -> int:
        """Of a request for an answer, from 1."""
        self._number += 1
        return self._number

    def asked(self, api: Api, number: int, headers: Mapping[str, str], request: Mapping[str, Any]) -> Asked:
        """A request as rules see it; its prompt has been asked once more."""
        digest = digest_of(request)
        ordinal = self._asked[digest]
        self._asked[digest] += 1
        return Asked(api, number, digest, ordinal, headers, request)

    def answer(self, asked: Asked, fault: Fault | None, visit: Visit | None = None) -> Answer:
        """What is said to a request, as a fault has it."""
        request = asked.request
        line = obeyed(self.seed, asked.digest, request, self.obedience, always=isinstance(fault, Obey))
        if line is not None and visit is not None:
            visit.obeyed()
        answer = compose(
            self.seed,
            asked.digest,
            request,
            self.settings.output_tokens,
            line or self.scripts.line(asked),
            runaway=isinstance(fault, Runaway),
        )
        return refused(answer, fault.after_tokens) if isinstance(fault, Refusal) else answer

    def pace(self, asked: Asked, answer: Answer, fresh_tokens: int, fault: Fault | None) -> Pace:
        """When it is said, alone in the batch; `fresh_tokens` of the prompt need prefill."""
        settings = self.settings
        own = pace(self.seed, asked.digest, asked.ordinal, answer.size, settings.first_token_ms, settings.token_ms)
        prefill_s = fresh_tokens * settings.prefill_s_per_token
        factor = fault.factor if isinstance(fault, Brownout) else 1.0
        if prefill_s == 0 and factor == 1:
            return own
        return Pace(tuple((prefill_s + at_s) * factor for at_s in own.token_at_s))
