"""The physics of decoding: a queue in front of a batch whose members slow each other down.

With b members everything takes 1 + slowdown * (b - 1) times as long as alone, as in the capacity model. In the
batch's virtual time each step of a member is a fixed point, so that nothing is planned anew when somebody joins or
leaves. The machine is driven from outside (`advance`) and knows no event loop: it is exact however late it is driven,
since each step happens at the instant at which it was due. Driven by the pacemaker.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import ClassVar


class QueueFull(Exception):
    """As many requests as the queue may hold are waiting already."""


class Member:
    """One request on its way through the batch: its steps, and what happens at them.

    `work_s` is the work until each step, since admission and alone in the batch, never falling. `waits_s` are seconds
    of a clock on the wall by which a step (by its place) comes later than its work is done; infinity: never.
    """

    work_s: Sequence[float]
    waits_s: Mapping[int, float]
    _NONE: ClassVar[int] = -1
    place = 0
    """Of the step that is next."""
    stamp = _NONE
    """Of the one entry that still counts for it; -1: it neither waits nor decodes."""
    start_s = 0.0
    """Of its work, in virtual time."""

    def admitted(self, at_s: float) -> None:
        """It got a slot."""
        raise NotImplementedError

    def reached(self, place: int, at_s: float) -> None:
        """A step happened; the slot is freed after the last one."""
        raise NotImplementedError


class Batch:
    """`slots` members are decoded at once, others wait in the order of their arrival.

    Times are seconds of one monotonic clock. A slot is handed over at the instant at which its holder was due to leave
    it, not at the instant at which the process noticed: lateness of a busy host does not add up.
    """

    def __init__(self, slots: int, queue_limit: int | None = None, slowdown: float = 0.0) -> None:
        self._free = slots
        self._queue_limit = queue_limit
        self._slowdown = slowdown
        self._members = 0
        self._waiting: deque[Member] = deque()
        self._stamps = count()
        self._steps: list[tuple[float, int, Member]] = []
        """Soonest first, in virtual time. Entries of members that have gone are passed over when they come up."""
        self._held: list[tuple[float, int, Member]] = []
        """Steps whose work is done and which wait, in real time."""
        self._virtual_s = 0.0
        self._at_s = -math.inf
        self.waiting_peak = 0

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def members(self) -> int:
        return self._members

    @property
    def due_s(self) -> float | None:
        """When `advance` has something to do next."""
        steps, held = self._steps, self._held
        while steps and steps[0][1] != steps[0][2].stamp:
            heappop(steps)
        while held and held[0][1] != held[0][2].stamp:
            heappop(held)
        due_s = held[0][0] if held else math.inf
        if steps:
            due_s = min(due_s, self._at_s + (steps[0][0] - self._virtual_s) * self._factor)
        return due_s if due_s < math.inf else None

    def enter(self, member: Member, now_s: float) -> None:
        """Give a member a slot, or let it wait. Raises `QueueFull` and forgets it."""
        self.advance(now_s)
        if self._free:
            self._free -= 1
            self._admit(member)
            return
        if self._queue_limit is not None and len(self._waiting) >= self._queue_limit:
            raise QueueFull
        member.stamp = next(self._stamps)
        self._waiting.append(member)
        self.waiting_peak = max(self.waiting_peak, len(self._waiting))

    def leave(self, member: Member, now_s: float) -> None:
        """Take a member out before its last step; nothing happens when it has had that."""
        self.advance(now_s)
        if member.stamp == Member._NONE:
            return
        if member in self._waiting:
            self._waiting.remove(member)
            member.stamp = Member._NONE
        else:
            self._release(member)

    def advance(self, now_s: float) -> None:
        """Let everything happen that is due by now, in its order."""
        while (due_s := self.due_s) is not None and due_s <= now_s:
            if self._held and self._held[0][0] <= due_s:
                at_s, _, member = heappop(self._held)
                self._pass(at_s)
                # what is still to do has waited as well
                member.start_s = self._virtual_s - member.work_s[member.place]
                self._happen(member)
                continue
            target_s, stamp, member = heappop(self._steps)
            self._at_s, self._virtual_s = max(due_s, self._at_s), target_s  # exactly, whatever the division rounded
            wait_s = member.waits_s.get(member.place)
            if wait_s is None:
                self._happen(member)
            elif wait_s < math.inf:
                heappush(self._held, (self._at_s + wait_s, stamp, member))
        self._pass(now_s)

    @property
    def _factor(self) -> float:
        return 1.0 + self._slowdown * (self._members - 1)

    def _pass(self, at_s: float) -> None:
        if at_s > self._at_s:
            if self._members:
                self._virtual_s += (at_s - self._at_s) / self._factor
            self._at_s = at_s

    def _admit(self, member: Member) -> None:
        self._members += 1
        member.place = 0
        member.start_s = self._virtual_s
        member.admitted(self._at_s)
        self._aim(member)

    def _aim(self, member: Member) -> None:
        member.stamp = stamp = next(self._stamps)
        heappush(self._steps, (member.start_s + member.work_s[member.place], stamp, member))

    def _happen(self, member: Member) -> None:
        place = member.place
        member.reached(place, self._at_s)
        member.place = place + 1
        if member.place < len(member.work_s):
            self._aim(member)
        else:
            self._release(member)

    def _release(self, member: Member) -> None:
        member.stamp = Member._NONE
        self._members -= 1
        if self._waiting:
            self._admit(self._waiting.popleft())
        else:
            self._free += 1
