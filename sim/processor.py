"""The cores of a host, shared evenly by the threads that run on it (processor sharing). Used by the engine.

A thread uses one core at most. The work of a single-threaded process (an event loop) is one thread, whose jobs share
it evenly; any other job is a thread of its own. With n threads on c cores each runs at rate min(1, c/n), and each of
its k jobs at a k-th of that. In a thread's virtual time (the processor time that a job present since the start would
have had) every job ends at a fixed point, so that arrivals and departures only change how fast virtual time runs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from heapq import heappop, heappush
from itertools import count

from simpy.events import Event

from windtunnel.sim.clock import Clock, Rank


class Job:
    """Work on its way; ``done`` happens when it has had all its processor time."""

    def __init__(self, thread: Thread, done: Event) -> None:
        """Belongs to one thread."""
        self.thread = thread
        self.done = done
        self.present = True


class Thread:
    """Jobs that share at most one core."""

    def __init__(self, name: Hashable, owner: str) -> None:
        """``owner``: who its time is counted for."""
        self.name = name
        self.owner = owner
        self.virtual_s = 0.0
        self.present = 0
        self.ends_s: list[tuple[float, int, Job]] = []
        """In virtual time, soonest first; jobs that were dropped are passed over when they come up."""


class Processor:
    """One host."""

    def __init__(self, clock: Clock, cores: float) -> None:
        """No job at first."""
        self._clock = clock
        self._cores = cores
        self._at_s = 0.0
        self._running: dict[Hashable, Thread] = {}
        self._numbers = count()
        self._alarm_number = 0
        self._used_s: defaultdict[str, float] = defaultdict(float)

    def run(self, owner: str, work_s: float, thread: Hashable = None) -> Job:
        """Begin a job that needs ``work_s`` seconds of one core; without a ``thread`` it is one of its own."""
        self._advance()
        number = next(self._numbers)
        name = number if thread is None else thread
        running = self._running.setdefault(name, Thread(name, owner))
        job = Job(running, self._clock.event())
        heappush(running.ends_s, (running.virtual_s + work_s, number, job))
        running.present += 1
        self._plan()
        return job

    def drop(self, job: Job) -> None:
        """Take a job away before it is done; nothing where it is done already."""
        if job.present:
            self._advance()
            self._leave(job)
            self._plan()

    def busy(self, thread: Hashable) -> bool:
        """Whether a thread has anything to do."""
        return thread in self._running

    def used_s(self) -> dict[str, float]:
        """Core seconds used so far, by owner."""
        self._advance()
        return dict(self._used_s)

    def _rate(self) -> float:
        return min(1.0, self._cores / len(self._running)) if self._running else 0.0

    def _advance(self) -> None:
        passed_s = (self._clock.now - self._at_s) * self._rate()
        self._at_s = self._clock.now
        for thread in self._running.values():
            thread.virtual_s += passed_s / thread.present
            self._used_s[thread.owner] += passed_s

    def _leave(self, job: Job) -> None:
        job.present = False
        job.thread.present -= 1
        if not job.thread.present:
            del self._running[job.thread.name]

    def _plan(self) -> None:
        """Set the alarm for the next job that ends; alarms set earlier are void."""
        self._alarm_number += 1
        soonest_s, first = float("inf"), None
        for thread in self._running.values():
            while not thread.ends_s[0][2].present:
                heappop(thread.ends_s)
            left_s = (thread.ends_s[0][0] - thread.virtual_s) * thread.present / self._rate()
            if left_s < soonest_s:
                soonest_s, first = left_s, thread
        if first is not None:
            number, thread = self._alarm_number, first
            alarm = self._clock.at(self._clock.now + soonest_s, Rank.DEPARTURE)
            alarm.callbacks.append(lambda _: self._finish(thread) if number == self._alarm_number else None)

    def _finish(self, thread: Thread) -> None:
        self._advance()
        thread.virtual_s = ends_s = thread.ends_s[0][0]  # exactly, whatever the division above has rounded
        while thread.ends_s and thread.ends_s[0][0] <= ends_s:
            job = heappop(thread.ends_s)[2]
            if job.present:
                self._leave(job)
                job.done.succeed()
        self._plan()
