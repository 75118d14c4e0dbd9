"""Processor time of process trees, from /proc. Used by both backends to show what a host was busy with."""

from __future__ import annotations

import os
from collections.abc import Mapping

from windtunnel.harness.stack.supervisor import descendants, processes

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_seconds(roots: Mapping[str, int]) -> dict[str, float]:
    """Processor seconds (user and system) of each root's tree since it began; a root that is gone has 0.

    The tree: the process, its descendants, orphans of its process group, and all the children that these have waited
    for. Resolution: one clock tick, 10 ms.
    """
    everyone = list(processes())
    by_pid = {process.pid: process for process in everyone}
    used: dict[str, float] = {}
    for name, root in roots.items():
        tree = {process.pid for process in everyone if process.group == root}
        tree |= {process.pid for process in descendants(root, everyone)}
        tree |= {root} & by_pid.keys()
        used[name] = sum(by_pid[pid].ticks for pid in tree) / TICKS_PER_S
    return used
