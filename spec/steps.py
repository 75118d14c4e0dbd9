"""What happens inside a request: calls, and the ways to put them together. Which step it is is told by its key."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from windtunnel.spec.distribution import Distribution
from windtunnel.spec.frozen import SUM_TOLERANCE, Count, Frozen, Name, Ratio
from windtunnel.spec.outcome import Outcome
from windtunnel.spec.problem import problem_at

MOST_TIMES = 10_000
"""Iterations of a repeat, and of all that stand in each other: each is simulated, so that many more would never come
to an end."""
MOST_REPEATS = 4
"""Repeats in each other, without a call or a parallel between them."""

KINDS = ("call", "choose", "parallel", "repeat", "enqueue")


class Call(Frozen):
    """The component whose steps these are calls another and waits for its answer.

    ``steps`` is what the callee does meanwhile, holding its place; ``on`` is what the caller does next,
    by the call's outcome. An outcome that is not named in ``on`` and is not a success ends the caller's
    own work with that outcome.
    """

    call: Name
    """The callee; there is a link to it."""
    op: Name = "call"
    """Tells calls on the same link apart; parameters are kept per operation."""
    round_trips: Count = 1
    """Request-response exchanges on the wire: a link's added latency is paid that often."""
    request_bytes: Count = 500
    """Bytes on the wire, for faults of bandwidth and size."""
    response_bytes: Count = 1000
    """Bytes on the wire, for faults of bandwidth and size."""
    streams: bool = False
    """The answer arrives token by token, and its first token is passed on at once."""
    optional: bool = False
    """A failure does not fail the caller."""
    service_ms: Distribution | None = None
    """The callee's own work, without the calls that it makes. Used where no parameters have this call."""
    link_ms: Distribution | None = None
    """The way there and back together. Used where no parameters have this call."""
    reads: bool = False
    """Of a call to a database: it changes nothing, so that a standby may answer."""
    steps: tuple[Step, ...] = ()
    """What the callee does while its caller waits."""
    on: dict[Outcome, tuple[Step, ...]] = {}
    """What the caller does next, by outcome."""


class Branch(Frozen):
    """One way that a choice can go."""

    probability: Ratio
    """Those of all branches add up to 1."""
    steps: tuple[Step, ...] = ()
    """May be none: then nothing happens."""


class Choose(Frozen):
    """One of several ways by chance, for what nothing in the model decides."""

    choose: Annotated[tuple[Branch, ...], Field(min_length=1)]
    """One of these is taken."""

    @model_validator(mode="after")
    def _certain(self) -> Choose:
        total = sum(branch.probability for branch in self.choose)
        if abs(total - 1) > SUM_TOLERANCE:
            raise problem_at("choose", f"probabilities that sum to {total:.12g}", "a sum of 1")
        return self


def _join(value: Any) -> Any:
    if value != "all" and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise problem_at("", repr(value), "all, or how many (at least 1) have to end well")
    return value


class Parallel(Frozen):
    """All branches at once; goes on when enough of them have ended well, and cancels the others."""

    parallel: Annotated[
        tuple[Annotated[tuple[Step, ...], Field(min_length=1)], ...],
        Field(min_length=1),
    ]
    """Each is a list of steps."""
    join: Annotated[Literal["all"] | int, BeforeValidator(_join)] = "all"
    """How many branches have to end well: all, or the first so many."""

    @property
    def need(self) -> int:
        """How many branches have to end well."""
        return len(self.parallel) if self.join == "all" else self.join

    @model_validator(mode="after")
    def _possible(self) -> Parallel:
        if self.need > len(self.parallel):
            raise problem_at("join", f"{self.need}", f"at most {len(self.parallel)}, the number of branches")
        return self


class Repeat(Frozen):
    """The same steps again and again, one iteration after the other. A failure in one ends all."""

    repeat: Annotated[tuple[Step, ...], Field(min_length=1)]
    """One iteration."""
    times: Distribution | None = None
    """How often, rounded to a whole number."""
    until: tuple[Outcome, ...] = ()
    """It also ends after an iteration whose last call had one of these outcomes."""
    at_most: Annotated[int, Field(ge=1, le=MOST_TIMES)] | None = None
    """How often at most."""

    @property
    def often(self) -> float:
        """Iterations, on average or at most."""
        return min(math.inf if self.times is None else self.times.mean(), self.at_most or math.inf)

    @model_validator(mode="after")
    def _ends(self) -> Repeat:
        if self.times is None and not self.until:
            raise problem_at("repeat", "a cycle without an end", "times: N, or until: [outcomes] with at_most: N")
        if self.times is not None and self.times.mean() > MOST_TIMES:
            raise problem_at("times", f"{self.times.mean():g} times", f"at most {MOST_TIMES:,} on average")
        if self.times is None and self.at_most is None:
            raise problem_at("repeat", "a cycle without an end", "at_most: N beside until: it may never be met")
        return self


class Enqueue(Frozen):
    """Leave a message for a worker and go on at once."""

    enqueue: Name
    """A component of kind queue that some service consumes."""
    optional: bool = False
    """A queue that is full does not fail who fills it."""
    steps: tuple[Step, ...] = ()
    """What the worker does with the message."""


def _kind(step: Any) -> str | None:
    """The key that tells the step."""
    for kind in KINDS:
        if kind in step if isinstance(step, dict) else hasattr(step, kind):
            return kind
    return None


def _told(step: Any) -> Any:
    """Refuse what no key tells, in a sentence that knows all of them."""
    if isinstance(step, dict) and _kind(step) is None:
        settings = {name for cls in (Call, Choose, Parallel, Repeat, Enqueue) for name in cls.model_fields}
        strange = next((str(key) for key in step if key not in settings), "")
        found = f"keys {', '.join(map(str, step))}" if step else "nothing"
        raise problem_at("", found, f"a step with one of {', '.join(KINDS)}", strange, KINDS)
    if not isinstance(step, dict) and _kind(step) is None:
        raise problem_at("", repr(step)[:60], "the keys and values of a step")
    return step


Step: TypeAlias = Annotated[
    Annotated[
        Annotated[Call, Tag("call")]
        | Annotated[Choose, Tag("choose")]
        | Annotated[Parallel, Tag("parallel")]
        | Annotated[Repeat, Tag("repeat")]
        | Annotated[Enqueue, Tag("enqueue")],
        Discriminator(_kind),
    ],
    BeforeValidator(_told),
]

for model in (Call, Branch, Choose, Parallel, Repeat, Enqueue):
    model.model_rebuild()


def check_repeats(steps: tuple[Step, ...], path: str, within: int = 0, often: float = 1.0) -> None:
    """ValueError, as of ``problem_at``, where repeats in each other are too many, or come to too many iterations.

    ``path``: of the steps; ``within``: repeats around them, in the same strand; ``often``: how often they come to them.
    """
    for index, step in enumerate(steps):
        here = f"{path}[{index}]"
        match step:
            case Call():
                check_repeats(step.steps, f"{here}.steps", 0, often)
                for outcome, then in step.on.items():
                    check_repeats(then, f"{here}.on.{outcome}", within, often)
            case Choose():
                for n, branch in enumerate(step.choose):
                    check_repeats(branch.steps, f"{here}.choose[{n}].steps", within, often)
            case Parallel():
                for n, inner in enumerate(step.parallel):
                    check_repeats(inner, f"{here}.parallel[{n}]", 0, often)
            case Repeat():
                if within == MOST_REPEATS:
                    expected = "fewer: those of another component do not count"
                    raise problem_at(f"{here}.repeat", f"a repeat within {within} others", expected)
                if often * step.often > MOST_TIMES:
                    found = f"{often * step.often:,.0f} iterations with those around it"
                    raise problem_at(f"{here}.repeat", found, f"at most {MOST_TIMES:,}")
                check_repeats(step.repeat, f"{here}.repeat", within + 1, often * step.often)
            case Enqueue():
                check_repeats(step.steps, f"{here}.steps", 0, often)


def walk(
    caller: str, steps: tuple[Step, ...], workers: Mapping[str, str] = MappingProxyType({})
) -> Iterator[tuple[str, Call]]:
    """Every (caller, call) below these steps, depth first, whatever they are part of.

    ``workers`` names the component that consumes each queue: it makes the calls of what is enqueued there. KeyError
    where it does not say.
    """
    for step in steps:
        match step:
            case Call():
                yield caller, step
                yield from walk(step.call, step.steps, workers)
                for then in step.on.values():
                    yield from walk(caller, then, workers)
            case Choose():
                for branch in step.choose:
                    yield from walk(caller, branch.steps, workers)
            case Parallel():
                for inner in step.parallel:
                    yield from walk(caller, inner, workers)
            case Repeat():
                yield from walk(caller, step.repeat, workers)
            case Enqueue():
                if step.steps:
                    yield from walk(workers[step.enqueue], step.steps, workers)
