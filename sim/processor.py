"""The cores of a host, shared evenly by all that runs on it (processor sharing). Used by the engine.

With n jobs on c cores each job runs at rate min(1, c/n): a job is one thread and cannot use two cores. In virtual
time (the processor time that a job present since the start would have had) every job ends at a fixed point,
so that arrivals and departures only change how fast virtual time runs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from heapq import heappop, heappush
from itertools import count

from simpy.events import Event

from windtunnel.sim.clock import Clock, Rank


class Job:
    """Work on its way; ``done`` happens when it has had all its processor time."""

    def __init__(self, owner: str, done: Event) -> None:
        """``owner``: the component that the time is counted for."""
        self.owner = owner
        self.done = done
        self.present = True


class Processor:
    """One host."""

    def __init__(self, clock: Clock, cores: float) -> None:
        """No job at first."""
        self._clock = clock
        self._cores = cores
        self._virtual_s = 0.0
        self._at_s = 0.0
        self._jobs: list[tuple[float, int, Job]] = []
        self._numbers = count()
        self._running: Counter[str] = Counter()
        self._total = 0
        self._plan_number = 0
        self._used_s: defaultdict[str, float] = defaultdict(float)

    def run(self, owner: str, work_s: float) -> Job:
        """Begin a job that needs ``work_s`` seconds of one core."""
        self._advance()
        job = Job(owner, self._clock.event())
        heappush(self._jobs, (self._virtual_s + work_s, next(self._numbers), job))
        self._running[owner] += 1
        self._total += 1
        self._plan()
        return job

    def drop(self, job: Job) -> None:
        """Take a job away before it is done; nothing where it is done already."""
        if job.present:
            self._advance()
            self._leave(job)
            self._plan()

    def used_s(self) -> dict[str, float]:
        """Core seconds used so far, by owner."""
        self._advance()
        return dict(self._used_s)

    def _rate(self) -> float:
        return min(1.0, self._cores / self._total) if self._total else 0.0

    def _advance(self) -> None:
        passed_s = (self._clock.now - self._at_s) * self._rate()
        self._at_s = self._clock.now
        self._virtual_s += passed_s
        for owner, jobs in self._running.items():
            self._used_s[owner] += jobs * passed_s

    def _leave(self, job: Job) -> None:
        job.present = False
        self._running[job.owner] -= 1
        self._total -= 1

    def _plan(self) -> None:
        """Set the alarm for the next job that ends; alarms set earlier are void."""
        while self._jobs and not self._jobs[0][2].present:
            heappop(self._jobs)
        self._plan_number += 1
        if self._jobs:
            number, (ends_s, _, _) = self._plan_number, self._jobs[0]
            alarm = self._clock.at(self._clock.now + (ends_s - self._virtual_s) / self._rate(), Rank.DEPARTURE)
            alarm.callbacks.append(lambda _: self._finish(ends_s) if number == self._plan_number else None)

    def _finish(self, ends_s: float) -> None:
        self._advance()
        self._virtual_s = ends_s  # exactly, whatever the division above has rounded
        while self._jobs and self._jobs[0][0] <= ends_s:
            job = heappop(self._jobs)[2]
            if job.present:
                self._leave(job)
                job.done.succeed()
        self._plan()
