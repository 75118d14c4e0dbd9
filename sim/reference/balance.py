"""Which replica of its callee an exchange goes to. Used by lanes, when an exchange starts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from windtunnel.sim.draws import Purpose, mix

if TYPE_CHECKING:
    from windtunnel.sim.reference.exchange import Exchange
    from windtunnel.sim.reference.lane import Lane
    from windtunnel.sim.reference.station import Station


def choose(lane: Lane, exchange: Exchange, turn: int) -> int:
    """A replica, by the wire's policy. ``turn``: how many choices this lane has made before."""
    callee = exchange.engine.stations[exchange.hop.callee]
    everybody = list(range(callee.active))
    primary = callee.primary()
    if primary is not None:
        everybody = [replica for replica in everybody if replica != primary]
        if not exchange.hop.reads or not everybody:
            return primary
    well = [replica for replica in everybody if not _left_out(lane, callee, replica)]
    # When more than half of them are out a balancer trusts its checks no longer and uses all (Envoy's panic).
    candidates = everybody if 2 * (len(everybody) - len(well)) > len(everybody) else well
    k = len(candidates)
    match exchange.wire.balance:
        case "round_robin":
            return candidates[turn % k]
        case "random":
            return candidates[int(exchange.uniform(Purpose.BALANCE) * k)]
        case "least_requests":
            around = [candidates[(turn + n) % k] for n in range(k)]
            return min(around, key=lambda replica: lane.under_way[replica])
        case "power_of_two":
            first = int(exchange.uniform(Purpose.BALANCE) * k)
            if k == 1:
                return candidates[first]
            second = int(exchange.uniform(Purpose.BALANCE, 1) * (k - 1))
            second += second >= first
            fewer = lane.under_way[candidates[second]] < lane.under_way[candidates[first]]
            return candidates[second if fewer else first]
        case "hash":
            # Rendezvous: D. G. Thaler, C. V. Ravishankar, "Using Name-Based Mappings to Increase Hit Rates",
            # IEEE/ACM Transactions on Networking 6(1), 1998.
            prompt = exchange.engine.draws.base(exchange.request.prompt)
            return max(candidates, key=lambda replica: mix(prompt ^ replica))


def _left_out(lane: Lane, callee: Station, replica: int) -> bool:
    now_s = lane.clock.now
    if lane.out_until_s.get(replica, now_s) > now_s:
        return True
    if any(sick.begin_s <= now_s < sick.end_s for sick in lane.sick.get(replica, ())):
        return True
    every_s = lane.wire.health_interval_s
    crashed_s, restarted_s = callee.replicas[replica].down_s
    if every_s is None or crashed_s == math.inf:
        return False
    return _next_check(crashed_s, every_s) <= now_s < _next_check(restarted_s, every_s)


def _next_check(time_s: float, every_s: float) -> float:
    return math.ceil(time_s / every_s) * every_s
