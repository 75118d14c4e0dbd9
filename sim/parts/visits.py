"""How often each component is called when nothing fails and nothing takes time. Used by the compiler.

Processor time is known per request of the whole mix; this says how many visits share it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from windtunnel.sim.draws import Draws, Purpose, at, mix
from windtunnel.sim.model import (
    CachePolicy,
    Choose,
    Enqueue,
    Fork,
    Hop,
    Invoke,
    Outcome,
    Program,
    Repeat,
)

MOST_REQUESTS = 20_000
"""So many requests tell how often a component is called; a longer run is not walked through twice."""


def count_visits(
    seed: int,
    asked: Iterable[tuple[int, int]],
    entries: Sequence[Invoke],
    hops: Sequence[Hop],
    caches: dict[int, CachePolicy],
    prompts: int,
) -> Counter[int]:
    """Calls by the callee's station. ``asked``: flow and prompt of each request, in their order;
    ``caches``: by station; ``prompts``: how many different ones there are."""
    walk = _Walk(Draws(seed), hops, caches, prompts)
    for request, (flow, prompt) in enumerate(asked):
        walk.request(request, prompt, entries[flow])
    return walk.visits


class _Walk:
    """Requests one after the other, and what the caches know by then."""

    def __init__(self, draws: Draws, hops: Sequence[Hop], caches: dict[int, CachePolicy], prompts: int) -> None:
        self.visits: Counter[int] = Counter()
        self._draws = draws
        self._hops = hops
        self._caches = caches
        self._stored = {station: _at_first(policy, prompts) for station, policy in caches.items()}
        self._base = 0
        self._prompt = 0

    def request(self, number: int, prompt: int, entry: Invoke) -> None:
        self._base = self._draws.base(number)
        self._prompt = prompt
        self._invoke(entry)

    def _run(self, program: Program, last: Outcome | None = None) -> Outcome | None:
        """The outcome of the last call that this strand has made; ``last``: before the program."""
        for step in program:
            match step:
                case Invoke():
                    last = self._invoke(step)
                case Choose():
                    u = at(self._base, step.index, 0, Purpose.CHOICE)
                    places = range(len(step.branches) - 1)
                    chosen = next((place for place in places if u < step.cumulative[place]), -1)
                    last = self._run(step.branches[chosen], last)
                case Fork():
                    for branch in step.branches:
                        self._run(branch)
                case Repeat():
                    last = self._repeat(step, last)
                case Enqueue():
                    self._run(step.program)
        return last

    def _invoke(self, step: Invoke) -> Outcome | None:
        hop = self._hops[step.hop]
        self.visits[hop.callee] += 1
        self._run(hop.program)
        outcome = Outcome.OK
        if hop.role == "lookup":
            outcome = Outcome.HIT if self._finds(hop) else Outcome.MISS
        elif hop.role == "store":
            self._store(hop.callee)
        return self._run(step.on.get(outcome, ()), outcome)

    def _repeat(self, step: Repeat, last: Outcome | None) -> Outcome | None:
        begun_with = self._base
        times = step.at_most
        if step.times is not None:
            drawn = step.times.sample(lambda n: at(begun_with, step.index, 0, Purpose.TIMES, n))
            times = min(times, int(drawn + 0.5))
        for iteration in range(times):
            self._base = mix(begun_with ^ iteration) if iteration else begun_with
            of_iteration = self._run(step.body)
            last = last if of_iteration is None else of_iteration
            if of_iteration in step.until:
                break
        self._base = begun_with
        return last

    def _finds(self, hop: Hop) -> bool:
        policy = self._caches[hop.callee]
        if policy.hit_ratio is not None:
            return at(self._base, hop.index, 0, Purpose.HIT) < policy.hit_ratio
        if policy.warm and policy.max_entries is None:
            return True
        if self._prompt not in self._stored[hop.callee]:
            return False
        self._store(hop.callee)
        return True

    def _store(self, station: int) -> None:
        """Last in line to go, where there is room for so many only."""
        policy, stored = self._caches[station], self._stored[station]
        stored.pop(self._prompt, None)
        stored[self._prompt] = None
        if policy.max_entries is not None and len(stored) > policy.max_entries:
            del stored[next(iter(stored))]


def _at_first(policy: CachePolicy, prompts: int) -> dict[int, None]:
    """What a cache holds before the first request; the most popular prompt is the last to go."""
    warm = min(policy.max_entries, prompts) if policy.warm and policy.max_entries is not None else 0
    return dict.fromkeys(reversed(range(warm)))
