"""The readable engine: executes a Model with SimPy. Used by simulate; the faster engine is held to it.

It conducts: everything that has a life of its own has a file of its own beside this one. What happens at one
instant, and in which order, is ``../ENGINES.md``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Mapping
from typing import Any

from simpy.events import Event
from simpy.exceptions import Interrupt

from windtunnel.sim.draws import Draws, Purpose
from windtunnel.sim.model import OUTSIDE, FaultWindow, Model, Sick
from windtunnel.sim.reference.autoscaler import Autoscaler
from windtunnel.sim.reference.clients import OpenLoop, Users
from windtunnel.sim.reference.clock import Clock, Rank, Steps, Work
from windtunnel.sim.reference.component import Component
from windtunnel.sim.reference.exchange import Exchange
from windtunnel.sim.reference.faults import Faults
from windtunnel.sim.reference.lane import Lane
from windtunnel.sim.reference.observation import Observation
from windtunnel.sim.reference.processor import Processor
from windtunnel.sim.reference.recorder import Recorder, Tables
from windtunnel.sim.reference.request import Owed, Request
from windtunnel.sim.reference.station import Station
from windtunnel.sim.reference.workers import Queue
from windtunnel.spec.distribution import Distribution


def execute(model: Model, components: Mapping[str, Component] | None = None) -> Tables:
    """Run a model until the last request has ended. ``components``: stations that are served by a user's own code.

    Raises ValueError where a component stands for no station of the model.
    """
    return Engine(model, components).run()


class Engine:
    """One simulation. What its parts need of each other is public."""

    def __init__(self, model: Model, components: Mapping[str, Component] | None = None) -> None:
        """Everything empty and idle, everything that is known to come is planned."""
        self.model = model
        self.components = dict(components or {})
        names = [station.name for station in model.stations]
        for name in self.components:
            if name not in names:
                raise ValueError(f"found a component {name!r}, expected one of the stations {', '.join(names)}")
        self.clock = Clock()
        self.draws = Draws(model.seed)
        self.recorder = Recorder()
        self.processors = [Processor(self.clock, cores) for cores in model.cores]
        self.sick: list[defaultdict[int, list[Sick]]] = [defaultdict(list) for _ in model.wires]
        """When its checks fail, by wire and replica of its callee."""
        for sick in model.sick:
            self.sick[sick.wire][sick.replica].append(sick)
        self.lanes = [
            [Lane(self, index) for _ in range(1 if wire.caller == OUTSIDE else model.stations[wire.caller].replicas)]
            for index, wire in enumerate(model.wires)
        ]
        """By wire and replica of its caller."""
        self.present: list[dict[Exchange, None]] = [{} for _ in model.wires]
        """Exchanges by wire, in the order of their starts: those under way, and zombies."""
        self.stations = [Station(self, index) for index in range(len(model.stations))]
        self.queues = {
            index: Queue(self, index, station.queue)
            for index, station in enumerate(model.stations)
            if station.queue is not None
        }
        self._faults = Faults(self)
        Observation(self)
        for station in self.stations:
            if station.policy.autoscale is not None:
                Autoscaler(self, station, station.policy.autoscale)
        if model.closed is None:
            OpenLoop(self)
        else:
            Users(self, model.closed)

    def run(self) -> Tables:
        """From the first arrival to the last answer."""
        self.clock.run()
        return self.recorder.tables()

    def draw(self, exchange: Exchange, distribution: Distribution | None, purpose: Purpose) -> float:
        """A value of this attempt's own; 0 without a distribution."""
        return 0.0 if distribution is None else distribution.sample(lambda n: exchange.uniform(purpose, n))

    def active(self, wire: int, caller_replica: int, callee_replica: int) -> list[tuple[int, FaultWindow]]:
        """The faults that a connection suffers from now, with their places in the model."""
        return self._faults.active(wire, caller_replica, callee_replica)

    # Processor time that no call waits for

    def owe(self, request: Request, work: Owed) -> None:
        """Beyond the work that a call waits for: it delays the others, once the request has its answer.

        Any earlier it would delay the request's own calls, whose measured times contain that delay already.
        """
        if request.owed is not None:
            request.owed.append(work)
        else:  # the client has gone: what is still being done for it is done for nobody
            self.clock.process(self._burn([work]))

    def settle(self, request: Request) -> None:
        """A request has its answer: what it owes is worked off."""
        owed, request.owed = request.owed, None
        if owed:
            self.clock.process(self._burn(owed))

    def _burn(self, owed: list[Owed]) -> Steps:
        """One after the other: in truth it is strewn over the request's time, and never all at once."""
        for work in owed:
            yield self.processors[work.host].run(work.owner, work.work_s, work.thread).done

    # For components that a user writes

    def after(self, exchange: Exchange, seconds: float) -> Event:
        """Time passes: to be yielded."""
        return self.clock.at(self.clock.now + seconds, Rank.DEPARTURE, exchange.request.number, exchange.attempt)

    def computes(self, exchange: Exchange, core_s: float) -> Generator[Event, Any, None]:
        """So much time of a core of the callee's host: to be yielded from."""
        station = self.model.stations[exchange.hop.callee]
        processor = self.processors[station.host]
        job = processor.run(station.name, core_s)
        try:
            yield job.done
        except Interrupt:
            processor.drop(job)
            raise

    def runs_program(self, exchange: Exchange) -> Work:
        """The calls that the flow makes at this visit: to be yielded from."""
        return self.stations[exchange.hop.callee].runs_program(exchange)
