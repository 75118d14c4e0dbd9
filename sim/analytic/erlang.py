"""Queues with Poisson arrivals, exponential service and several servers, after Erlang. Used by networks and by tests.

Arrivals come at ``arrival_rate``, a service takes ``mean_service`` on average, a customer's patience is about its wait
only. The work offered, in servers kept busy, is their product.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from windtunnel.sim.analytic.demand import at_least, below_capacity, not_negative, positive, probability

NEGLIGIBLE = 1e-17
"""Share of the waiting states of an endless queue that is left out: below what a float can tell."""


def erlang_b(servers: int, offered: float) -> float:
    """Probability that an arrival finds all servers busy in M/G/c/c, where nobody waits.

    1 / B(n) = 1 + n / (a B(n-1)), B(0) = 1; all terms are positive. Source: D. Gross et al., Fundamentals of Queueing
    Theory, 4th ed., section 2.4. Raises ValueError for a negative or infinite load, or a number of servers below 0.
    """
    at_least("servers", servers, 0)
    not_negative("offered", offered)
    if offered == 0:
        return 1.0 if servers == 0 else 0.0
    return 1 / _inverse_erlang_b(servers, offered)


def erlang_c(servers: int, offered: float, *, station: str = "M/M/c") -> float:
    """Probability that an arrival waits in M/M/c: c B / (c - a (1 - B)).

    Source: L. Kleinrock, Queueing Systems I, section 3.5.
    Raises ValueError for a negative load or no servers, Saturated (naming ``station``) from a load of c on.
    """
    at_least("servers", servers, 1)
    not_negative("offered", offered)
    below_capacity(station, offered, servers)
    blocked = erlang_b(servers, offered)
    return servers * blocked / (servers - offered * (1 - blocked))


@dataclass(frozen=True)
class MMc:
    """First come, first served, an endless queue.

    Source of all of it: L. Kleinrock, Queueing Systems I, section 3.5; D. Gross et al., Fundamentals of Queueing
    Theory, 4th ed., section 2.3. Raises ValueError for a number that is not positive, Saturated where the load is
    not below the servers.
    """

    servers: int
    arrival_rate: float
    mean_service: float

    def __post_init__(self) -> None:
        _check(self.servers, self.arrival_rate, self.mean_service)
        below_capacity("M/M/c", self.arrival_rate * self.mean_service, self.servers)

    @property
    def utilisation(self) -> float:
        """Share of a server's time."""
        return self.arrival_rate * self.mean_service / self.servers

    @cached_property
    def wait_probability(self) -> float:
        return erlang_c(self.servers, self.arrival_rate * self.mean_service)

    @property
    def mean_wait(self) -> float:
        """Of all, those that do not wait included."""
        return self.wait_probability / self._spare_rate

    @property
    def mean_sojourn(self) -> float:
        return self.mean_wait + self.mean_service

    def wait_quantile(self, p: float) -> float:
        """The wait W is 0 or exponential: P(W > t) = C exp(-(c mu - lambda) t). Raises ValueError unless 0 <= p < 1."""
        probability("p", p)
        if 1 - p >= self.wait_probability:
            return 0.0
        return math.log(self.wait_probability / (1 - p)) / self._spare_rate

    def sojourn_tail(self, t: float) -> float:
        """P(T > t): a service, or with probability C the sum of a wait and a service, both exponential."""
        not_negative("t", t)
        rate, spare = 1 / self.mean_service, self._spare_rate
        slow, gap = min(rate, spare), abs(rate - spare)
        # of the sum: (fast exp(-slow t) - slow exp(-fast t)) / (fast - slow), in the form that survives equal rates
        longer = slow * (-math.expm1(-gap * t) / gap if gap > 0 else t)
        both = math.exp(-slow * t) * (1 + longer)
        return (1 - self.wait_probability) * math.exp(-rate * t) + self.wait_probability * both

    def sojourn_quantile(self, p: float) -> float:
        """Where the tail is 1 - p, by bisection down to neighbouring floats. Raises ValueError unless 0 <= p < 1."""
        probability("p", p)
        low, high = 0.0, self.mean_sojourn
        while self.sojourn_tail(high) > 1 - p:
            low, high = high, 2 * high
        while low < (middle := (low + high) / 2) < high:
            low, high = (middle, high) if self.sojourn_tail(middle) > 1 - p else (low, middle)
        return high if p > 0 else 0.0

    @property
    def _spare_rate(self) -> float:
        return self.servers / self.mean_service - self.arrival_rate


@dataclass(frozen=True)
class MMcK:
    """M/M/c with room for ``places`` in all, those in service included; who finds it full is turned away.

    Any load is stable. Source: D. Gross et al., Fundamentals of Queueing Theory, 4th ed., section 2.5.
    Raises ValueError for a number that is not positive, or fewer places than servers.
    """

    servers: int
    places: int
    arrival_rate: float
    mean_service: float

    def __post_init__(self) -> None:
        _check(self.servers, self.arrival_rate, self.mean_service)
        at_least("places", self.places, self.servers)

    @property
    def blocking(self) -> float:
        """Share of the arrivals that is turned away."""
        return self._states[-1]

    @property
    def throughput(self) -> float:
        """Served, per unit of time."""
        return _busy(self._states, self.servers) / self.mean_service

    @property
    def utilisation(self) -> float:
        """Share of a server's time."""
        return _busy(self._states, self.servers) / self.servers

    @property
    def mean_wait(self) -> float:
        """Of those that are admitted (Little's law)."""
        return _waiting(self._states, self.servers) / self.throughput

    @property
    def mean_sojourn(self) -> float:
        """Of those that are admitted."""
        return self.mean_wait + self.mean_service

    @cached_property
    def _states(self) -> list[float]:
        return _birth_death(
            self.servers, self.arrival_rate, lambda n: min(n, self.servers) / self.mean_service, self.places
        )


@dataclass(frozen=True)
class ErlangA:
    """M/M/c+M: who waits leaves after an exponential patience. Any load is stable.

    Source: A. Mandelbaum, S. Zeltyn, Service Engineering in Action: The Palm/Erlang-A Queue (2007), section 2.
    Raises ValueError for a number that is not positive.
    """

    servers: int
    arrival_rate: float
    mean_service: float
    mean_patience: float

    def __post_init__(self) -> None:
        _check(self.servers, self.arrival_rate, self.mean_service)
        positive("mean_patience", self.mean_patience)

    @property
    def abandon_probability(self) -> float:
        """Share of the arrivals that leaves unserved: those who wait leave at 1 / patience each."""
        return self.mean_wait / self.mean_patience

    @property
    def mean_wait(self) -> float:
        """Of all, until they are served or leave (Little's law)."""
        return _waiting(self._states, self.servers) / self.arrival_rate

    @property
    def mean_wait_served(self) -> float:
        """Of those that are served.

        Who arrives behind j others waits for j + 1 ends, at rates r_k = c mu + k theta for k = 0..j (a service ends,
        or one of the k ahead leaves), and is served if his own patience, exponential with theta, lasts for V, their
        sum: E[exp(-theta V)] = c mu / (c mu + (j+1) theta), and E[V exp(-theta V)] is that times the sum of
        1 / (r_k + theta).
        """
        service_rate, leave_rate = self.servers / self.mean_service, 1 / self.mean_patience
        waited = mean_if_served = 0.0
        for ahead, p in enumerate(self._states[self.servers :]):
            drained = service_rate + (ahead + 1) * leave_rate
            mean_if_served += 1 / drained
            waited += p * service_rate / drained * mean_if_served
        return waited * self.arrival_rate / self.throughput

    @property
    def throughput(self) -> float:
        """Served, per unit of time."""
        return _busy(self._states, self.servers) / self.mean_service

    @property
    def utilisation(self) -> float:
        """Share of a server's time."""
        return _busy(self._states, self.servers) / self.servers

    @cached_property
    def _states(self) -> list[float]:
        def departures(n: int) -> float:
            return min(n, self.servers) / self.mean_service + max(0, n - self.servers) / self.mean_patience

        return _birth_death(self.servers, self.arrival_rate, departures)


@dataclass(frozen=True)
class MMcWithDeadline:
    """M/M/c+D: who has waited for ``patience`` without being served leaves. Any load is stable.

    The wait that an arrival would have with endless patience has the density lambda p exp(-(c mu - lambda) x) up to
    the patience, p the probability of c - 1 in the system, and behind it falls with c mu, as nobody joins.
    Source: F. Baccelli, G. Hebuterne, On Queues with Impatient Customers (1981); D. Y. Barrer, Operations Research 5
    (1957) 650. Raises ValueError for a number that is not positive.
    """

    servers: int
    arrival_rate: float
    mean_service: float
    patience: float

    def __post_init__(self) -> None:
        _check(self.servers, self.arrival_rate, self.mean_service)
        positive("patience", self.patience)

    @property
    def abandon_probability(self) -> float:
        """Share of the arrivals that leaves unserved."""
        at_once, waiting, _, leaving = self._masses
        return leaving / (at_once + waiting + leaving)

    @property
    def mean_wait(self) -> float:
        """Of all, until they are served or leave."""
        at_once, waiting, waited, leaving = self._masses
        return (waited + leaving * self.patience) / (at_once + waiting + leaving)

    @property
    def mean_wait_served(self) -> float:
        """Of those that are served, those that do not wait included."""
        at_once, waiting, waited, _ = self._masses
        return waited / (at_once + waiting)

    @property
    def throughput(self) -> float:
        """Served, per unit of time."""
        at_once, waiting, _, leaving = self._masses
        return self.arrival_rate * (at_once + waiting) / (at_once + waiting + leaving)

    @property
    def utilisation(self) -> float:
        """Share of a server's time."""
        return self.throughput * self.mean_service / self.servers

    @cached_property
    def _masses(self) -> tuple[float, float, float, float]:
        """Probabilities of no wait, of a wait and its first moment, of leaving; all in one unit.

        The unit is p exp(growth * patience) where the density grows, so that nothing overflows far above capacity.
        What is asked for are ratios of these.
        """
        drain, patience = self.servers / self.mean_service, self.patience
        spare = drain - self.arrival_rate
        z = abs(spare) * patience
        # Integrals of exp(-z u) and u exp(-z u) over u in 0..1.
        zeroth = -math.expm1(-z) / z if z > 0 else 1.0
        if z < 1:
            first = math.fsum((-z) ** n / (math.factorial(n) * (n + 2)) for n in range(20))
        else:
            first = (zeroth - math.exp(-z)) / z
        # Where the density grows, u runs backwards from the patience.
        first_moment = first if spare >= 0 else zeroth - first
        unit = 1.0 if spare >= 0 else math.exp(-z)
        fewer_than_all_busy = _inverse_erlang_b(self.servers - 1, self.arrival_rate * self.mean_service)
        return (
            unit * fewer_than_all_busy,
            self.arrival_rate * patience * zeroth,
            self.arrival_rate * patience**2 * first_moment,
            self.arrival_rate / drain * (math.exp(-z) if spare >= 0 else 1.0),
        )


def _check(servers: int, arrival_rate: float, mean_service: float) -> None:
    at_least("servers", servers, 1)
    positive("arrival_rate", arrival_rate)
    positive("mean_service", mean_service)


def _busy(states: list[float], servers: int) -> float:
    """Mean number of servers at work."""
    return math.fsum(p * min(n, servers) for n, p in enumerate(states))


def _waiting(states: list[float], servers: int) -> float:
    """Mean number that waits."""
    return math.fsum(p * max(0, n - servers) for n, p in enumerate(states))


def _inverse_erlang_b(servers: int, offered: float) -> float:
    """1 / B, infinite where B is too small for a float."""
    inverse = 1.0
    for n in range(1, servers + 1):
        inverse = 1 + n / offered * inverse
    return inverse


def _birth_death(
    servers: int, arrival_rate: float, departure_rate: Callable[[int], float], last: int | None = None
) -> list[float]:
    """Probabilities of 0..last customers; without ``last``, of as many as are not negligible.

    p(n) = p(n-1) * arrivals / departures(n) (Kleinrock I, section 3.1), from the most probable state outwards, so that
    no load and no number of servers overflows. Departures must not fall with n.
    """
    top = 0
    while (last is None or top < last) and departure_rate(top + 1) < arrival_rate:
        top += 1
    below = [1.0]
    for n in range(top, 0, -1):
        below.append(below[-1] * departure_rate(n) / arrival_rate)
    weights = below[::-1]
    waiting = math.fsum(weights[servers + 1 :])
    n, weight = top, 1.0
    while last is None or n < last:
        n += 1
        ratio = arrival_rate / departure_rate(n)
        weight *= ratio
        weights.append(weight)
        if last is not None or n <= servers:
            continue
        # Against those who wait, not against all: a wait is asked for also where it is rare. The rest is at most a
        # geometric series of this ratio, as departures do not fall.
        waiting += weight
        if ratio < 1 and weight * ratio / (1 - ratio) <= NEGLIGIBLE * waiting:
            break
    total = math.fsum(weights)
    return [each / total for each in weights]
