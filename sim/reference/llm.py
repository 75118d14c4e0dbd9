"""An LLM's own part of a visit: its quotas, its token counts, and the answer token by token. Used by stations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simpy.exceptions import Interrupt

from windtunnel.sim.draws import Purpose, at
from windtunnel.sim.model import LLMPolicy
from windtunnel.sim.reference.bucket import Bucket
from windtunnel.sim.reference.clock import Rank, Steps
from windtunnel.spec.distribution import Distribution

if TYPE_CHECKING:
    from windtunnel.sim.reference.engine import Engine
    from windtunnel.sim.reference.exchange import Exchange
    from windtunnel.sim.reference.replica import Replica


class Quotas:
    """Requests and tokens per minute, of all replicas together."""

    def __init__(self, policy: LLMPolicy) -> None:
        """Unused."""
        rpm, tpm = policy.requests_per_minute, policy.tokens_per_minute
        self._requests = None if rpm is None else Bucket(rpm / 60, float(rpm))
        self._tokens = None if tpm is None else Bucket(tpm / 60, float(tpm))

    def charge(self, now_s: float, tokens: int) -> float:
        """Take one request and its tokens, or nothing: then in how many seconds there will be enough."""
        needs = [(bucket, need) for bucket, need in ((self._requests, 1.0), (self._tokens, float(tokens))) if bucket]
        retry_after_s = 0.0
        for bucket, need in needs:
            missing = bucket.missing(now_s, need)
            if missing > 0:
                retry_after_s = max(retry_after_s, missing / bucket.per_s)
        if retry_after_s == 0:
            for bucket, need in needs:
                bucket.take(need)
        return retry_after_s


class Decoder:
    """What one LLM station has answered."""

    def __init__(self, engine: Engine, policy: LLMPolicy) -> None:
        """Nothing yet."""
        self._engine = engine
        self._policy = policy
        self.tokens_in = 0
        self.tokens_out = 0

    def answer(self, exchange: Exchange, replica: Replica, slow: float) -> Steps:
        """Prefill, then one token after the other; a batch makes all of it slower. ``slow``: a brownout's factor."""
        engine, hop, policy = self._engine, exchange.hop, self._policy
        tokens, asked = output_tokens(engine, exchange), input_tokens(engine, exchange)
        self.tokens_in += asked
        fresh = 1.0
        if policy.prefix_hit_ratio > 0 and exchange.uniform(Purpose.PREFIX) < policy.prefix_hit_ratio:
            fresh = 1.0 - policy.prefix_share
        first_s = engine.draw(exchange, hop.first_token_ms, Purpose.FIRST_TOKEN) / 1000
        prefill_s = (first_s + policy.prefill_s_per_token * asked * fresh) * slow
        decode_s = (tokens - 1) * engine.draw(exchange, hop.token_ms, Purpose.TOKEN) / 1000 * slow
        if replica.batch is None:
            due_s = engine.clock.now + prefill_s
            yield engine.clock.at(due_s, Rank.DEPARTURE, exchange.request.number, exchange.attempt)
            self._first(exchange, tokens, decode_s)
            if decode_s > 0:
                yield engine.clock.at(due_s + decode_s, Rank.DEPARTURE, exchange.request.number, exchange.attempt)
            return
        member = replica.batch.join(prefill_s)
        try:
            yield member.reached
            self._first(exchange, tokens, decode_s * replica.batch.factor)
            if decode_s > 0:
                replica.batch.further(member, decode_s)
                yield member.reached
        except Interrupt:
            replica.batch.leave(member)
            raise
        replica.batch.leave(member)

    def _first(self, exchange: Exchange, tokens: int, spread_s: float) -> None:
        self.tokens_out += tokens
        exchange.decoded_first_s = self._engine.clock.now
        exchange.first_token(tokens, spread_s)
        exchange.tokens = tokens


def output_tokens(engine: Engine, exchange: Exchange) -> int:
    """How much is answered: it depends on what is asked, not on who asks. A trace goes before; 0: it says nothing."""
    return _tokens(engine, exchange, exchange.request.output_tokens, exchange.hop.output_tokens, Purpose.OUTPUT_TOKENS)


def input_tokens(engine: Engine, exchange: Exchange) -> int:
    """How much is asked, likewise."""
    return _tokens(engine, exchange, exchange.request.input_tokens, exchange.hop.input_tokens, Purpose.INPUT_TOKENS)


def _tokens(
    engine: Engine, exchange: Exchange, given: int | None, distribution: Distribution | None, purpose: Purpose
) -> int:
    if given is not None:
        return max(1, given)
    if distribution is None:
        return 0
    base = engine.draws.base(exchange.request.prompt)
    drawn = distribution.sample(lambda n: at(base, exchange.hop.index, 0, purpose, n))
    return max(1, int(drawn + 0.5))
