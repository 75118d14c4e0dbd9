"""Exact means beyond exponential service: M/G/1, its priorities and processor sharing, M/D/c, fork-join of two.

Used by tests of the engines. Arrivals are Poisson; any one unit of time, moments in its square.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from windtunnel.sim.analytic.demand import (
    at_least,
    below_capacity,
    not_negative,
    positive,
    second_moment_at_least,
)


def mg1_mean_wait(arrival_rate: float, mean_service: float, second_moment: float) -> float:
    """Mean wait in M/G/1, first come first served: lambda E[S^2] / (2 (1 - rho)), of Pollaczek and Khinchine.

    ``second_moment`` is E[S^2], the variance plus the square of the mean. Source: L. Kleinrock, Queueing Systems I,
    section 5.6. Raises ValueError for numbers that are not positive or a second moment below the square of the mean,
    Saturated from a load of 1 on.
    """
    return head_of_line_mean_waits([PriorityClass(arrival_rate, mean_service, second_moment)])[0]


@dataclass(frozen=True)
class PriorityClass:
    """Customers of one priority. Raises ValueError for impossible numbers."""

    arrival_rate: float
    mean_service: float
    second_moment: float
    """E[S^2]."""

    def __post_init__(self) -> None:
        positive("arrival_rate", self.arrival_rate)
        positive("mean_service", self.mean_service)
        second_moment_at_least("second_moment", self.mean_service, self.second_moment)

    @property
    def load(self) -> float:
        return self.arrival_rate * self.mean_service

    @property
    def residual_work(self) -> float:
        """Mean of what is left of the service in progress, over all time: lambda E[S^2] / 2."""
        return self.arrival_rate * self.second_moment / 2


def head_of_line_mean_waits(classes: Sequence[PriorityClass]) -> tuple[float, ...]:
    """Mean wait of each class, the most urgent first; a service in progress is never interrupted.

    W_k = W_0 / ((1 - s_(k-1)) (1 - s_k)), s_k the load of classes 1..k, W_0 the residual work of all. Source:
    A. Cobham, Operations Research 2 (1954) 70; L. Kleinrock, Queueing Systems II, section 3.6.
    Raises ValueError without classes, Saturated (naming the class that exceeds it) from a total load of 1 on.
    """
    loads = _loads(classes)
    residual = math.fsum(each.residual_work for each in classes)
    return tuple(residual / ((1 - above) * (1 - up_to)) for above, up_to in pairwise(loads))


def preemptive_resume_mean_sojourns(classes: Sequence[PriorityClass]) -> tuple[float, ...]:
    """Mean sojourn of each class, the most urgent first; who is interrupted goes on later where he stopped.

    T_k = E[S_k] / (1 - s_(k-1)) + (residual work of 1..k) / ((1 - s_(k-1)) (1 - s_k)). Source: L. Kleinrock, Queueing
    Systems II, section 3.7. Raises ValueError without classes, Saturated (naming the class that exceeds it) from a
    total load of 1 on.
    """
    loads = _loads(classes)
    residuals = accumulate(each.residual_work for each in classes)
    return tuple(
        (each.mean_service + residual / (1 - up_to)) / (1 - above)
        for each, residual, (above, up_to) in zip(classes, residuals, pairwise(loads), strict=True)
    )


def processor_sharing_mean_sojourn(arrival_rate: float, mean_service: float) -> float:
    """Mean sojourn in M/G/1 processor sharing, E[S] / (1 - rho), whatever the distribution.

    Source: L. Kleinrock, Queueing Systems II, section 4.4. Raises ValueError for numbers that are not positive,
    Saturated from a load of 1 on.
    """
    return processor_sharing_mean_sojourn_given(mean_service, arrival_rate, mean_service)


def processor_sharing_mean_sojourn_given(service: float, arrival_rate: float, mean_service: float) -> float:
    """Mean sojourn of a customer who needs ``service``, x / (1 - rho): everyone is slowed alike.

    Source: L. Kleinrock, Queueing Systems II, section 4.4. Raises ValueError for numbers that are not positive (for
    ``service``: negative), Saturated from a load of 1 on.
    """
    not_negative("service", service)
    positive("arrival_rate", arrival_rate)
    positive("mean_service", mean_service)
    below_capacity("M/G/1-PS", arrival_rate * mean_service, 1)
    return service / (1 - arrival_rate * mean_service)


def mdc_mean_wait(servers: int, arrival_rate: float, service: float) -> float:
    """Mean wait in M/D/c, first come first served, where every service takes ``service``.

    After each service time the number present is Poisson(a) plus who was there beyond c, with a = lambda D. From its
    generating function the mean number waiting is the sum of 1 / (1 - z) over the c - 1 roots of z^c = exp(a (z - 1))
    inside the unit circle, less (c (c - 1) - a^2) / (2 (c - a)). Source: C. D. Crommelin, Post Office Electrical
    Engineers' Journal 25 (1932) 41; G. J. Franx, Operations Research Letters 29 (2001) 221.
    Where nearly nobody waits the two cancel: the error is about 1e-15 c^2 services, whatever the wait.
    Raises ValueError for numbers that are not positive, Saturated from a load of c on.
    """
    at_least("servers", servers, 1)
    positive("arrival_rate", arrival_rate)
    positive("service", service)
    offered = arrival_rate * service
    below_capacity("M/D/c", offered, servers)
    roots = (_root(servers, offered, index) for index in range(1, servers))
    surplus = (servers * (servers - 1) - offered**2) / (2 * (servers - offered))
    waiting = math.fsum((1 / (1 - root)).real for root in roots) - surplus
    return max(0.0, waiting) / arrival_rate


def fork_join_mean_sojourn(arrival_rate: float, mean_service: float) -> float:
    """Mean time until both halves are done: each arrival goes to two M/M/1 queues at once and waits for both.

    (12 - rho) / 8 times the mean sojourn of one queue. Source: L. Flatto, S. Hahn, SIAM Journal on Applied Mathematics
    44 (1984) 1041; in this form R. Nelson, A. N. Tantawi, IEEE Transactions on Computers 37 (1988) 739.
    Raises ValueError for numbers that are not positive, Saturated from a load of 1 on.
    """
    positive("arrival_rate", arrival_rate)
    positive("mean_service", mean_service)
    load = arrival_rate * mean_service
    below_capacity("fork-join", load, 1)
    return (12 - load) / 8 * mean_service / (1 - load)


def _loads(classes: Sequence[PriorityClass]) -> list[float]:
    """Load of the classes before each, and of all."""
    if not classes:
        raise ValueError("classes: found none, expected at least one")
    loads = list(accumulate((each.load for each in classes), initial=0.0))
    for number, up_to in enumerate(loads):
        below_capacity("M/G/1" if len(classes) == 1 else f"M/G/1 with priorities 1 to {number}", up_to, 1)
    return loads


def _root(servers: int, offered: float, index: int) -> complex:
    """The root on the branch z = w exp(rho (z - 1)), w the index-th c-th root of 1, by substitution, then Newton.

    Inside the unit circle the substitution contracts by rho |z|, towards the branch's only root there; Newton's steps
    make the last digits quick near saturation. A step this short leaves an error of its square, which a float misses.
    """
    load = offered / servers
    turn = cmath.exp(2j * math.pi * index / servers)
    root = turn
    for _ in range(50):
        root = turn * cmath.exp(load * (root - 1))
    for _ in range(50):
        image = turn * cmath.exp(load * (root - 1))
        step = (root - image) / (1 - load * image)
        root -= step
        if abs(step) <= 1e-10 * abs(1 - root):
            return root
    raise ArithmeticError(f"root {index} of M/D/{servers} at load {load} did not converge")
