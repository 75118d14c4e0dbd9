"""Load as a pure function of time: when each request starts, which flow it is, who asks, and what.

The load generator and the simulator call the same ``schedule`` with the same seed: a measured run
and its forecast see the same arrivals and the same questions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from windtunnel.spec import arrivals
from windtunnel.spec.distribution import Distribution
from windtunnel.spec.frozen import LARGEST, Frozen, Name, NonNegative, Positive, Ratio
from windtunnel.spec.problem import Problem, SpecError, problem_at
from windtunnel.spec.trace import Trace, read_trace

LOWEST_PER_S, HIGHEST_PER_S = 1e-9, 1e5
PerSecond = Annotated[float, Field(ge=LOWEST_PER_S, le=HIGHEST_PER_S)]

LEAST_THINKING_MS = 0.001
"""Users who do not think, and are refused at once, would ask for ever at one instant."""

CHUNK = 65_536
"""Requests that are drawn together, unless somebody asks for another number."""


class Popularity(Frozen):
    """One of ``distinct``, the k-th with probability proportional to k^-zipf."""

    distinct: Annotated[int, Field(ge=1, le=10_000_000)] = 1
    """How many different ones there are."""
    zipf: Annotated[float, Field(ge=0, le=5)] = 0.0
    """0: all alike; the larger, the more the first ones prevail."""

    def cumulated(self) -> NDArray[np.float64]:
        """Shape (distinct,): the share of the first k, the last one 1."""
        sums = np.cumsum(np.arange(1, self.distinct + 1, dtype=np.float64) ** -self.zipf)
        shares: NDArray[np.float64] = sums / sums[-1]
        return shares


class Prompts(Popularity):
    """What is asked."""

    distinct: Annotated[int, Field(ge=1, le=10_000_000)] = 1_000_000
    """How many different questions there are."""


class Tenants(Popularity):
    """Who asks: whose rate limit counts, where there is one for each tenant."""


class State(Frozen):
    """One of the rates that ``mmpp`` goes through."""

    rate_per_s: Annotated[float, Field(ge=0, le=HIGHEST_PER_S)]
    """Requests a second while it lasts."""
    mean_s: Annotated[float, Field(ge=0.01, le=LARGEST)]
    """How long it lasts, exponentially distributed."""


Arrivals = Literal["poisson", "constant", "gamma", "mmpp", "diurnal", "flash", "trace", "closed"]

NEEDS: dict[str, tuple[str, ...]] = {
    "poisson": ("rate_per_s",),
    "constant": ("rate_per_s",),
    "gamma": ("rate_per_s", "cv"),
    "mmpp": ("states",),
    "diurnal": ("rate_per_s", "amplitude", "period_s"),
    "flash": ("rate_per_s", "peak_per_s", "at_s", "hold_s"),
    "trace": ("trace",),
    "closed": ("users", "think_ms"),
}
"""What each kind of arrivals has to say."""
MAY: dict[str, tuple[str, ...]] = {"diurnal": ("peak_at_s",), "flash": ("ramp_s",), "trace": ("speed",)}
"""What it may say beside that."""


class Load(Frozen):
    """Who asks, how often. All but ``closed`` is an open loop: requests start when they are due, whatever became of
    the earlier ones."""

    arrivals: Arrivals = "poisson"
    """poisson: independent of each other; constant: evenly spaced; gamma: more even, or in bursts; mmpp: Poisson with
    rates that take turns; diurnal: a wave; flash: a crowd that comes and goes; trace: as recorded; closed: users that
    wait for their answer and think before they ask again (known to the model only)."""
    rate_per_s: PerSecond | None = None
    """Requests a second: of diurnal the mean, of flash before and after the crowd."""
    cv: Annotated[float, Field(ge=0.01, le=100)] | None = None
    """gamma: coefficient of variation of the gaps; 1 is poisson."""
    states: Annotated[tuple[State, ...], Field(min_length=1)] | None = None
    """mmpp: visited in turn, again and again."""
    amplitude: Ratio | None = None
    """diurnal: how far the rate goes up and down, as a share of the mean."""
    period_s: Positive | None = None
    """diurnal: seconds from one peak to the next."""
    peak_at_s: Annotated[float, Field(ge=-LARGEST, le=LARGEST)] = 0
    """diurnal: when one of the peaks is, seconds after the run's zero."""
    peak_per_s: PerSecond | None = None
    """flash: requests a second of the crowd."""
    at_s: NonNegative | None = None
    """flash: when the crowd begins to come, seconds after the run's zero."""
    ramp_s: NonNegative = 0
    """flash: seconds from there to the peak, and from the peak back."""
    hold_s: Positive | None = None
    """flash: seconds at the peak."""
    trace: Path | None = None
    """trace: a CSV file with TIMESTAMP, ContextTokens, GeneratedTokens, seen from the scenario's file. It begins
    again when it ends before the run."""
    speed: Positive = 1
    """trace: how many times as fast as it was recorded."""
    users: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """closed: how many there are. Each is simulated from the start on."""
    think_ms: Distribution | None = None
    """closed: from an answer to the same user's next request, and before the first."""
    flows: Annotated[dict[Name, Positive], Field(min_length=1)]
    """Weights; they need not sum to one."""
    prompts: Prompts = Prompts()
    tenants: Tenants = Tenants()

    @model_validator(mode="after")
    def _said_once(self) -> Load:
        needed = NEEDS[self.arrivals]
        for key in needed:
            if getattr(self, key) is None:
                raise problem_at(key, "nothing", f"it with arrivals: {self.arrivals}")
        allowed = {*needed, *MAY.get(self.arrivals, ())}
        for key in dict.fromkeys(key for keys in (*NEEDS.values(), *MAY.values()) for key in keys):
            if key not in allowed and getattr(self, key) != type(self).model_fields[key].default:
                has = ", ".join(sorted(allowed))
                raise problem_at(key, f"it with arrivals: {self.arrivals}", f"nothing: {self.arrivals} has {has}")
        if self.states is not None and not any(state.rate_per_s for state in self.states):
            raise problem_at("states", "rates that are all 0", "at least one above 0")
        if self.think_ms is not None and self.think_ms.mean() < LEAST_THINKING_MS:
            found = f"{self.think_ms.mean():g} ms of thinking on average"
            raise problem_at(
                "think_ms", found, f"at least {LEAST_THINKING_MS:g}: time has to pass between two requests"
            )
        return self

    def highest_per_s(self) -> float:
        """About as many requests a second as may come at the most; of users as if they were answered at once.

        SpecError for a trace that cannot be read.
        """
        if self.users is not None and self.think_ms is not None:
            return self.users * 1000 / self.think_ms.mean()
        if self.trace is not None:
            recorded = read_trace(self.trace)
            return len(recorded) / recorded.period_s * self.speed
        if self.states is not None:
            return max(state.rate_per_s for state in self.states)
        return max(self.rate_per_s or 0.0, self.peak_per_s or 0.0) * (1 + (self.amplitude or 0.0))

    def cumulated_flows(self) -> NDArray[np.float64]:
        """The share of the first k flows, in the order of ``flows``, the last one about 1."""
        weights = np.array(list(self.flows.values()))
        shares: NDArray[np.float64] = np.cumsum(weights / weights.sum())
        return shares


@dataclass(frozen=True)
class Schedule:
    """One row per request, in the order of their starts."""

    at_s: NDArray[np.float64]
    """Intended start, seconds after the run's zero."""
    flow: NDArray[np.int64]
    """Index into ``flows``."""
    prompt: NDArray[np.int64]
    """Which question is asked, 0 the most popular."""
    tenant: NDArray[np.int64]
    """Who asks, 0 who does so most."""
    input_tokens: NDArray[np.int64]
    """Of the request, where a trace says it; else -1."""
    output_tokens: NDArray[np.int64]
    """Of the answer, where a trace says it; else -1."""
    flows: tuple[str, ...]

    def __len__(self) -> int:
        """How many requests."""
        return len(self.at_s)


def schedule(load: Load, duration_s: float, seed: int) -> Schedule:
    """All requests that start within ``duration_s``; equal for equal arguments, on every machine.

    SpecError for a closed load, whose requests depend on their answers, and for a trace that cannot be read.
    """
    parts = list(chunks(load, duration_s, seed))
    none: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
    return Schedule(
        np.concatenate([np.zeros(0), *(part.at_s for part in parts)]),
        np.concatenate([none, *(part.flow for part in parts)]),
        np.concatenate([none, *(part.prompt for part in parts)]),
        np.concatenate([none, *(part.tenant for part in parts)]),
        np.concatenate([none, *(part.input_tokens for part in parts)]),
        np.concatenate([none, *(part.output_tokens for part in parts)]),
        tuple(load.flows),
    )


def chunks(load: Load, duration_s: float, seed: int, size: int = CHUNK) -> Iterator[Schedule]:
    """The same requests, ``size`` of them at a time (the last ones fewer): memory does not grow with the duration.

    SpecError, at the first step, as of ``schedule``.
    """
    if load.arrivals == "closed":
        raise SpecError([Problem("load.arrivals", "'closed'", "an open load: users ask when they have been answered")])
    lanes = [np.random.Generator(np.random.Philox(key=np.array([seed, lane], dtype=np.uint64))) for lane in range(6)]
    trace = read_trace(load.trace) if load.trace is not None else None
    times = _times(load, duration_s, trace, lanes[0], lanes[4], lanes[5])
    flow_of = _Chosen(load.cumulated_flows(), lanes[1])
    prompt_of = _Chosen(load.prompts.cumulated(), lanes[2])
    tenant_of = _Chosen(load.tenants.cumulated(), lanes[3])
    first = 0
    for at_s in _regrouped(times, duration_s, size):
        count = len(at_s)
        rows = np.arange(first, first + count) % len(trace) if trace is not None else None
        unsaid = np.full(count, -1, dtype=np.int64)
        yield Schedule(
            at_s=at_s,
            flow=flow_of.draw(count),
            prompt=prompt_of.draw(count),
            tenant=tenant_of.draw(count),
            input_tokens=unsaid if trace is None else trace.input_tokens[rows],
            output_tokens=unsaid if trace is None else trace.output_tokens[rows],
            flows=tuple(load.flows),
        )
        first += count


def _times(
    load: Load,
    duration_s: float,
    trace: Trace | None,
    gaps: np.random.Generator,
    kept: np.random.Generator,
    stays: np.random.Generator,
) -> Iterator[arrivals.Times]:
    """The starts of an open load, to the end of the run at least."""
    if trace is not None:
        return arrivals.replayed(trace.at_s / load.speed, trace.period_s / load.speed)
    if load.states is not None:
        turns = [(state.rate_per_s, state.mean_s) for state in load.states]
        highest = max(LOWEST_PER_S, *(rate for rate, _ in turns))
        return arrivals.changing(arrivals.switching(turns, stays), highest, duration_s, gaps, kept)
    rate = _said(load.rate_per_s)
    match load.arrivals:
        case "constant":
            return arrivals.constant(rate, duration_s)
        case "gamma":
            return arrivals.gamma(rate, _said(load.cv), gaps)
        case "diurnal":
            amplitude = _said(load.amplitude)
            wave = arrivals.diurnal(rate, amplitude, _said(load.period_s), load.peak_at_s)
            return arrivals.changing(wave, rate * (1 + amplitude), duration_s, gaps, kept)
        case "flash":
            peak = _said(load.peak_per_s)
            crowd = arrivals.flash(rate, peak, _said(load.at_s), load.ramp_s, _said(load.hold_s))
            return arrivals.changing(crowd, max(rate, peak), duration_s, gaps, kept)
    return arrivals.poisson(rate, gaps)


def _said(value: float | None) -> float:
    assert value is not None, "Load demands what its arrivals need"
    return value


class _Chosen:
    """Draws places in cumulated shares, from a lane of its own."""

    def __init__(self, cumulated: NDArray[np.float64], lane: np.random.Generator) -> None:
        self._cumulated = cumulated
        self._lane = lane

    def draw(self, count: int) -> NDArray[np.int64]:
        if len(self._cumulated) == 1:
            return np.zeros(count, dtype=np.int64)
        found = np.searchsorted(self._cumulated, self._lane.random(count), side="right")
        return found.clip(0, len(self._cumulated) - 1).astype(np.int64)


def _regrouped(pieces: Iterator[arrivals.Times], duration_s: float, size: int) -> Iterator[arrivals.Times]:
    """Endless pieces, cut off at the duration and put together again ``size`` at a time; no piece is empty."""
    waiting: list[arrivals.Times] = []
    count = 0
    for piece in pieces:
        inside = piece[: np.searchsorted(piece, duration_s, side="left")]
        waiting.append(inside)
        count += len(inside)
        if count >= size:
            whole = np.concatenate(waiting)
            full = count - count % size
            yield from whole[:full].reshape(-1, size)
            waiting, count = [whole[full:]], count - full
        if len(inside) < len(piece):
            break
    if count:
        yield np.concatenate(waiting)


def question(prompt: int, seed: int) -> str:
    """The text of a question; equal prompts have equal texts, and another seed asks other questions."""
    topics = ("capacity", "latency", "recovery", "caching", "queues", "retries", "failover", "backups")
    return f"Question {seed}-{prompt}: what should an engineer know about {topics[prompt % len(topics)]}?"
