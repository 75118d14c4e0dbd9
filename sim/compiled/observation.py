"""What a monitoring would scrape of a run, at its interval (see ../ENGINES.md and spec.run.SERIES). Used by execute."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from windtunnel.sim.compiled import callers, processor
from windtunnel.sim.compiled.world import World
from windtunnel.sim.model import OUTSIDE, Adaptive, Model, Outcome

Reading = tuple[str, str, float, float]


class Observation:
    """The readings so far."""

    def __init__(self, model: Model) -> None:
        """None yet."""
        self._model = model
        self._n = 0
        self._rows: list[Reading] = []
        self._used = np.zeros(len(model.stations) + len(model.beside_s) + 1)

    def next_s(self) -> float | None:
        """When the next look is due; None: no more."""
        self._n += 1
        at_s = self._n * self._model.scrape_s
        return at_s if at_s <= self._model.duration_s else None

    def look(self, w: World) -> None:
        """Take all readings of now."""
        model, rows, now = self._model, self._rows, float(w.g[0].now)

        def reading(name: str, component: str, value: float) -> None:
            rows.append((name, component, now, float(value)))

        for index, station in enumerate(model.stations):
            row = w.stations[index]
            mine = w.instances[row.first : row.first + row.replicas]
            if station.slots is not None or isinstance(station.shed, Adaptive):
                reading("in_use", station.name, mine.busy.sum())
                reading("queue", station.name, mine.waiting.sum())
            if isinstance(station.shed, Adaptive):
                reading("limit", station.name, mine.adaptive.sum())
            if station.queue is not None:
                reading("queue", station.name, row.m_waiting)
                reading("dead_letters", station.name, row.dead_letters)
            else:
                reading("replicas", station.name, row.active)
            if station.llm is not None:
                reading("tokens_in", station.name, row.tokens_in)
                reading("tokens_out", station.name, row.tokens_out)
            if station.cache is not None:
                reading("evictions", station.name, row.evictions)
            if station.lag_ms is not None:
                reading("stale_reads", station.name, row.stale)
        for index, wire in enumerate(model.wires):
            row = w.wires[index]
            reading("attempts", wire.name, row.attempts)
            reading("retries", wire.name, row.again)
            callers_ = 1 if wire.caller == OUTSIDE else model.stations[wire.caller].replicas
            lanes = w.lanes[row.first_lane : row.first_lane + callers_]
            if wire.pool is not None and wire.caller != OUTSIDE:
                reading("in_use", wire.name, lanes.busy.sum())
                reading("queue", wire.name, lanes.waiting.sum())
            if wire.breaker is not None:
                reading("breaker_open", wire.name, (lanes.state == callers.OPENED).sum())
        reading("requests", "", w.ends_all.sum())
        reading("ok", "", w.ends_all[Outcome.OK])
        for outcome in (Outcome.TIMEOUT, Outcome.ERROR, Outcome.REJECTED, Outcome.OPEN):
            reading(f"errors.{outcome.name.lower()}", "", w.ends_all[outcome])
        self._cores(w, reading)

    def _cores(self, w: World, reading: Any) -> None:
        model = self._model
        used = processor.used(w)
        spent = (used - self._used) / model.scrape_s
        self._used = used
        owners = [(station.host, station.name) for station in model.stations]
        owners += [(host, who) for host, who, _ in model.beside_s]
        total = dict.fromkeys(range(len(model.hosts)), 0.0)
        for (host, who), share, ever in zip(owners, spent.tolist(), used.tolist(), strict=False):
            total[host] += share
            if ever > 0:
                reading("cpu_share", who, share)
        for host, share in total.items():
            reading("cpu_share", "host" if len(model.hosts) == 1 else model.hosts[host], share)

    def table(self, schema: pa.Schema) -> pa.Table:
        """As of spec.run.SERIES."""
        columns = zip(*self._rows, strict=True) if self._rows else ((),) * len(schema)
        return pa.table([pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema)
