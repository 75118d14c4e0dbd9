"""Controlled delay: drop from a line that has been too long for too long. Used by lines.

Source: K. Nichols, V. Jacobson, "Controlling Queue Delay", ACM Queue 10(5), 2012, appendix.
"""

from __future__ import annotations

import math

from windtunnel.sim.model import CoDel


class ControlledDelay:
    """Of one line."""

    def __init__(self, policy: CoDel) -> None:
        """Not dropping."""
        self._policy = policy
        self._above_s = 0.0
        """When the wait will have been above its target for an interval; 0: it is not above."""
        self._dropping = False
        self._count = 0
        self._drop_next_s = 0.0

    def drops(self, now_s: float, waited_s: float, alone: bool) -> bool:
        """Whether the one who has just been taken out of the line, after that long, is dropped; ``alone``: nobody
        else waits."""
        interval_s = self._policy.interval_s
        may_drop = False
        if waited_s < self._policy.target_s or alone:
            self._above_s = 0.0
        elif self._above_s == 0:
            self._above_s = now_s + interval_s
        else:
            may_drop = now_s >= self._above_s
        if self._dropping and not may_drop:
            self._dropping = False
        if self._dropping and now_s >= self._drop_next_s:
            self._count += 1
            self._drop_next_s += interval_s / math.sqrt(self._count)
            return True
        if not self._dropping and may_drop:
            self._dropping = True
            lately = self._count > 2 and now_s - self._drop_next_s < interval_s
            self._count = self._count - 2 if lately else 1
            self._drop_next_s = now_s + interval_s / math.sqrt(self._count)
            return True
        return False
