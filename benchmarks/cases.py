"""The four models that every tool simulates, as numbers. Used by the tools and by ``benchmarks.engines``.

Visits are one after the other, and a visit holds a server of that stop alone: what the reference calls the 4 hops is a
Jackson network where all times are exponential, and its mean is known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from windtunnel.sim.analytic.erlang import erlang_c


@dataclass(frozen=True)
class Stop:
    """Servers with one line, first come first served."""

    name: str
    servers: int
    mean_ms: float
    """Of the service time, which is exponential, or lognormal with this sigma."""
    sigma: float = 0.0

    @property
    def median_ms(self) -> float:
        """Of a lognormal time: mean = median * exp(sigma^2 / 2)."""
        return self.mean_ms * math.exp(-(self.sigma**2) / 2)


@dataclass(frozen=True)
class Case:
    """Poisson arrivals that visit all stops in turn; patient, or with a timeout on the whole and one retry."""

    name: str
    rate_per_s: float
    stops: tuple[Stop, ...]
    timeout_ms: float | None = None
    """After which an attempt is given up, its server is free, and the request is made once more."""
    backoff_ms: float = 0.0
    """The pause before that is uniform from 0 to this (full jitter)."""

    @property
    def mean_ms(self) -> float | None:
        """Exact, from arrival to the end of the last visit: M/M/c sojourns add up (J. R. Jackson, Management Science
        10 (1963) 131). None where there is no closed form."""
        if self.timeout_ms is not None or any(stop.sigma for stop in self.stops):
            return None
        return sum(self._sojourn_ms(stop) for stop in self.stops)

    def _sojourn_ms(self, stop: Stop) -> float:
        offered = self.rate_per_s * stop.mean_ms / 1000
        waits = erlang_c(stop.servers, offered)
        return stop.mean_ms * (1 + waits / (stop.servers - offered))


PARTS = 4
"""Of a run, whose means are looked at apart: they say how sure the whole's is."""


class Answer(NamedTuple):
    """What a tool found."""

    requests: int
    means_ms: tuple[float, ...]
    """From a request's arrival to its end, however it ended: the mean of each of PARTS parts of the run."""

    @classmethod
    def of(cls, sojourns_ms: ArrayLike) -> Answer:
        """Of every request, in the order of arrivals or of ends."""
        values = np.asarray(sojourns_ms, dtype=np.float64)
        return cls(len(values), tuple(float(part.mean()) for part in np.array_split(values, PARTS)))


def hops(llm_sigma: float = 0.5) -> tuple[Stop, ...]:
    """The four; with sigma 0 all times are exponential."""
    return (
        Stop("gateway", 4, 8),
        Stop("app", 8, 20),
        Stop("db", 10, 24),
        Stop("llm", 16, 40, llm_sigma),
    )


CASES = (
    Case("M/M/1", 800, (Stop("server", 1, 1),)),
    Case("M/M/8", 6400, (Stop("server", 8, 1),)),
    Case("4 hops", 280, hops()),
    Case("4 hops, timeout and retry", 280, hops(), timeout_ms=200, backoff_ms=50),
)
