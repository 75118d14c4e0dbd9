"""What running the deployment costs. Every forecast answers with it where it is given."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from windtunnel.spec.frozen import CURRENCY, Frozen, Name, NonNegative


class Costs(Frozen):
    """Prices, all in one currency."""

    currency: Annotated[str, Field(pattern=CURRENCY)] = "USD"
    """ISO 4217."""
    replica_hour: dict[Name, NonNegative] = {}
    """By component, for one replica that runs for an hour; what is not named is free."""
    input_tokens_million: NonNegative = 0
    """For a million tokens that are sent to language models."""
    output_tokens_million: NonNegative = 0
    """For a million tokens that they answer."""
    gigabyte: NonNegative = 0
    """For 10^9 bytes of answers to the client."""
