"""Who is a database's primary from when on, as outages and the failover of the cluster decide it (after Patroni).

A primary holds a lease and renews it. When it dies, nobody can lead before its lease has run out; then a standby is
promoted. One that is back before its lease has run out goes on. Used by the compiler.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from windtunnel.sim.model import Reign
from windtunnel.spec.architecture import Failover

Spell = tuple[float, float]
"""From when until when a replica is down, in seconds; it is alive again at the end."""


def reigns(spells: Mapping[int, Sequence[Spell]], replicas: int, failover: Failover | None) -> tuple[Reign, ...]:
    """The reigns of all primaries, ascending, replica 0 first; ``spells`` is when each replica is down, in any order.

    Without ``failover`` nobody else is ever promoted.
    """
    down = [merged(spells.get(replica, ())) for replica in range(replicas)]
    return tuple(_successions(down, failover))


def merged(spells: Sequence[Spell]) -> tuple[Spell, ...]:
    """The same time as ascending spells that neither overlap nor touch."""
    found: list[Spell] = []
    for begin_s, end_s in sorted(spells):
        if found and begin_s <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end_s))
        else:
            found.append((begin_s, end_s))
    return tuple(found)


def _successions(down: Sequence[Sequence[Spell]], failover: Failover | None) -> Iterator[Reign]:
    primary, now_s = 0, 0.0
    yield Reign(now_s, primary)
    while failover is not None:
        deaths = (spell for spell in down[primary] if spell[0] >= now_s and spell[1] >= spell[0] + failover.lease_ttl_s)
        death = next(deaths, None)
        if death is None:
            return
        promoted_s = death[0] + failover.lease_ttl_s + failover.promotion_s
        now_s, successor = min((_alive_from(spells, promoted_s), replica) for replica, spells in enumerate(down))
        if successor != primary:
            primary = successor
            yield Reign(now_s, primary)


def _alive_from(spells: Sequence[Spell], at_s: float) -> float:
    """``at_s``, or when the spell that covers it ends."""
    return next((end_s for begin_s, end_s in spells if begin_s <= at_s < end_s), at_s)
