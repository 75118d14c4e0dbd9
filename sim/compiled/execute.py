"""Runs a Model with the compiled kernel: hands it arrivals and memory, looks at it, scales it. Used by simulate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from windtunnel.sim.compiled import agenda, kernel, queues, records, tally
from windtunnel.sim.compiled.lowering import grown, lower
from windtunnel.sim.compiled.observation import Observation
from windtunnel.sim.compiled.scaling import Scaling
from windtunnel.sim.model import Model, Outcome
from windtunnel.spec.load import Schedule
from windtunnel.spec.run import SAMPLES, SERIES, SPANS, WRITES

ROOM = 1 << 16
"""How many records are kept before they are fetched."""
NAMES = [outcome.name.lower() for outcome in Outcome]


class Tables(NamedTuple):
    """What an engine hands back, as of spec.run."""

    samples: pa.Table
    spans: pa.Table
    writes: pa.Table
    series: pa.Table


class Compiled:
    """One run of a model."""

    def __init__(
        self,
        model: Model,
        *,
        samples: bool = True,
        spans: bool = True,
        windows: tuple[tuple[float, float], ...] = (),
        claims: frozenset[int] = frozenset(),
        good_ms: float = math.inf,
    ) -> None:
        """``samples``, ``spans``: whether each request and each call is recorded. ``windows``: (begin, end) in seconds,
        one after the other, that are counted apart (``counted``); memory is then the same for any length of run.
        ``claims``: numbers of windows; a request that is in flight when one of them begins belongs to that one.
        ``good_ms``: successes that took longer are not good (SLICES)."""
        self.model = model
        self.windows = windows
        room = (ROOM if samples else 0, ROOM if spans else 0)
        self.world = lower(model, samples=room[0], spans=room[1], windows=windows, claims=claims, good_ms=good_ms)
        self._samples: list[Any] = []
        self._spans: list[Any] = []
        self._arrivals: Iterator[Schedule] = iter(()) if model.closed else model.arrivals()
        self.observation = Observation(model)
        self._scaling = Scaling(model)
        self._totals = tally.Totals()

    def run(self, progress: Callable[[float], object] | None = None) -> None:
        """To the end of the last request. ``progress`` is told now and then how much is over, from 0 to 1."""
        w = self.world
        g = w.g[0]
        if len(w.happenings):
            agenda.set_timer(w, g.source, w.happenings[0].t, records.FAULT)
        self._look_next()
        self._scaling.begin(w)
        if self.model.closed:
            for user in range(self.model.closed.users):
                queues.thinks(w, user, 0)
        while True:
            reason = kernel.advance(self.world)
            if reason == records.DONE:
                break
            if reason == records.MORE_ARRIVALS:
                self._totals.take_over(self.world)
                self._arrive()
            elif reason == records.GROW:
                self.world = grown(self.world)
            elif reason == records.DRAIN:
                self._fetch()
            elif reason == records.TICK:
                self._totals.take_over(self.world)
                self.observation.look(self.world)
                self._look_next()
                if progress:
                    progress(min(1.0, float(g.now) / self.model.duration_s))
            elif reason == records.SCALE:
                self._scaling.come(self.world, int(self.world.g[0].reason))
        self._fetch()

    def _look_next(self) -> None:
        at_s = self.observation.next_s()
        if at_s is not None:
            agenda.set_timer(self.world, self.world.g[0].source + 1, at_s, records.OBSERVATION)

    def _arrive(self) -> None:
        piece = next(self._arrivals, None)
        g = self.world.g[0]
        g.chunk = 0
        if piece is None:
            g.chunk_n = -1
            return
        g.chunk_n = len(piece)
        self.world = self.world.with_arrays(
            at_s=np.ascontiguousarray(piece.at_s),
            flow=piece.flow,
            prompt=piece.prompt,
            tenant=piece.tenant,
            given_in=piece.input_tokens,
            given_out=piece.output_tokens,
        )

    def _fetch(self) -> None:
        g = self.world.g[0]
        if g.samples:
            self._samples.append(np.array(self.world.samples[: g.samples]))
        if g.spans:
            self._spans.append(np.array(self.world.spans[: g.spans]))
        g.samples = g.spans = 0
        samples, spans = _roomier(self.world.samples, g.live), _roomier(self.world.spans, g.live)
        g.samples_room, g.spans_room = len(samples), len(spans)
        self.world = self.world.with_arrays(samples=samples, spans=spans)

    def counted(self) -> tally.Counted:
        """What was counted in the windows."""
        return tally.counted(self.world, self._totals, self.model, self.windows)

    def samples(self) -> Any:
        """Records of requests, by their numbers."""
        rows = np.concatenate(self._samples) if self._samples else np.zeros(0, records.SAMPLE)
        return rows[np.argsort(rows["request"], kind="stable")]

    def spans(self) -> Any:
        """Records of calls, in the order of their ends."""
        return np.concatenate(self._spans) if self._spans else np.zeros(0, records.SPAN)

    def tables(self) -> Tables:
        """Samples, spans, writes, series, as of spec.run."""
        return Tables(self._sample_table(), self._span_table(), WRITES.empty_table(), self.observation.table(SERIES))

    def _sample_table(self) -> pa.Table:
        rows = self.samples()
        outcome = np.array(NAMES, object)[rows["outcome"]]
        columns = {
            "request": rows["request"],
            "flow": np.array(self.model.flows, object)[rows["flow"]],
            "intended_s": rows["intended"],
            "sent_s": rows["intended"],
            "first_token_s": rows["heard"],
            "done_s": rows["done"],
            "outcome": outcome,
            "status": None,
            "error": np.where(outcome == "ok", None, outcome),
            "tokens": _nullable(rows["tokens"]),
        }
        return _table(columns, SAMPLES, len(rows))

    def _span_table(self) -> pa.Table:
        rows = self.spans()
        stations = [*(station.name for station in self.model.stations), "client"]
        hops = self.model.hops
        caller = np.array([stations[hop.caller] for hop in hops], object)[rows["hop"]]
        callee = np.array([stations[hop.callee] for hop in hops], object)[rows["hop"]]
        kind = np.where(rows["server"] == 1, "server", "client")
        whose = np.where(rows["server"] == 1, callee, caller)
        columns = {
            "request": rows["request"],
            "kind": kind,
            "caller": caller,
            "callee": callee,
            "op": np.array([hop.op for hop in hops], object)[rows["hop"]],
            "replica": np.array([f"{name}.{n}" for name, n in zip(whose, rows["replica"], strict=True)], object),
            "attempt": rows["attempt"],
            "start_s": rows["start"],
            "duration_ms": rows["duration"],
            "outcome": np.array(NAMES, object)[rows["outcome"]],
            "wait_ms": rows["wait"],
            "first_token_ms": rows["first_token"],
            "tokens": _nullable(rows["tokens"]),
        }
        order = np.lexsort(
            (
                columns["op"],
                callee,
                kind,
                -rows["duration"],
                rows["start"],
                rows["request"],
            )  # the last one counts first
        )
        return _table(columns, SPANS, len(rows)).take(pa.array(order))


def _roomier(array: Any, live: int) -> Any:
    """As much room as one consequence of everything under way may need."""
    if not len(array) or len(array) >= 16 * live + ROOM:
        return array
    return np.zeros(16 * int(live) + 2 * ROOM, array.dtype).view(np.recarray)


def _nullable(values: Any) -> pa.Array:
    return pa.array(values, mask=values < 0)


def _table(columns: dict[str, Any], schema: pa.Schema, n: int) -> pa.Table:
    arrays = []
    for field in schema:
        values = columns[field.name]
        if values is None:
            arrays.append(pa.nulls(n, field.type))
        elif isinstance(values, pa.Array):
            arrays.append(values.cast(field.type))
        else:
            arrays.append(pa.array(values, field.type, from_pandas=True))
    return pa.table(arrays, schema)


def execute(model: Model) -> Tables:
    """Run a model until the last request has ended, and keep every request and call."""
    run = Compiled(model)
    run.run()
    return run.tables()
