"""The timers of the compiled engine against a sorted list: any settings, movings and takings back."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sim.compiled.worlds import queue
from windtunnel.sim.compiled import agenda
from windtunnel.sim.compiled.lowering import lower

IDS = st.integers(0, 9)
TIMES = st.integers(0, 5).map(float)
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), IDS, TIMES, st.integers(0, 2)),
        st.tuples(st.just("take back"), IDS, TIMES, st.just(0)),
        st.tuples(st.just("first"), st.just(0), TIMES, st.just(0)),
    ),
    max_size=60,
)


@settings(deadline=None)  # the first one compiles
@given(ACTIONS)
def test_timers_come_by_time_then_key_then_order_of_setting(actions: list[tuple[str, int, float, int]]) -> None:
    w = lower(queue([0.0]), samples=0, spans=0)
    g = w.g[0]
    due: dict[int, tuple[float, int, int]] = {}
    for n, (action, number, t, key) in enumerate(actions):
        timer = int(g.sources) + 4 * number
        if action == "set":
            agenda.set_timer(w, timer, t, key)
            due[number] = (max(t, float(g.now)), key, n)
        elif action == "take back":
            agenda.take_back(w, timer)
            due.pop(number, None)
        elif due:
            agenda.fill(w)
            first = min(due, key=lambda each: due[each])
            assert agenda.take_first(w) == int(g.sources) + 4 * first
            assert g.now == due.pop(first)[0]
    agenda.fill(w)
    assert g.heap == len(due)
