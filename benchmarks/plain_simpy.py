"""The cases as SimPy's own documentation would write them: a process per request, Resources, timeouts, interrupts."""

from __future__ import annotations

import math
import random
from collections.abc import Generator
from typing import Any

import simpy

from benchmarks.cases import Answer, Case, Stop

Steps = Generator[simpy.Event, Any, None]


def simulate(case: Case, requests: int, seed: int) -> Answer:
    """Until the last request has ended."""
    env = simpy.Environment()
    draws = random.Random(seed)
    stops = [(simpy.Resource(env, stop.servers), stop) for stop in case.stops]
    sojourns: list[float] = []

    def service_ms(stop: Stop) -> float:
        if stop.sigma:
            return draws.lognormvariate(math.log(stop.median_ms), stop.sigma)
        return draws.expovariate(1 / stop.mean_ms)

    def visits() -> Steps:
        for resource, stop in stops:
            with resource.request() as turn:
                yield turn
                yield env.timeout(service_ms(stop))

    def patient() -> Steps:
        began = env.now
        yield from visits()
        sojourns.append(env.now - began)

    def attempt() -> Steps:
        try:
            yield from visits()
        except simpy.Interrupt:
            return  # and the server is free, or the place in the line

    def impatient(timeout_ms: float) -> Steps:
        began = env.now
        for again in (False, True):
            if again:
                yield env.timeout(draws.uniform(0, case.backoff_ms))
            work = env.process(attempt())
            yield work | env.timeout(timeout_ms)
            if not work.is_alive:
                break
            work.interrupt()
        sojourns.append(env.now - began)

    def arrivals() -> Steps:
        for _ in range(requests):
            yield env.timeout(draws.expovariate(case.rate_per_s / 1000))
            env.process(patient() if case.timeout_ms is None else impatient(case.timeout_ms))

    env.process(arrivals())
    env.run()
    return Answer.of(sojourns)
