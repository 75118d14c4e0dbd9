"""Queues and the workers that consume them: delivery, visibility, dead letters. Used by programs, which enqueue."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from simpy.events import Event

from windtunnel.sim.draws import mix
from windtunnel.sim.model import Outcome, Program, QueuePolicy
from windtunnel.sim.reference import program
from windtunnel.sim.reference.clock import Rank, Steps
from windtunnel.sim.reference.request import Request, Strand

if TYPE_CHECKING:
    from windtunnel.sim.reference.engine import Engine
    from windtunnel.sim.reference.station import Station


class Message:
    """Something to do, for whoever takes it."""

    def __init__(self, strand: Strand, steps: Program) -> None:
        """``strand``: of the one who has put it on the queue."""
        self.request: Request = strand.request
        self.base = strand.base
        self.steps = steps
        self.receives = 0
        self.done = False


class Worker:
    """A place at a replica, for one message at a time."""

    def __init__(self, station: Station, replica: int) -> None:
        """Idle."""
        self.station = station
        self.replica = replica
        self.busy = False

    @property
    def runs(self) -> bool:
        """Whether its replica does."""
        return self.replica < self.station.active


class Queue:
    """One, with the places of its workers."""

    def __init__(self, engine: Engine, index: int, policy: QueuePolicy) -> None:
        """Empty, all places idle: first those of all replicas, then their second ones, and so on."""
        self._engine = engine
        self._policy = policy
        self._waiting: deque[Message] = deque()
        self._workers = [
            Worker(station, replica)
            for station in engine.stations
            if station.policy.consumes == index
            for _ in range(station.policy.workers)
            for replica in range(station.policy.replicas)
        ]
        self._idle: dict[Worker, None] = {worker: None for worker in self._workers if worker.runs}
        """The one that has been idle longest first."""
        self.dead_letters = 0

    @property
    def waiting(self) -> int:
        """Messages in line."""
        return len(self._waiting)

    def put(self, strand: Strand, steps: Program) -> bool:
        """Put a message on it; False: it is full."""
        if self._policy.limit is not None and len(self._waiting) >= self._policy.limit:
            return False
        self._waiting.append(Message(strand, steps))
        self._hand_out()
        return True

    def scaled(self, station: Station) -> None:
        """A station has more replicas than before, or less: only what runs can be idle."""
        for worker in self._workers:
            if worker.station is station and not worker.busy:
                if not worker.runs:
                    self._idle.pop(worker, None)
                else:
                    self._idle.setdefault(worker)
        self._hand_out()

    def _hand_out(self) -> None:
        while self._idle and (message := self._next()) is not None:
            worker = next(iter(self._idle))
            del self._idle[worker]
            self._deliver(message, worker)

    def _next(self) -> Message | None:
        """The first that is not done already."""
        while self._waiting:
            message = self._waiting.popleft()
            if not message.done:
                return message
        return None

    def _deliver(self, message: Message, worker: Worker) -> None:
        clock = self._engine.clock
        worker.busy = True
        message.receives += 1
        due_s = clock.now + self._policy.visibility_timeout_s
        overdue = clock.at(due_s, Rank.LIMIT, message.request.number, message.receives - 1)
        overdue.callbacks.append(lambda _: self._redeliver(message))
        base = message.base if message.receives == 1 else mix(message.base ^ message.receives)
        clock.process(self._work(message, worker, base, overdue))

    def _work(self, message: Message, worker: Worker, base: int, overdue: Event) -> Steps:
        strand = Strand(message.request, base, worker.replica, math.inf, within=None)
        outcome = yield from program.run(self._engine, strand, message.steps)
        if outcome is Outcome.OK:
            message.done = True
            self._engine.clock.void(overdue)
        worker.busy = False
        if not worker.runs:
            return
        following = self._next()
        if following is None:
            self._idle[worker] = None
        else:
            self._deliver(following, worker)

    def _redeliver(self, message: Message) -> None:
        """It was not finished in time."""
        if message.done:
            return
        if message.receives >= self._policy.max_receives:
            self.dead_letters += 1
        else:
            self._waiting.append(message)
            self._hand_out()
