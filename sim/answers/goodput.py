"""Answers that are good enough to count. Used by objectives of goodput, by answers and by recovery."""

from __future__ import annotations

import math
import re

from windtunnel.spec.scenario import Scenario

_LATENCY_QUANTILE = re.compile(r"latency_ms_p\d")


def goodput_limit_ms(scenario: Scenario, window: str) -> float:
    """How slow a success of a window may be: the strictest max of its objectives of latency; infinite without one.

    As spec.objective says of goodput_per_s.
    """
    bounds = dict(scenario.objectives.get(window, {}))  # type: ignore[call-overload]
    limits = [bound.max for metric, bound in bounds.items() if _LATENCY_QUANTILE.match(metric)]
    return min((limit for limit in limits if limit is not None), default=math.inf)
