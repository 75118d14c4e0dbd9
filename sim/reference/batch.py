"""The batch of an LLM's replica, whose members slow each other down. Used by the LLM's stations.

With b members everything takes 1 + slowdown * (b - 1) times as long as alone. In the batch's virtual time every
target is a fixed point, so that it jumps from one change of the batch to the next instead of from token to token.
"""

from __future__ import annotations

from bisect import insort
from itertools import count

from simpy.events import Event

from windtunnel.sim.reference.clock import Clock, Rank


class Member:
    """Somebody who is served; ``reached`` happens when the target is."""

    def __init__(self, number: int, target_s: float, reached: Event) -> None:
        """``number``: of the order of joining; ``target_s``: in virtual time."""
        self.number = number
        self.target_s = target_s
        self.reached = reached


class Batch:
    """Of one replica."""

    def __init__(self, clock: Clock, slowdown: float) -> None:
        """Empty."""
        self._clock = clock
        self._slowdown = slowdown
        self._numbers = count()
        self._members = 0
        self._virtual_s = 0.0
        self._at_s = 0.0
        self._targets: list[Member] = []
        """Soonest first."""
        self._timer: Event | None = None

    @property
    def factor(self) -> float:
        """How many times longer everything takes than alone."""
        return 1.0 + self._slowdown * (self._members - 1)

    def join(self, work_s: float) -> Member:
        """Become a member with a first target so much work away."""
        self._advance()
        self._members += 1
        member = Member(next(self._numbers), self._virtual_s + work_s, self._clock.event())
        self._aim(member)
        return member

    def further(self, member: Member, work_s: float) -> None:
        """The next target, so much work beyond the last."""
        self._advance()
        member.target_s += work_s
        member.reached = self._clock.event()
        self._aim(member)

    def leave(self, member: Member) -> None:
        """No longer a member, whether the target was reached or not."""
        self._advance()
        if member in self._targets:
            self._targets.remove(member)
        self._members -= 1
        self._plan()

    def _advance(self) -> None:
        if self._members:
            self._virtual_s += (self._clock.now - self._at_s) / self.factor
        self._at_s = self._clock.now

    def _aim(self, member: Member) -> None:
        insort(self._targets, member, key=_order)
        self._plan()

    def _plan(self) -> None:
        self._clock.void(self._timer)
        if self._targets:
            left_s = (self._targets[0].target_s - self._virtual_s) * self.factor
            self._timer = self._clock.at(self._clock.now + left_s, Rank.DEPARTURE)
            self._timer.callbacks.append(lambda _: self._reaches())

    def _reaches(self) -> None:
        self._virtual_s = self._targets[0].target_s  # exactly, whatever the division has rounded
        self._at_s = self._clock.now
        while self._targets and self._targets[0].target_s <= self._virtual_s:
            self._targets.pop(0).reached.succeed()
        self._plan()


def _order(member: Member) -> tuple[float, int]:
    return member.target_s, member.number
