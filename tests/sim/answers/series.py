"""Random series whose means are known: what intervals are tried on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def ar1(rng: np.random.Generator, runs: int, n: int, phi: float) -> NDArray[np.float64]:
    """Rows of x_i = phi x_(i-1) + noise, from their steady state; mean 0, whatever happens."""
    values = np.empty((n, runs))
    values[0] = rng.standard_normal(runs) / np.sqrt(1 - phi * phi)
    for i in range(1, n):
        values[i] = phi * values[i - 1] + rng.standard_normal(runs)
    return np.ascontiguousarray(values.T)


@dataclass(frozen=True)
class MM1:
    """Requests of an M/M/1 queue with service rate 1, in their order, from an empty system on."""

    begin_s: NDArray[np.float64]
    wait_s: NDArray[np.float64]
    service_s: NDArray[np.float64]

    @property
    def end_s(self) -> NDArray[np.float64]:
        return self.begin_s + self.wait_s + self.service_s


def mm1(rng: np.random.Generator, load: float, n: int) -> MM1:
    """Lindley's recursion w_(i+1) = max(0, w_i + s_i - gap_i), written as a walk above its own minimum."""
    gaps = rng.standard_exponential(n) / load
    service = rng.standard_exponential(n)
    walk = np.concatenate([[0.0], np.cumsum(service[:-1] - gaps[1:])])
    return MM1(np.cumsum(gaps), walk - np.minimum.accumulate(walk), service)


def mean_wait(load: float) -> float:
    """Of an M/M/1 queue with service rate 1."""
    return load / (1 - load)
