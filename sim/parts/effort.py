"""What a model would do over and over; where that is out of all proportion, it is refused. Used by the compiler."""

from __future__ import annotations

from collections.abc import Iterator

from windtunnel.spec.architecture import Architecture, Service
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.problem import Problem
from windtunnel.spec.scenario import Scenario

MOST_LOOKS = 10_000_000
"""Of monitoring, of an autoscaler: more of them are a slip of the unit."""
MOST_REQUESTS = 100_000_000_000
"""About a day of work for the faster engine."""
MOST_WORKERS = 1_000_000
"""Of one queue, over all replicas: each has a place of its own in the engines."""
LONGEST_MEMORY = 1_000_000
"""Intervals that an autoscaler's metric may be old."""


def too_much(scenario: Scenario, architecture: Architecture, deployment: Deployment) -> Iterator[Problem]:
    """Requests, looks and workers that come to more than anybody means. SpecError for a trace that cannot be read."""
    total_s = scenario.windows.total_s
    requests = scenario.load.highest_per_s() * total_s
    if requests > MOST_REQUESTS:
        found = f"about {requests:,.0f} requests at its highest rate"
        yield Problem("load", found, f"at most {MOST_REQUESTS:,}: fewer, or shorter windows")
    for name, part in architecture.components.items():
        if isinstance(part, Service) and part.consumes is not None:
            workers = part.consumes.concurrency * deployment.most_replicas(name)
            if workers > MOST_WORKERS:
                yield Problem(
                    f"components.{name}.consumes.concurrency",
                    f"{workers:,} messages at once on all replicas",
                    f"at most {MOST_WORKERS:,}",
                )
    yield from _looks("scrape_s", total_s / scenario.scrape_s)
    for name, placement in deployment.place.items():
        scaling = placement.autoscale
        if scaling is not None:
            here = f"place.{name}.autoscale"
            yield from _looks(f"{here}.interval_s", total_s / scaling.interval_s)
            if scaling.metrics_delay_s / scaling.interval_s > LONGEST_MEMORY:
                found = f"{scaling.metrics_delay_s / scaling.interval_s:,.0f} intervals of {scaling.interval_s:g} s"
                yield Problem(f"{here}.metrics_delay_s", found, f"at most {LONGEST_MEMORY:,}")


def _looks(path: str, count: float) -> Iterator[Problem]:
    if count > MOST_LOOKS:
        yield Problem(
            path, f"about {count:,.0f} looks in this run", f"at most {MOST_LOOKS:,}: a longer time between two"
        )
