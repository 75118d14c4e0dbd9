"""The largest load that a configuration carries: how far the load can be turned up until an objective is missed, and
what gives way then. Used by size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from windtunnel.sim.explore.bench import Assessed, Bench, Settings, settings_of
from windtunnel.spec.load import HIGHEST_PER_S, Load
from windtunnel.spec.problem import SpecError

PRECISION = 1.02
"""Between the load that is carried and the one that is not."""
MOST_DOUBLINGS = 10
MOST_REQUESTS = 2_000_000
"""Of one trial; a load of more is not tried."""


@dataclass(frozen=True)
class Limit:
    """Where a configuration saturates."""

    carried: float | None
    """The largest load that met every objective, as a multiple of the scenario's; None: not even a thousandth of it."""
    load: str
    """It in words: ``31.5 requests/s``."""
    beyond: Assessed | None
    """The smallest load that was seen to be too much, thoroughly tried; None: it carries all that was tried."""


def largest_load(bench: Bench, settings: Settings) -> Limit:
    """By doubling or halving, then by bisection to 2 %, in the ratio of loads."""
    load = bench.subject.scenario.load

    def carried(factor: float) -> bool:
        return bench.holds(_loaded(load, factor, settings))

    low, high = (1.0, None) if carried(1.0) else (None, 1.0)
    for _ in range(MOST_DOUBLINGS):
        if low is not None and high is not None:
            break
        if low is not None:
            if not _can_be(bench, load, 2 * low):
                return Limit(low, in_words(load, low), None)
            low, high = (2 * low, None) if carried(2 * low) else (low, 2 * low)
        else:
            assert high is not None, "a load is carried or not"
            if not _can_be(bench, load, high / 2):
                break
            low, high = (high / 2, high) if carried(high / 2) else (None, high / 2)
    if high is None:
        return Limit(low, in_words(load, low or 0.0), None)
    while low is not None and high / low > PRECISION and in_words(load, low) != in_words(load, high):
        middle = (low * high) ** 0.5
        if in_words(load, middle) in (in_words(load, low), in_words(load, high)):
            break  # users come in whole numbers
        low, high = (middle, high) if carried(middle) else (low, middle)
    return Limit(low, in_words(load, low or 0.0), bench.assess(_loaded(load, high, settings)))


def in_words(load: Load, factor: float) -> str:
    """A multiple of a load: ``31.5 requests/s``, ``40 users``, ``1.5 times the recorded speed``."""
    if load.users is not None:
        return f"{_users(load, factor)} users"
    if load.trace is not None:
        return f"{load.speed * factor:.3g} times the recorded speed"
    if load.states is not None:
        mean = sum(each.rate_per_s * each.mean_s for each in load.states) / sum(each.mean_s for each in load.states)
        return f"{mean * factor:.4g} requests/s on average"
    rate = load.rate_per_s or 0.0
    peak = f" with a peak of {load.peak_per_s * factor:.4g}/s" if load.peak_per_s is not None else ""
    mean_of = " on average" if load.arrivals == "diurnal" else ""
    return f"{rate * factor:.4g} requests/s{mean_of}{peak}"


def _loaded(load: Load, factor: float, settings: Settings) -> Settings:
    return settings if factor == 1.0 else settings_of({**dict(settings), **dict(_load_settings(load, factor))})


def _load_settings(load: Load, factor: float) -> Iterator[tuple[str, float]]:
    if load.users is not None:
        yield "load.users", _users(load, factor)
    elif load.trace is not None:
        yield "load.speed", load.speed * factor
    elif load.states is not None:
        yield from ((f"load.states[{n}].rate_per_s", each.rate_per_s * factor) for n, each in enumerate(load.states))
    else:
        for key in ("rate_per_s", "peak_per_s"):
            value = getattr(load, key)
            if value is not None:
                yield f"load.{key}", value * factor


def _users(load: Load, factor: float) -> int:
    return max(1, round((load.users or 0) * factor))


def _can_be(bench: Bench, load: Load, factor: float) -> bool:
    """Whether a load is one that a scenario may have, and small enough to be tried."""
    requests = sum(seen.requests for seen in bench.look([()], 1)[0].trials[0].windows)
    rates = [value for key, value in _load_settings(load, factor) if key.endswith("_per_s")]
    if requests * factor > MOST_REQUESTS or any(rate > HIGHEST_PER_S for rate in rates):
        return False
    if load.users is not None and _users(load, factor) == _users(load, 2 * factor):
        return False
    try:
        bench.subject.changed(dict(_load_settings(load, factor)))
    except SpecError:
        return False
    return True
