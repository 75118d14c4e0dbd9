"""The machine under the run: who it is, and whether it was busy with itself while we measured."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass

import psutil


def describe() -> str:
    """Processor, cores and system in a line, for the record."""
    model = platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 (a file of the kernel's)
            names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        model = names[0] if names else model
    except OSError:
        pass  # not Linux: the machine's name has to do
    return f"{model}, {cores()} cores, {platform.system()} {platform.release()}"


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


@dataclass(frozen=True)
class Ticks:
    """Processor time of the whole machine since its start, seconds."""

    busy_s: float
    stolen_s: float
    """Time in which the hypervisor ran somebody else."""
    total_s: float


def ticks() -> Ticks:
    """Now's reading; the difference of two says how busy the machine was in between."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    # guest time is contained in user time already
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return Ticks(busy_s=total - idle, stolen_s=getattr(times, "steal", 0.0), total_s=total)


def busy_share(earlier: Ticks, later: Ticks) -> float:
    """Share of all cores that was busy (or stolen), 0 to 1."""
    elapsed = later.total_s - earlier.total_s
    return (later.busy_s - earlier.busy_s) / elapsed if elapsed > 0 else 0.0
