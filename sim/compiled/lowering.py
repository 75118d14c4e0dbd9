"""A Model as the compiled engine's tables. Used by execute."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from windtunnel.sim.answers import sketch
from windtunnel.sim.compiled import callers, exchanges, line, programs, records, room, sampling, tally, wires
from windtunnel.sim.compiled.world import World
from windtunnel.sim.draws import mix
from windtunnel.sim.model import (
    SUCCESSFUL,
    Adaptive,
    Choose,
    CoDel,
    Enqueue,
    FaultWindow,
    Fork,
    Invoke,
    Model,
    Outcome,
    Program,
    Repeat,
    Step,
    WaitLimit,
)
from windtunnel.spec.distribution import Distribution

ROLES = {"work": 0, "lookup": 1, "store": 2}
BALANCES = {
    "round_robin": callers.ROUND_ROBIN,
    "random": callers.RANDOM,
    "least_requests": callers.LEAST_REQUESTS,
    "power_of_two": callers.POWER_OF_TWO,
    "hash": callers.HASH,
}
JITTERS = {
    "none": exchanges.NO_JITTER,
    "full": exchanges.FULL,
    "equal": exchanges.EQUAL,
    "decorrelated": exchanges.DECORRELATED,
}
DISCIPLINES = {"fifo": line.FIFO, "priority": line.PRIORITY, "preemptive": line.PREEMPTIVE}
BIG = 2**31 - 1
EMPTY = (
    *("arrived", "heard", "left", "decoded", "wait", "q_next", "q_prev", "flight", "cut", "owed", "f_first", "tokens"),
    *("c_heard", "c_tokens", "c_child0", "c_child1"),
)
"""Fields of a frame that are -1 until there is something to say."""
FRAMES = 512
"""How many strands there is room for at first."""


LINE_OF_CACHE = 64


def zeros(kind: Any, n: int) -> Any:
    """So many records, whose fields are attributes. They begin where a line of the cache does."""
    raw = np.zeros(n * kind.itemsize + LINE_OF_CACHE, np.uint8)
    begin = -raw.ctypes.data % LINE_OF_CACHE
    return raw[begin : begin + n * kind.itemsize].view(kind).view(np.recarray)


class Lowering:
    """Writes the tables of one model."""

    def __init__(self, model: Model) -> None:
        """Nothing written yet but the end of all programs."""
        self.model = model
        self.numbers: list[float] = []
        self.distributions: list[tuple[int, int, int, float, float]] = []
        self.operations: list[list[int]] = [[records.END, 0, 0, 0, 0]]
        self.targets: list[int] = []

    # Distributions

    def distribution(self, of: Distribution | None) -> int:
        """Its row; -1 for none."""
        if of is None:
            return -1
        n, start, a, b = 0, len(self.numbers), 0.0, 0.0
        known: Any = of
        match of.kind:
            case "constant":
                kind, a = sampling.CONSTANT, known.value
            case "exponential":
                kind, a = sampling.EXPONENTIAL, known.mean_
            case "lognormal":
                kind, a, b = sampling.LOGNORMAL, known.median, known.sigma
            case "uniform":
                kind, a, b = sampling.UNIFORM, known.low, known.high
            case "empirical":
                kind, n = sampling.EMPIRICAL, len(known.quantiles)
                self.numbers += known.quantiles
            case "gamma":
                kind, a, b = sampling.GAMMA, known.mean_, known.shape
            case "weibull":
                kind, a, b = sampling.WEIBULL, known.scale, known.shape
            case "pareto":
                kind, a, b = sampling.PARETO, known.scale, known.shape
            case "hyperexponential":
                kind, n = sampling.HYPEREXPONENTIAL, len(known.means)
                self.numbers += [float(total) for total in np.cumsum(known.probabilities)]
                self.numbers += known.means
            case other:
                raise ValueError(f"found a distribution {other!r}, expected one that the engine knows")
        self.distributions.append((kind, n, start, float(a), float(b)))
        return len(self.distributions) - 1

    # Programs

    def program(self, steps: Program, after: int, depth: int = 0) -> int:
        """The operation that a program begins with; behind it comes operation ``after``."""
        for step in reversed(steps):
            after = self._step(step, after, depth)
        return after

    def _operation(self, *fields: int) -> int:
        self.operations.append([*fields, *[0] * (5 - len(fields))])
        return len(self.operations) - 1

    def _reserve(self, n: int) -> int:
        self.targets += [0] * n
        return len(self.targets) - n

    def _step(self, step: Step, after: int, depth: int) -> int:
        if isinstance(step, Invoke):
            return self._invoke(step, after, depth)
        if isinstance(step, Choose):
            start = len(self.numbers)
            self.numbers += step.cumulative
            a = self._reserve(len(step.branches))
            here = self._operation(records.CHOOSE, a, len(step.branches), step.index, start)
            for n, branch in enumerate(step.branches):
                self.targets[a + n] = self.program(branch, after, depth)
            return here
        if isinstance(step, Fork):
            a = self._reserve(len(step.branches))
            here = self._operation(records.FORK, a, len(step.branches), step.need, after)
            for n, branch in enumerate(step.branches):
                self.targets[a + n] = self.program(branch, 0, 0)
            return here
        if isinstance(step, Repeat):
            if depth >= programs.LOOPS:
                raise ValueError(f"found more than {programs.LOOPS} repeats inside each other")
            a = self._reserve(7)
            here = self._operation(records.LOOP, a)
            again = self._operation(records.AGAIN, a)
            mask = sum(1 << outcome for outcome in step.until)
            body = self.program(step.body, again, depth + 1)
            self.targets[a : a + 7] = [
                step.index, self.distribution(step.times), step.at_most, mask, depth, body, after,
            ]  # fmt: skip
            return here
        assert isinstance(step, Enqueue)
        return self._operation(records.ENQUEUE, step.queue, self.program(step.program, 0, 0), int(step.optional), after)

    def _invoke(self, step: Invoke, after: int, depth: int) -> int:
        table = self._reserve(records.OUTCOMES)
        hop = self.model.hops[step.hop]
        cache = self.model.stations[hop.callee].cache
        flies = cache is not None and cache.singleflight and hop.role == "lookup" and Outcome.MISS in step.on
        here = self._operation(records.CALL, step.hop, table, int(flies), after)
        for outcome in Outcome:
            goes_on = outcome in SUCCESSFUL or step.optional
            target = records.ON_NEXT if goes_on else records.ON_END
            if flies and outcome == Outcome.MISS:
                landing = self._operation(records.LAND, 0, 0, 0, after)
                target = self.program(step.on[outcome], landing, depth)
            elif outcome in step.on:
                target = self.program(step.on[outcome], after, depth)
            self.targets[table + outcome] = target
        return here


def lower(
    model: Model,
    *,
    samples: int,
    spans: int,
    windows: tuple[tuple[float, float], ...] = (),
    claims: frozenset[int] = frozenset(),
    good_ms: float = math.inf,
) -> World:
    """All tables of a model, everything idle at time 0. ``samples``, ``spans``: how many records fit before they are
    fetched; 0: none are kept. ``windows``: what is counted apart, one after the other; none: nothing is counted.
    ``claims``: the numbers of those that a request belongs to that is in flight when they begin.
    ``good_ms``: slower successes are none that one would call good."""
    low = Lowering(model)
    hops = _hops(model, low)
    stations, instances, buckets, stored = _stations(model, low)
    wires_, lanes, pairs, spells, ring = _wires(model)
    spells = _spells(model, stations, wires_, spells)
    for n, hop in enumerate(model.hops):  # programs come after all rows that they point to
        hops[n].program = low.program(hop.program, 0)
    g = zeros(records.GLOBAL, 1)
    g[0].tracks = int(bool(model.faults) or any(s.crash_above is not None for s in model.stations))
    for hop in hops[: len(model.hops)]:
        hop.after = _after(low, hop, stations[hop.callee]) if not g[0].tracks else records.NEXT
    entries = zeros(records.ENTERING, len(model.entries))
    for n, entry in enumerate(model.entries):
        entries[n].operation, entries[n].priority = low.program((entry,), 0), model.priorities[n]
    sources, positions = _sources(model, g[0], stations, instances, wires_)
    hosts = zeros(records.HOST, len(model.hosts))
    for n, cores in enumerate(model.cores):
        hosts[n].cores, hosts[n].rate, hosts[n].first, hosts[n].last = cores, min(1.0, cores), -1, -1
    fault_windows, happenings = _faults(model)
    places = _places(model, stations)
    known = g[0]
    known.root = mix(model.seed)
    known.duration = model.duration_s
    known.record_samples, known.record_spans = int(samples > 0), int(spans > 0)
    known.besides = len(model.beside_s)
    known.beside = len(low.numbers)
    owners = {s.name: index for index, s in enumerate(model.stations)}
    for n, (host, who, work_s) in enumerate(model.beside_s):
        low.numbers += [float(host), float(owners.get(who, len(owners) + n)), work_s]
    known.prompts, known.tenants = model.prompts, model.tenants
    if model.closed is not None:
        known.users = model.closed.users
        known.think = low.distribution(model.closed.think_ms)
        known.joins = len(low.numbers)
        for weights in (model.closed.flows, model.closed.prompts, model.closed.tenants):
            low.numbers += weights.tolist()
        known.chunk_n = -1
    known.happenings = len(happenings)
    payers = len(model.stations) + len(model.beside_s) + 1
    known.owners, known.machines = payers, len(model.hosts)
    known.ring, known.room = 8 * FRAMES - 1, FRAMES
    known.samples_room, known.spans_room = samples, spans
    known.sketches, known.windows, known.buckets = int(bool(windows)), len(windows), sketch.BUCKETS
    known.subjects = len(tally.names(model))
    known.window_starts = len(low.numbers)
    if windows:
        low.numbers += [*(begin for begin, _ in windows), windows[-1][1]]
        known.window_claims = len(low.numbers)
        low.numbers += [float(n in claims) for n in range(len(windows))]
        known.mark_at, known.good_ms = -math.inf, good_ms
        known.first_claim = min((windows[n][0] for n in claims), default=math.inf)
    tallies = zeros(records.TALLY, len(windows) * known.subjects)
    tallies.low, tallies.high = math.inf, -math.inf
    widest = max((branches for operation, _, branches, *_ in low.operations if operation == records.FORK), default=0)
    known.spare = room.SPARE + max(widest, len(places))
    known.watch = int(samples + spans > 0 or _uses_more(model))
    known.easy = -1 if known.watch else known.room - known.spare
    known.flows, known.links = len(model.flows), len(model.wires)
    distributions = zeros(records.DISTRIBUTION, max(1, len(low.distributions)))
    for n, row in enumerate(low.distributions):
        distributions[n] = row
    operations = zeros(records.OPERATION, len(low.operations))
    for n, fields in enumerate(low.operations):
        operations[n] = tuple(fields)
    frames = zeros(records.FRAME, FRAMES)
    frames.q_next = [*range(1, FRAMES), -1]
    frames.kind = -1
    batches = zeros(records.BATCH_RECORD, len(instances))
    batches.head = batches.tail = -1
    blank = zeros(records.FRAME, 1)
    for field in EMPTY:
        blank[field] = -1
    return World(
        g=g,
        frames=frames,
        blank=blank,
        positions=np.concatenate([positions, np.full(4 * FRAMES, -1, np.int32)]),
        heap=zeros(records.ENTRY, 3 * FRAMES + len(sources) + 8),
        ranks=zeros(records.RANK, len(positions) + 4 * FRAMES),
        fifo=zeros(records.CONSEQUENCE, 8 * FRAMES),
        hops=hops,
        stations=stations,
        instances=instances,
        batches=batches,
        wires=wires_,
        lanes=lanes,
        pairs=pairs,
        sources=sources,
        hosts=hosts,
        distributions=distributions,
        numbers=np.array([*low.numbers, 0.0]),
        operations=operations,
        targets=np.array([*low.targets, 0], np.int64),
        loops=zeros(records.LOOPING, programs.LOOPS * FRAMES),
        samples=zeros(records.SAMPLE, samples),
        spans=zeros(records.SPAN, spans),
        counts=np.zeros(len(tallies) * sketch.BUCKETS, records.COUNT),
        tallies=tallies,
        ends=np.zeros(len(tallies) * records.OUTCOMES, np.int64),
        sections=np.zeros(len(windows) * tally.SECTIONS * sketch.BUCKETS, records.COUNT),
        slices=zeros(records.SLICE, tally.SLICES if windows else 0),
        used=np.zeros(payers),
        looked=np.zeros(payers),
        messages=_free(zeros(records.MESSAGE_RECORD, 64)),
        owed=_free(zeros(records.OWED, 8 * FRAMES)),
        flights=_free(zeros(records.FLIGHT, FRAMES)),
        cuts=_free(zeros(records.CUT, _most_faults(model) * FRAMES)),
        windows=fault_windows,
        happenings=happenings,
        spells=spells,
        buckets=buckets,
        stored=stored,
        places=places,
        ring=ring,
        at_s=np.zeros(0),
        flow=np.zeros(0, np.int64),
        prompt=np.zeros(0, np.int64),
        tenant=np.zeros(0, np.int64),
        given_in=np.zeros(0, np.int64),
        given_out=np.zeros(0, np.int64),
        ends_all=np.zeros(records.OUTCOMES, np.int64),
        entries=entries,
    )


def _after(low: Lowering, hop: Any, station: Any) -> int:
    """What comes after an exchange's own work, where before it nothing can happen but that it waits for a connection
    and a place, and nothing bears on how long the work takes; NEXT: there is more to it."""
    bears_on_it = station.cpu or station.slow_count or station.warmths
    rules = station.used or station.limits_at or station.shed or station.discipline != line.FIFO
    if hop.link >= 0 or bears_on_it or rules:
        return records.NEXT
    if hop.llm:
        return records.TURNING
    more = hop.role or hop.reads or hop.streams or station.lag >= 0
    asks = low.operations[hop.program][0] != records.END
    return records.PROGRAM if more or asks else records.SERVED


def _uses_more(model: Model) -> bool:
    """Whether anything but frames is taken and given back: threads for single jobs, messages, flights."""
    flies = any(s.cache and s.cache.singleflight for s in model.stations)
    return flies or bool(model.beside_s) or any(s.queue or s.cpu_s > 0 for s in model.stations)


def _most_faults(model: Model) -> int:
    """How many faults of the scenario one exchange may meet; at least 1."""
    meets: dict[int, set[int]] = {}
    for window in model.faults:
        meets.setdefault(window.wire, set()).add(window.index)
    return max(map(len, meets.values()), default=1)


def _free(array: Any) -> Any:
    """A free list from the first to the last."""
    array.next = [*range(1, len(array)), -1]
    return array


def _hops(model: Model, low: Lowering) -> Any:
    made = zeros(records.HOP, len(model.hops))
    for n, hop in enumerate(model.hops):
        row = made[n]
        row.wire, row.caller, row.callee = hop.wire, hop.caller, hop.callee
        row.role = ROLES[hop.role]
        row.round_trips, row.request_bytes, row.response_bytes = hop.round_trips, hop.request_bytes, hop.response_bytes
        row.streams, row.reads = hop.streams, hop.reads
        row.link = -1 if _takes_no_time(hop.link_ms) else low.distribution(hop.link_ms)
        row.service = low.distribution(hop.service_ms)
        row.first_token = low.distribution(hop.first_token_ms)
        row.token = low.distribution(hop.token_ms)
        row.output = low.distribution(hop.output_tokens)
        row.input = low.distribution(hop.input_tokens)
        row.llm = None not in (hop.first_token_ms, hop.token_ms, hop.output_tokens)
        station = model.stations[hop.callee]
        row.free_service = _takes_no_time(hop.service_ms) and not station.warmth and station.cpu_s in (0.0, math.inf)
        row.place = hop.index << 40
    return made


def _takes_no_time(time_ms: Distribution | None) -> bool:
    return time_ms is None or (time_ms.kind == "constant" and time_ms.at(0.5) == 0)


def _stations(model: Model, low: Lowering) -> tuple[Any, Any, Any, Any]:
    made = zeros(records.STATION, max(1, len(model.stations)))
    instances = zeros(records.INSTANCE, max(1, sum(s.replicas for s in model.stations)))
    buckets: list[tuple[float, float]] = []
    entries = 0
    first = 0
    for index, s in enumerate(model.stations):
        row = made[index]
        row.first, row.replicas, row.active, row.host = first, s.replicas, s.initial, s.host
        row.slots = -1 if s.slots is None else s.slots
        row.queue_limit = BIG if s.queue_limit is None else s.queue_limit
        row.discipline = DISCIPLINES[s.discipline]
        row.traced, row.single = s.traced, s.single_threaded
        row.cpu, row.turn = s.cpu_s, s.turn_s
        row.warmth, row.warmths = len(low.numbers), len(s.warmth)
        for warmth in s.warmth:
            low.numbers += [math.inf if warmth.idle_up_to_ms is None else warmth.idle_up_to_ms, warmth.factor]
        _shed(row, s.shed)
        row.rate = 0.0
        row.buckets = len(buckets)
        if s.rate_limit is not None:
            row.rate, row.burst, row.per_tenant = s.rate_limit.per_s, s.rate_limit.burst, s.rate_limit.per_tenant
            buckets += [(s.rate_limit.burst, 0.0)] * (model.tenants if s.rate_limit.per_tenant else 1)
        row.hit_ratio = -1.0
        row.capacity = -1
        row.lag = low.distribution(s.lag_ms)
        row.limit = -1
        row.m_first = row.m_last = row.idle_first = row.idle_last = -1
        if s.cache is not None:
            row.cache, row.ttl, row.reset_on_hit = 1, s.cache.ttl_s, s.cache.reset_on_hit
            row.capacity = -1 if s.cache.max_entries is None else s.cache.max_entries
            row.hit_ratio = -1.0 if s.cache.hit_ratio is None else s.cache.hit_ratio
            row.singleflight = s.cache.singleflight
        if s.llm is not None:
            row.llm = 1
            row.slowdown, row.prefill = s.llm.batch_slowdown, s.llm.prefill_s_per_token
            row.prefix_ratio, row.prefix_share = s.llm.prefix_hit_ratio, s.llm.prefix_share
            row.rpm, row.tpm = s.llm.requests_per_minute or 0, s.llm.tokens_per_minute or 0
            row.limit = len(buckets)
            buckets += [(float(row.rpm), 0.0), (float(row.tpm), 0.0)]
        if s.queue is not None:
            row.queue, row.visibility, row.receives = 1, s.queue.visibility_timeout_s, s.queue.max_receives
            row.limit = -1 if s.queue.limit is None else s.queue.limit
        row.consumes = -1 if s.consumes is None else s.consumes
        row.workers = s.workers
        row.crash_above = -1 if s.crash_above is None else s.crash_above
        row.crash_restart = s.crash_restart_s
        row.limits_at = float(row.rate > 0 or row.rpm > 0 or row.tpm > 0 or s.crash_above is not None)
        row.used = s.autoscale is not None
        for replica in range(s.replicas):
            n = instances[first + replica]
            n.station, n.replica, n.limit = index, replica, row.slots
            n.head = n.tail = n.recent = n.oldest = n.thread = n.batch = -1
            n.last_left = -math.inf
            n.adaptive = s.shed.initial if isinstance(s.shed, Adaptive) else 0.0
            if s.cache is not None and s.cache.hit_ratio is None:
                n.cache_at = entries
                entries += model.prompts
        first += s.replicas
    stored = zeros(records.STORED, max(1, entries))
    _warm_caches(model, made, instances, stored)
    rows = zeros(records.BUCKET, max(1, len(buckets)))
    for position, bucket in enumerate(buckets):
        rows[position] = bucket
    return made, instances, rows, stored


def _shed(row: Any, shed: CoDel | WaitLimit | Adaptive | None) -> None:
    if isinstance(shed, CoDel):
        row.shed, row.shed_a, row.shed_b = line.CODEL, shed.target_s, shed.interval_s
    elif isinstance(shed, WaitLimit):
        row.shed, row.shed_a = line.WAIT_LIMIT, shed.max_wait_s
    elif isinstance(shed, Adaptive):
        row.shed, row.shed_a = line.ADAPTIVE, shed.latency_s
        row.shed_minimum, row.shed_maximum, row.shed_backoff = shed.minimum, shed.maximum, shed.backoff


def _warm_caches(model: Model, stations: Any, instances: Any, stored: Any) -> None:
    for index, s in enumerate(model.stations):
        if s.cache is None or not s.cache.warm or s.cache.hit_ratio is not None:
            continue
        there = min(s.cache.max_entries or model.prompts, model.prompts)
        for replica in range(s.replicas):
            n = instances[stations[index].first + replica]
            part = stored[n.cache_at : n.cache_at + there]
            part.there = 1
            part.until = s.cache.ttl_s
            part.prev = np.arange(there) - 1
            part.next = [*range(1, there), -1]
            n.recent, n.oldest, n.cache_size = 0, there - 1, there


def _wires(model: Model) -> tuple[Any, Any, Any, list[tuple[float, float, float, int, int]], Any]:
    made = zeros(records.WIRE, max(1, len(model.wires)))
    lanes, pairs, ring = 0, 0, 0
    spells: list[tuple[float, float, float, int, int]] = []
    bases = []
    for index, wire in enumerate(model.wires):
        row = made[index]
        row.caller, row.callee = wire.caller, wire.callee
        row.timeout, row.deadline = wire.timeout_s, wire.deadline_s
        row.survives_cancel, row.survives_timeout = wire.survives_cancel, wire.survives_timeout
        row.to_database = wire.to_database
        row.retries, row.backoff, row.jitter = wire.retries, wire.backoff_s, JITTERS[wire.jitter]
        row.max_backoff = wire.max_backoff_s
        row.retry_mask = sum(1 << outcome for outcome in wire.retry_on)
        if wire.budget:
            row.budget_ratio, row.budget_burst = wire.budget.ratio, wire.budget.burst
        if wire.breaker:
            row.probes, row.open_for = wire.breaker.probes, wire.breaker.open_s
            row.breaker_failures = wire.breaker.failures or 0
            row.breaker_ratio, row.breaker_calls = wire.breaker.ratio, wire.breaker.calls
        row.hedges, row.hedge = wire.hedge_after_s is not None, wire.hedge_after_s or 0.0
        row.balance = BALANCES[wire.balance]
        if wire.ejection:
            row.ejection, row.eject_for = wire.ejection.failures, wire.ejection.for_s
        row.health = wire.health_interval_s or 0.0
        row.propagates = wire.propagates_deadline
        row.pool, row.pool_timeout = -1 if wire.pool is None else wire.pool, wire.pool_timeout_s
        row.lim_head = row.lim_tail = row.up_head = row.up_tail = -1
        station = model.stations[wire.callee]
        sick = [spell for spell in model.sick if spell.wire == index]
        row.sick, row.sicks = len(spells), len(sick)
        spells += [(spell.begin_s, spell.end_s, 1.0, spell.replica, index) for spell in sick]
        row.checks = bool(
            sick or wire.ejection or station.reigns or (wire.health_interval_s and station.crash_above is not None)
        )
        row.counts = bool(wire.ejection or wire.breaker or wire.balance in ("least_requests", "power_of_two"))
        callers_ = 1 if wire.caller < 0 else model.stations[wire.caller].replicas
        row.first_lane, row.callees, row.ring = lanes, station.replicas, ring
        for _ in range(callers_):
            bases.append((pairs, wire.budget.burst if wire.budget else 0.0))
            pairs += station.replicas
        if wire.breaker:
            ring += callers_ * wire.breaker.calls
        lanes += callers_
    rows = zeros(records.LANE, max(1, lanes))
    rows.head = rows.tail = rows.flights = -1
    for n, (pair, burst) in enumerate(bases):
        rows[n].first_pair, rows[n].budget = pair, burst
    return made, rows, zeros(records.PAIR, max(1, pairs)), spells, np.zeros(max(1, ring), np.int64)


def _spells(model: Model, stations: Any, _: Any, spells: list[tuple[float, float, float, int, int]]) -> Any:
    for index, s in enumerate(model.stations):
        stations[index].reign, stations[index].reign_count = len(spells), len(s.reigns)
        spells += [(reign.begin_s, math.inf, 1.0, reign.replica, index) for reign in s.reigns]
        slow = [spell for spell in model.slow if spell.station == index]
        stations[index].slow, stations[index].slow_count = len(spells), len(slow)
        spells += [
            (spell.begin_s, spell.end_s, spell.factor, -1 if spell.replica is None else spell.replica, index)
            for spell in slow
        ]
    made = zeros(records.SPELL, max(1, len(spells)))
    for n, spell in enumerate(spells):
        made[n] = spell
    return made


def _sources(model: Model, g: Any, stations: Any, instances: Any, wires_: Any) -> tuple[Any, Any]:
    """Alarms, threads, batches, faults, looks, autoscalers, users, and threads for single jobs."""
    rows: list[tuple[int, int]] = []
    for index in range(len(model.wires)):
        wires_[index].alarm = len(rows)
        rows.append((records.ALARM, index))
    hosts: dict[int, tuple[int, int]] = {}
    for index, s in enumerate(model.stations):
        for replica in range(s.replicas):
            n = stations[index].first + replica
            if s.single_threaded:
                instances[n].thread = len(rows)
                hosts[len(rows)] = (s.host, index)
                rows.append((records.THREAD, n))
            if s.llm is not None and s.llm.batch_slowdown > 0:
                instances[n].batch = len(rows)
                rows.append((records.BATCH, n))
    g.source = len(rows)
    rows.append((records.FAULTS, 0))
    rows.append((records.OBSERVE, 0))
    for index in range(len(model.stations)):
        rows.append((records.AUTOSCALE, index))
        rows.append((records.READY, index))
    g.closed = len(rows)
    rows += [(records.USER, 0)] * (model.closed.users if model.closed else 0)
    fixed = len(rows)
    lone = FRAMES
    made = zeros(records.SOURCE, fixed + lone)
    made.head = made.tail = made.next = made.prev = -1
    for n, (kind, a) in enumerate(rows):
        made[n].kind, made[n].a = kind, a
        if n in hosts:
            made[n].host, made[n].owner = hosts[n]
    part = made[fixed:]
    part.kind, part.free = records.THREAD, 1
    part.next = [*range(fixed + 1, fixed + lone), -1]
    g.threads_free = fixed
    g.sources = len(made)
    return made, np.full(len(made), -1, np.int32)


def _faults(model: Model) -> tuple[Any, Any]:
    made = zeros(records.WINDOW, len(model.faults))
    events: list[tuple[float, int, int, bool]] = []
    for n, window in enumerate(model.faults):
        row = made[n]
        row.begin, row.end, row.wire = window.begin_s, window.end_s, window.wire
        row.caller = -1 if window.caller_replica is None else window.caller_replica
        row.callee = -1 if window.callee_replica is None else window.callee_replica
        row.index, row.kills, row.closes = window.index, window.kills, window.imagined.closes_on_heal
        row.kind, row.a, row.b = _numbers_of(window)
        row.downstream = int(getattr(window.fault, "stream", "downstream") == "downstream")
        events += [(window.begin_s, 2 * n, n, False), (window.end_s, 2 * n + 1, n, True)]
    events.sort()
    happenings = zeros(records.HAPPENING, len(events))
    for position, (at, _, place, heals) in enumerate(events):
        happenings[position] = (at, place, heals)
    return made, happenings


def _numbers_of(window: FaultWindow) -> tuple[int, float, float]:
    fault: Any = window.fault
    match fault.kind:
        case "latency":
            return wires.LATENCY, fault.latency_ms, fault.jitter_ms
        case "bandwidth":
            return wires.BANDWIDTH, fault.rate_kb_per_s, 0.0
        case "blackhole":
            return wires.BLACKHOLE, fault.close_after_ms, 0.0
        case "reset":
            return wires.RESET, fault.after_ms, 0.0
        case "outage" | "kill" | "zone_outage" | "random_outages":
            return wires.OUTAGE, 0.0, 0.0
        case "fragmentation":
            return wires.FRAGMENTATION, fault.size_bytes + fault.variation_bytes, fault.delay_us
        case "truncation":
            return wires.TRUNCATION, fault.bytes, 0.0
    return wires.NOTHING, 0.0, 0.0


def _places(model: Model, stations: Any) -> Any:
    rows: list[tuple[int, int]] = []
    first: dict[int, list[int]] = {}
    for index, s in enumerate(model.stations):
        if s.consumes is not None:
            for _ in range(s.workers):
                for replica in range(s.replicas):
                    first.setdefault(s.consumes, []).append(len(rows))
                    rows.append((index, replica))
    made = zeros(records.PLACE, max(1, len(rows)))
    made.next = -1
    for n, (station, replica) in enumerate(rows):
        made[n].station, made[n].replica = station, replica
    for queue, places in first.items():
        idle = [n for n in places if made[n].replica < model.stations[made[n].station].initial]
        for n, following in zip(idle, [*idle[1:], -1], strict=True):
            made[n].next, made[n].idle = following, 1
        if idle:
            stations[queue].idle_first, stations[queue].idle_last = idle[0], idle[-1]
    return made


def grown(w: World) -> World:
    """The same world with twice the room for everything that is under way."""
    g = w.g[0]
    old, sources = len(w.frames), len(w.sources)
    new = 2 * old
    frames = zeros(records.FRAME, new)
    frames[:old] = w.frames
    frames.kind[old:] = -1
    frames.q_next[old:] = [*range(old + 1, new), g.free]
    g.free = old
    more = zeros(records.SOURCE, sources + old)
    more[:sources] = w.sources
    more.head[sources:] = more.tail[sources:] = more.prev[sources:] = -1
    more.kind[sources:], more.free[sources:] = records.THREAD, 1
    more.next[sources:] = [*range(sources + 1, sources + old), g.threads_free]
    g.threads_free = sources
    positions = np.full(len(more) + 4 * new, -1, np.int32)
    ranks = zeros(records.RANK, len(positions))
    for wider, narrow in ((positions, w.positions), (ranks, w.ranks)):
        wider[:sources] = narrow[:sources]
        wider[len(more) : len(more) + 4 * old] = narrow[sources:]
    heap = zeros(records.ENTRY, 3 * new + len(more) + 8)
    heap[: len(w.heap)] = w.heap
    ids = heap.id[: g.heap]
    ids[ids >= sources] += old
    g.sources = len(more)
    fifo = zeros(records.CONSEQUENCE, 8 * new)
    fifo[: g.fifo_n] = np.roll(w.fifo, -g.fifo_at)[: g.fifo_n]
    g.fifo_at = 0
    g.ring, g.room = 8 * new - 1, new
    g.easy = -1 if g.watch else new - g.spare
    loops = zeros(records.LOOPING, programs.LOOPS * new)
    loops[: len(w.loops)] = w.loops
    return w.with_arrays(
        frames=frames,
        sources=more,
        positions=positions,
        heap=heap,
        ranks=ranks,
        fifo=fifo,
        loops=loops,
        messages=_longer(w.messages, g, "messages_free"),
        owed=_longer(w.owed, g, "owed_free"),
        flights=_longer(w.flights, g, "flights_free"),
        cuts=_longer(w.cuts, g, "cuts_free"),
    )


def _longer(array: Any, g: Any, free: str) -> Any:
    old = len(array)
    longer = zeros(array.dtype, 2 * old)
    longer[:old] = array
    longer.next[old:] = [*range(old + 1, 2 * old), getattr(g, free)]
    setattr(g, free, old)
    return longer


def names(values: Sequence[str]) -> np.ndarray[Any, Any]:
    """Strings to be picked from by index."""
    return np.array(values, dtype=object)
