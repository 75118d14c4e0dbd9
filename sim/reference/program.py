"""Programs: the steps of a component's work beyond its own, one after the other. Used by stations and workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simpy.events import Process
from simpy.exceptions import Interrupt

from windtunnel.sim.draws import Purpose, at, mix
from windtunnel.sim.model import SUCCESSFUL, Choose, Enqueue, Fork, Invoke, Outcome, Program, Repeat
from windtunnel.sim.reference.call import Call
from windtunnel.sim.reference.clock import Steps, Work
from windtunnel.sim.reference.flight import Flight
from windtunnel.sim.reference.request import Strand

if TYPE_CHECKING:
    from windtunnel.sim.reference.engine import Engine


def run(engine: Engine, strand: Strand, steps: Program) -> Work:
    """All steps; OK, or the outcome that ended them."""
    for step in steps:
        match step:
            case Invoke():
                outcome = yield from _invoke(engine, strand, step)
            case Choose():
                outcome = yield from run(engine, strand, _chosen(strand, step))
            case Fork():
                outcome = yield from Branches(engine, strand, step).join()
            case Repeat():
                outcome = yield from _repeat(engine, strand, step)
            case Enqueue():
                put = engine.queues[step.queue].put(strand, step.program)
                outcome = Outcome.OK if put or step.optional else Outcome.REJECTED
        if outcome is not Outcome.OK:
            return outcome
    return Outcome.OK


def _invoke(engine: Engine, strand: Strand, step: Invoke) -> Work:
    hop = engine.model.hops[step.hop]
    outcome = yield from Call(engine, strand, hop).run()
    cache = engine.model.stations[hop.callee].cache
    shared = cache is not None and cache.singleflight and outcome is Outcome.MISS and Outcome.MISS in step.on
    if not shared:
        return (yield from _follow(engine, strand, step, outcome))
    flights = engine.lanes[hop.wire][strand.replica].flights
    flight = flights.get(strand.request.prompt)
    if flight is None:
        flight = Flight(engine.clock, flights, strand.request.prompt)
    else:
        told = flight.waits()
        try:
            outcome = yield told
        except Interrupt:
            flight.gives_up(told)
            raise
        if outcome is Outcome.HIT:
            return (yield from _follow(engine, strand, step, outcome))
    try:
        followed = yield from _follow(engine, strand, step, Outcome.MISS)
    except Interrupt:
        flight.lands(well=False)
        raise
    flight.lands(followed is Outcome.OK)
    return followed


def _follow(engine: Engine, strand: Strand, step: Invoke, outcome: Outcome) -> Work:
    """What follows from how a call has ended."""
    strand.last = outcome
    if outcome is Outcome.HIT and strand.within is not None:
        strand.within.first_token(1, 0.0)  # the answer is there, in one piece
    if outcome in step.on:
        return (yield from run(engine, strand, step.on[outcome]))
    return Outcome.OK if outcome in SUCCESSFUL or step.optional else outcome


def _chosen(strand: Strand, step: Choose) -> Program:
    u = at(strand.base, step.index, 0, Purpose.CHOICE)
    likely = (branch for branch, limit in zip(step.branches, step.cumulative, strict=True) if u < limit)
    return next(likely, step.branches[-1])


def _repeat(engine: Engine, strand: Strand, step: Repeat) -> Work:
    base, last, times = strand.base, strand.last, step.at_most
    if step.times is not None:
        drawn = step.times.sample(lambda n: at(base, step.index, 0, Purpose.TIMES, n))
        times = min(times, max(0, int(drawn + 0.5)))
    for iteration in range(times):
        strand.turn(mix(base ^ iteration) if iteration else base)
        outcome = yield from run(engine, strand, step.body)
        if outcome is not Outcome.OK:
            return outcome
        last = last if strand.last is None else strand.last
        if strand.last in step.until:
            break
    strand.turn(base)
    strand.last = last  # it is part of an iteration of the repeat around this one
    return Outcome.OK


class Branches:
    """A fork's, each a strand of its own."""

    def __init__(self, engine: Engine, strand: Strand, step: Fork) -> None:
        """All start, in their order."""
        self._need = step.need
        self._well = 0
        self._decided = engine.clock.event()
        self._running: dict[int, Process] = {
            place: engine.clock.process(self._branch(engine, strand, place, steps))
            for place, steps in enumerate(step.branches)
        }

    def join(self) -> Work:
        """Wait until it is decided, and cancel whoever is left."""
        try:
            outcome: Outcome = yield self._decided
        except Interrupt:
            self._cancel()
            raise
        self._cancel()
        return outcome

    def _branch(self, engine: Engine, parent: Strand, place: int, steps: Program) -> Steps:
        strand = Strand(parent.request, parent.base, parent.replica, parent.deadline_s, parent.within)
        try:
            outcome = yield from run(engine, strand, steps)
        except Interrupt:
            return
        del self._running[place]
        self._well += outcome is Outcome.OK
        if self._decided.triggered:
            return
        if self._well >= self._need:
            self._decided.succeed(Outcome.OK)
        elif self._well + len(self._running) < self._need:
            self._decided.succeed(outcome)

    def _cancel(self) -> None:
        for branch in self._running.values():
            branch.interrupt()
