"""The same scenario with seed after seed, a fixed number of times or until it is known well enough. Used by
``simulate --replications`` and ``--precision``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from windtunnel.sim.answers.forecast import Answer, answer
from windtunnel.sim.answers.precision import Until
from windtunnel.spec.run import Run
from windtunnel.spec.seeds import seeds_from

AT_LEAST = 10
"""Replications before a precision can count as reached: of fewer, an interval is narrow by chance too often."""
AT_MOST = 200

Replication = tuple[Run, Answer]


def replications(simulate: Callable[[int], Run], seed: int, count: int) -> Iterator[Replication]:
    """So many runs, with the seeds ``seed``, ``seed + 1``, ...; each with its answer."""
    for each in seeds_from(seed, count):
        run = simulate(each)
        yield run, answer(run)


def until_precise(
    simulate: Callable[[int], Run], seed: int, precision: float, *, at_least: int = AT_LEAST, at_most: int = AT_MOST
) -> Iterator[Replication]:
    """Runs until the mean and the p95 of every window are known to this relative half-width, or ``at_most`` runs.

    A window that is saturated has neither, and is not waited for. Raises ValueError as ``Until`` does.
    """
    rules: dict[tuple[str, str], Until] = {}
    for made, (run, said) in enumerate(replications(simulate, seed, at_most), start=1):
        yield run, said
        for window in said.windows:
            times = window.latencies
            if window.saturated is None and len(times):
                for figure, value in (("mean", times.mean_ms()), ("p95", times.quantile_ms(0.95))):
                    key = (window.window.name, figure)
                    rules.setdefault(key, Until(precision, at_least=at_least, at_most=at_most)).feed(value)
        if made >= at_least and all(rule.reached or said.saturated for rule in rules.values()):
            return
