"""Load as a pure function of time: when each request starts, which flow it is, what it asks.

The load generator and the simulator call the same ``schedule`` with the same seed: a measured run
and its forecast see the same arrivals and the same questions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from windtunnel.spec.frozen import Frozen, Name


class Prompts(Frozen):
    """What is asked: question k of ``distinct`` with probability proportional to k^-zipf."""

    distinct: Annotated[int, Field(ge=1, le=10_000_000)] = 1_000_000
    zipf: Annotated[float, Field(ge=0, le=5)] = 0.0


class Load(Frozen):
    """An open loop: requests start when they are due, whatever became of the earlier ones."""

    arrivals: Literal["poisson", "constant"] = "poisson"
    rate_per_s: Annotated[float, Field(gt=0, le=100_000)]
    flows: Annotated[dict[Name, Annotated[float, Field(gt=0)]], Field(min_length=1)]
    """Weights; they need not sum to one."""
    prompts: Prompts = Prompts()


@dataclass(frozen=True)
class Schedule:
    """One row per request, in the order of their starts."""

    at_s: NDArray[np.float64]
    """Intended start, seconds after the run's zero."""
    flow: NDArray[np.int64]
    """Index into ``flows``."""
    prompt: NDArray[np.int64]
    """Which question is asked, 0 the most popular."""
    flows: tuple[str, ...]

    def __len__(self) -> int:
        """How many requests."""
        return len(self.at_s)


def schedule(load: Load, duration_s: float, seed: int) -> Schedule:
    """All requests that start within ``duration_s``; equal for equal arguments, on every machine."""
    gaps_rng, flows_rng, prompts_rng = (
        np.random.Generator(np.random.Philox(key=np.array([seed, lane], dtype=np.uint64))) for lane in range(3)
    )
    if load.arrivals == "constant":
        at_s = np.arange(0, duration_s, 1 / load.rate_per_s, dtype=np.float64)
    else:
        pieces: list[NDArray[np.float64]] = []
        now = 0.0
        while not pieces or now < duration_s:
            piece = now + np.cumsum(gaps_rng.exponential(1 / load.rate_per_s, size=1024))
            pieces.append(piece)
            now = float(piece[-1])
        at_s = np.concatenate(pieces)
        at_s = at_s[at_s < duration_s]
    names = tuple(load.flows)
    weights = np.array([load.flows[name] for name in names])
    ranks = np.arange(1, load.prompts.distinct + 1, dtype=np.float64)
    popularity = np.cumsum(ranks**-load.prompts.zipf)
    return Schedule(
        at_s=at_s,
        flow=np.searchsorted(np.cumsum(weights / weights.sum()), flows_rng.random(len(at_s)), side="right")
        .clip(0, len(names) - 1)
        .astype(np.int64),
        prompt=np.searchsorted(popularity / popularity[-1], prompts_rng.random(len(at_s)), side="right")
        .clip(0, load.prompts.distinct - 1)
        .astype(np.int64),
        flows=names,
    )


def question(prompt: int, seed: int) -> str:
    """The text of a question; equal prompts have equal texts, and another seed asks other questions."""
    topics = ("capacity", "latency", "recovery", "caching", "queues", "retries", "failover", "backups")
    return f"Question {seed}-{prompt}: what should an engineer know about {topics[prompt % len(topics)]}?"
