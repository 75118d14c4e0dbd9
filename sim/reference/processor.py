"""The cores of a host, shared evenly by the threads that run on it (processor sharing). Used by the engine.

A thread uses one core at most. The work of a single-threaded process (an event loop) is one thread, whose jobs share
it evenly; any other job is a thread of its own. With n threads on c cores each runs at rate min(1, c/n), and each of
its k jobs at a k-th of that. In a thread's virtual time (the processor time that a job present since the start would
have had) every job ends at a fixed point, so that arrivals and departures only change how fast virtual time runs.
"""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Hashable
from itertools import count

from simpy.events import Event

from windtunnel.sim.reference.clock import Clock, Rank


class Job:
    """Work on its way; ``done`` happens when it has had all its processor time."""

    def __init__(self, thread: Thread, ends_s: float, number: int, done: Event) -> None:
        """``ends_s``: in its thread's virtual time."""
        self.thread = thread
        self.order = (ends_s, number)
        self.done = done


class Thread:
    """Jobs that share at most one core, for as long as there are any."""

    def __init__(self, name: Hashable, owner: str, at_s: float) -> None:
        """``owner``: who its time is counted for."""
        self.name = name
        self.owner = owner
        self.virtual_s = 0.0
        self.at_s = at_s
        """Up to when virtual time has been counted."""
        self.jobs: list[Job] = []
        """Soonest first."""
        self.timer: Event | None = None


class Processor:
    """One host."""

    def __init__(self, clock: Clock, cores: float) -> None:
        """No job at first."""
        self._clock = clock
        self._cores = cores
        self._rate = 1.0
        self._active: dict[Hashable, Thread] = {}
        """In the order in which they became active."""
        self._numbers = count()
        self._used_s: defaultdict[str, float] = defaultdict(float)

    def run(self, owner: str, work_s: float, name: Hashable = None) -> Job:
        """Begin a job that needs ``work_s`` seconds of one core; without a thread's ``name`` it is one of its own."""
        number = next(self._numbers)
        name = number if name is None else name
        thread = self._active.get(name)
        if thread is None:
            thread = Thread(name, owner, self._clock.now)
            self._turn(self._cores, len(self._active) + 1)
            self._active[name] = thread
        else:
            self._advance(thread)
        job = Job(thread, thread.virtual_s + work_s, number, self._clock.event())
        insort(thread.jobs, job, key=lambda job: job.order)
        self._plan(thread)
        return job

    def drop(self, job: Job) -> None:
        """Take a job away before it is done; nothing where it is done already."""
        if not job.done.triggered:
            self._advance(job.thread)
            job.thread.jobs.remove(job)
            self._go_on(job.thread)

    def busy(self, name: Hashable) -> bool:
        """Whether a thread has anything to do."""
        return name in self._active

    def used_s(self, owner: str) -> float:
        """Core seconds used for somebody up to now. Looking changes nothing: no thread is advanced."""
        used_s = self._used_s[owner]
        for thread in self._active.values():
            if thread.owner == owner:
                used_s += (self._clock.now - thread.at_s) * self._rate
        return used_s

    def _advance(self, thread: Thread) -> None:
        passed_s = (self._clock.now - thread.at_s) * self._rate
        thread.virtual_s += passed_s / len(thread.jobs)
        thread.at_s = self._clock.now
        self._used_s[thread.owner] += passed_s

    def _plan(self, thread: Thread) -> None:
        """Set the timer for the thread's next job that ends; the one set earlier is void."""
        self._clock.void(thread.timer)
        left_s = (thread.jobs[0].order[0] - thread.virtual_s) * len(thread.jobs) / self._rate
        thread.timer = self._clock.at(self._clock.now + left_s, Rank.DEPARTURE)
        thread.timer.callbacks.append(lambda _: self._finish(thread))

    def _finish(self, thread: Thread) -> None:
        self._advance(thread)
        thread.virtual_s = ends_s = thread.jobs[0].order[0]  # exactly, whatever the division above has rounded
        while thread.jobs and thread.jobs[0].order[0] <= ends_s:
            thread.jobs.pop(0).done.succeed()
        self._go_on(thread)

    def _go_on(self, thread: Thread) -> None:
        """Jobs have left."""
        if thread.jobs:
            self._plan(thread)
            return
        self._clock.void(thread.timer)
        del self._active[thread.name]
        if self._active:
            self._turn(self._cores, len(self._active))

    def _turn(self, cores: float, threads: int) -> None:
        """From now on ``threads`` are active: where that changes their rate, all that are already are planned anew."""
        rate = min(1.0, cores / threads)
        if rate == self._rate:
            return
        for thread in self._active.values():
            self._advance(thread)
        self._rate = rate
        for thread in self._active.values():
            self._plan(thread)
