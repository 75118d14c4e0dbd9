"""One queue with Poisson arrivals: which formula is its. Used by ``exact``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from windtunnel.sim.analytic.erlang import MMc, MMcK, MMcWithDeadline, erlang_b
from windtunnel.sim.analytic.single_server import (
    PriorityClass,
    head_of_line_mean_waits,
    mdc_mean_wait,
    mg1_mean_wait,
    preemptive_resume_mean_sojourns,
)
from windtunnel.sim.answers.paths import NO_FORMULA
from windtunnel.sim.model import Station, WaitLimit
from windtunnel.spec.distribution import Constant, Distribution, Exponential
from windtunnel.spec.problem import Problem

SHARES = (0.5, 0.9, 0.95, 0.99, 0.999)


@dataclass(frozen=True)
class Stream:
    """Requests of one kind that come to one replica."""

    rate_per_s: float
    service: Distribution
    """In ms."""
    priority: int


@dataclass(frozen=True)
class Queue:
    """What theory says of it, of one replica."""

    kind: str
    wait_ms: dict[int, float]
    """By priority, of those that are served."""
    waiting: float
    """Requests that wait, on average."""
    utilisation: float
    stretch: dict[int, float] = field(default_factory=dict)
    """By priority: how many times as long the work takes for being interrupted; what is not named: once."""
    quantiles_ms: dict[float, float] = field(default_factory=dict)
    """Of waiting and work together, by share; empty where they are not known."""
    lost_ratio: float = 0.0


def one_queue(station: Station, streams: Sequence[Stream], problems: list[Problem]) -> Queue | None:
    """Of a station with slots; None, with a problem, where there is no formula. Raises Saturated."""
    here, c = f"components.{station.name}", station.slots or 1
    rate_per_s = sum(stream.rate_per_s for stream in streams)
    mean_s = sum(stream.rate_per_s * stream.service.mean() for stream in streams) / rate_per_s / 1000
    services = [stream.service for stream in streams]
    ranks = sorted({stream.priority for stream in streams})
    alike = all(service == services[0] for service in services)
    exponential, constant = (alike and isinstance(services[0], kind) for kind in (Exponential, Constant))
    urgent = station.discipline != "fifo" and len(ranks) > 1
    if station.queue_limit is not None or station.shed is not None:
        if (station.queue_limit == 0 and station.shed is None) or (exponential and not urgent):
            return _lossy(station, rate_per_s, mean_s, ranks, problems)
        expected = "exponential work, first come first served: no formula else"
        problems.append(Problem(here, "a bounded queue or a longest wait", expected))
        return None
    if urgent and c == 1:
        return _priorities(station, streams, ranks)
    if urgent:
        problems.append(Problem(here, f"priorities at {c} servers", NO_FORMULA))
        return None
    quantiles_ms: dict[float, float] = {}
    if exponential:
        kind, many = f"M/M/{c}", MMc(c, rate_per_s, mean_s)
        wait_s = many.mean_wait
        quantiles_ms = {share: many.sojourn_quantile(share) * 1000 for share in SHARES}
    elif constant:
        kind, wait_s = f"M/D/{c}", mdc_mean_wait(c, rate_per_s, mean_s)
    elif c == 1:
        square_s2 = sum(stream.rate_per_s * stream.service.second_moment() for stream in streams) / rate_per_s / 1e6
        kind, wait_s = "M/G/1", mg1_mean_wait(rate_per_s, mean_s, square_s2)
    else:
        found = f"{c} servers for work that is neither exponential nor constant"
        problems.append(Problem(here, found, "one server: there is no formula for more"))
        return None
    utilisation = rate_per_s * mean_s / c
    return Queue(kind, _alike(ranks, wait_s), rate_per_s * wait_s, utilisation, quantiles_ms=quantiles_ms)


def _priorities(station: Station, streams: Sequence[Stream], ranks: Sequence[int]) -> Queue:
    """One server; the classes are the priorities, the most urgent first."""
    classes = []
    for rank in ranks:
        same = [stream for stream in streams if stream.priority == rank]
        rate_per_s = sum(stream.rate_per_s for stream in same)
        mean_s = sum(stream.rate_per_s * stream.service.mean() for stream in same) / rate_per_s / 1000
        square_s2 = sum(stream.rate_per_s * stream.service.second_moment() for stream in same) / rate_per_s / 1e6
        classes.append(PriorityClass(rate_per_s, mean_s, square_s2))
    if station.discipline == "priority":
        kind, stretch = "M/G/1 with priorities", [1.0] * len(classes)
        waits_s = head_of_line_mean_waits(classes)
    else:
        kind = "M/G/1 with preemptive priorities"
        sojourns_s = preemptive_resume_mean_sojourns(classes)
        stretch = [1 / (1 - sum(each.load for each in classes[:index])) for index in range(len(classes))]
        waits_s = tuple(t - each.mean_service * s for t, each, s in zip(sojourns_s, classes, stretch, strict=True))
    return Queue(
        kind,
        {rank: wait_s * 1000 for rank, wait_s in zip(ranks, waits_s, strict=True)},
        # those who are put back wait, too
        sum(
            each.arrival_rate * (wait_s + each.mean_service * (s - 1))
            for each, wait_s, s in zip(classes, waits_s, stretch, strict=True)
        ),
        sum(each.load for each in classes),
        dict(zip(ranks, stretch, strict=True)),
    )


def _lossy(
    station: Station, rate_per_s: float, mean_s: float, ranks: Sequence[int], problems: list[Problem]
) -> Queue | None:
    """A queue that turns requests away, or that refuses those who have waited too long when their turn comes.

    Who is refused then has added no work, exactly like one who left in time: M/M/c+D.
    """
    c = station.slots or 1
    if station.queue_limit is not None and station.shed is not None:
        problems.append(Problem(f"components.{station.name}", "a bounded queue and a longest wait", "one of the two"))
    elif isinstance(station.shed, WaitLimit):
        left = MMcWithDeadline(c, rate_per_s, mean_s, station.shed.max_wait_s)
        waits_ms, waiting = _alike(ranks, left.mean_wait_served), rate_per_s * left.mean_wait
        return Queue(f"M/M/{c}+D", waits_ms, waiting, left.utilisation, lost_ratio=left.abandon_probability)
    elif station.queue_limit == 0:
        lost = erlang_b(c, rate_per_s * mean_s)
        utilisation = rate_per_s * mean_s * (1 - lost) / c
        return Queue(f"M/G/{c}/{c}", _alike(ranks, 0.0), 0.0, utilisation, lost_ratio=lost)
    elif station.queue_limit is not None:
        places = c + station.queue_limit
        full = MMcK(c, places, rate_per_s, mean_s)
        waits_ms, waiting = _alike(ranks, full.mean_wait), full.throughput * full.mean_wait
        return Queue(f"M/M/{c}/{places}", waits_ms, waiting, full.utilisation, lost_ratio=full.blocking)
    return None


def _alike(ranks: Sequence[int], wait_s: float) -> dict[int, float]:
    return dict.fromkeys(ranks, wait_s * 1000)
