"""A breaker opens, refuses, tries again and closes; only what began since then counts."""

from __future__ import annotations

from tests.sim.reference.worlds import World, answer_ms, outcomes, run, series
from windtunnel.sim.model import OUTSIDE, Breaker, Slow
from windtunnel.sim.reference.breaker import CircuitBreaker, State
from windtunnel.sim.reference.clock import Clock, Rank


def breaker(
    clock: Clock, failures: int | None = None, ratio: float = 0.5, calls: int = 4, probes: int = 2
) -> CircuitBreaker:
    return CircuitBreaker(clock, Breaker(failures, ratio, calls, open_s=1.0, probes=probes))


def pass_to(clock: Clock, time_s: float) -> None:
    clock.at(time_s, Rank.ARRIVAL)
    clock.run()


def test_so_many_failures_in_a_row_open_it() -> None:
    one = breaker(Clock(), failures=3)
    for well in (False, False, True, False, False):
        one.ends(one.starts(), well)
    assert (one.state, one.allows()) == (State.CLOSED, True)
    one.ends(one.starts(), None)  # cancelled: tells nothing
    assert one.state.name == "CLOSED"
    one.ends(one.starts(), False)
    assert (one.state, one.allows()) == (State.OPEN, False)


def test_such_a_share_of_the_last_ones_opens_it() -> None:
    one = breaker(Clock())
    for well in (False, True, True):  # not yet full
        one.ends(one.starts(), well)
    one.ends(one.starts(), True)  # one of four
    one.ends(one.starts(), False)  # the first failure has left: still one of four
    assert one.state.name == "CLOSED"
    one.ends(one.starts(), False)
    assert one.state.name == "OPEN"


def test_half_open_it_lets_so_many_probes_through_and_closes_when_all_went_well() -> None:
    clock = Clock()
    one = breaker(clock, failures=1)
    late = one.starts()
    one.ends(one.starts(), False)
    pass_to(clock, 0.999)
    assert not one.allows()
    pass_to(clock, 1.0)
    assert one.allows()
    assert one.state.name == "HALF_OPEN"
    probes = [one.starts(), one.starts()]
    assert not one.allows()
    one.ends(late, False)  # it began before all that
    assert one.state.name == "HALF_OPEN"
    one.ends(probes[0], None)  # a cancelled probe gives its place back
    assert one.allows()
    one.ends(probes[1], True)
    one.ends(one.starts(), True)
    assert one.state.name == "CLOSED"


def test_a_probe_that_fails_opens_it_again_from_then_on() -> None:
    clock = Clock()
    one = breaker(clock, failures=1)
    one.ends(one.starts(), False)
    pass_to(clock, 1.5)
    assert one.allows()
    probe = one.starts()
    pass_to(clock, 1.7)
    one.ends(probe, False)
    pass_to(clock, 2.6)
    assert not one.allows()
    pass_to(clock, 2.7)
    assert one.allows()


def test_requests_meet_an_open_breaker_without_an_exchange() -> None:
    """100 times slower until 2 s: two time-outs open it until 2.6; the probe then closes it."""
    world = World()
    wire = world.wire(OUTSIDE, world.station("app"), timeout_s=0.1, breaker=Breaker(2, 0.0, 20, open_s=1.5, probes=1))
    model = world.model(
        world.call(wire, 10),
        at_s=[0.5, 1.0, 1.5, 2.0, 2.59, 2.6, 2.61, 3.0],
        slow=(Slow(0, None, 0.0, 2.0, 100.0),),
    )
    tables = run(model)
    # The probe of 2.6 is under way until 2.61, when its success comes first and the next request is allowed.
    assert outcomes(tables) == ["timeout", "timeout", "open", "open", "open", "ok", "ok", "ok"]
    assert answer_ms(tables) == [100, 100, 0, 0, 0, 10, 10, 10]
    assert series(tables, "breaker_open", "client->app")[:4] == [0, 1, 0, 0]
    assert series(tables, "errors.open")[2] == 3
