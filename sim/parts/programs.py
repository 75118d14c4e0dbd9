"""Flows become hops and programs: every call at its place, with its times. Used by the compiler.

Hops, choices and repeats are numbered from one counter, depth first in the order of the flow: a call before what its
callee does, and that before what follows from its outcome. The numbers address draws: a flow that gains a step at
its end keeps the randomness of all the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Literal

from windtunnel.sim.model import Choose, Enqueue, Fork, Hop, Invoke, Outcome, Program, Repeat, Step
from windtunnel.spec import architecture as drawn
from windtunnel.spec.architecture import CLIENT, LLM, Architecture, Cache, Call, Component
from windtunnel.spec.distribution import Constant, Distribution
from windtunnel.spec.parameters import CallParameters, Estimate, Parameters
from windtunnel.spec.problem import Problem

ANY_NUMBER_OF_TIMES = 2**31 - 1
NOTHING = Constant(value=0)
_ROLES: dict[str, Literal["lookup", "store"]] = {"get": "lookup", "set": "store"}


class Programs:
    """The hops of all flows that are loaded, and what was missing."""

    def __init__(
        self,
        architecture: Architecture,
        parameters: Parameters | None,
        stations: Mapping[str, int],
        wires: Mapping[str, int],
    ) -> None:
        """``stations``, ``wires``: the places of components and links in the model, by name; the client's is there."""
        self.hops: list[Hop] = []
        self.problems: list[Problem] = []
        self._architecture = architecture
        self._parameters = parameters
        self._stations = stations
        self._wires = wires
        self._next = 0

    def entry(self, flow: str) -> Invoke:
        """The client's one call."""
        return self._invoke(CLIENT, self._architecture.flows[flow].steps[0])

    def _program(self, who: str, steps: Sequence[drawn.Step]) -> Program:
        return tuple(self._step(who, step) for step in steps)

    def _step(self, who: str, step: drawn.Step) -> Step:
        match step:
            case drawn.Choose():
                return Choose(
                    index=self._number(),
                    cumulative=tuple(accumulate(branch.probability for branch in step.choose)),
                    branches=tuple(self._program(who, branch.steps) for branch in step.choose),
                )
            case drawn.Parallel():
                return Fork(tuple(self._program(who, branch) for branch in step.parallel), step.need)
            case drawn.Repeat():
                return Repeat(
                    index=self._number(),
                    body=self._program(who, step.repeat),
                    times=step.times,
                    until=frozenset(_outcome(name) for name in step.until),
                    at_most=step.at_most or ANY_NUMBER_OF_TIMES,
                )
            case drawn.Enqueue():
                program = self._program(self._architecture.workers[step.enqueue], step.steps)
                return Enqueue(self._stations[step.enqueue], step.optional, program)
            case drawn.Call():
                return self._invoke(who, step)

    def _invoke(self, who: str, call: Call) -> Invoke:
        place = len(self.hops)
        index = self._number()
        self.hops.append(self._hop(index, who, call))
        # A caller stands before its calls, and so its program is filled in afterwards.
        self.hops[place] = replace(self.hops[place], program=self._program(call.call, call.steps))
        on = {_outcome(name): self._program(who, then) for name, then in call.on.items()}
        return Invoke(place, call.optional, on)

    def _number(self) -> int:
        self._next += 1
        return self._next - 1

    def _hop(self, index: int, who: str, call: Call) -> Hop:
        """A call without its program."""
        component = self._architecture.components[call.call]
        times = self._times(who, call, component)
        return Hop(
            index=index,
            wire=self._wires[f"{who}->{call.call}"],
            caller=self._stations[who],
            callee=self._stations[call.call],
            op=call.op,
            role=_ROLES.get(call.op, "work") if isinstance(component, Cache) else "work",
            round_trips=call.round_trips,
            request_bytes=call.request_bytes,
            response_bytes=call.response_bytes,
            streams=call.streams,
            reads=call.reads,
            link_ms=times.link_ms,
            service_ms=times.service_ms,
            first_token_ms=times.first_token_ms,
            token_ms=times.token_ms,
            output_tokens=times.output_tokens,
            input_tokens=component.input_tokens if isinstance(component, LLM) else None,
            program=(),
        )

    def _times(self, who: str, call: Call, component: Component) -> Times:
        """What was measured, else what the call says of itself and an LLM's component of its pace."""
        key = f"{who}->{call.call}:{call.op}"
        known = self._parameters.calls.get(key) if self._parameters else None
        if known is not None:
            return self._measured(key, call, component, known)
        if isinstance(component, LLM) and (call.service_ms is not None or self._parameters is None):
            return Times(
                call.link_ms,
                call.service_ms or NOTHING,
                component.first_token_ms,
                component.token_ms,
                component.output_tokens,
            )
        if call.service_ms is None:
            self._missing(key, "nothing", "times of this call", " or write its service_ms into the flow")
        return Times(call.link_ms, call.service_ms or NOTHING)

    def _measured(self, key: str, call: Call, component: Component, known: CallParameters) -> Times:
        pace = (known.first_token_ms, known.token_ms, known.output_tokens)
        if isinstance(component, LLM) and call.streams and None in pace:
            self._missing(key, "no pace of its tokens", "first_token_ms, token_ms, output_tokens")
        return Times(
            _distribution(known.link_ms), known.service_ms.distribution, *(_distribution(estimate) for estimate in pace)
        )

    def _missing(self, key: str, found: str, what: str, instead: str = "") -> None:
        remedy = f"run `windtunnel calibrate {self._architecture.name}` with a load that makes this call{instead}"
        self.problems.append(Problem(f"parameters.calls.{key}", found, f"{what}: {remedy}"))


@dataclass(frozen=True)
class Times:
    """How long a call takes, without anybody else."""

    link_ms: Distribution | None
    service_ms: Distribution
    first_token_ms: Distribution | None = None
    token_ms: Distribution | None = None
    output_tokens: Distribution | None = None


def _outcome(name: str) -> Outcome:
    return Outcome[name.upper()]


def _distribution(estimate: Estimate | None) -> Distribution | None:
    return estimate.distribution if estimate else None
